"""A sandbox gives the same results as this process, holds no secrets, and dies alone."""

import json
import os
import signal
from dataclasses import dataclass, field

import psutil
import pytest

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import CatalogError, RuleJudgingError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.overrides import OverrideSet, StatedValue
from provider_pipeline.sync.plan import StoredResponse, stored_rule
from provider_pipeline.sync.repair.candidates import StoredProviderData
from provider_pipeline.sync.repair.judge_process import MEMORY
from provider_pipeline.sync.repair.sandbox import evaluate_in_sandbox, shadow_in_sandbox
from provider_pipeline.sync.repair.shadow import Evidence, evaluate_candidate, run_shadow
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing
from provider_pipeline_tests.sync.repair.sandbox_processes import judges

BETTER = {**RuleGenerator().analyze_sample(listing(*CHAT_MODELS))}
BETTER["fields"] = {**BETTER["fields"], "name": "id"}


@pytest.fixture
def session(fleet: Fleet):
    """A provider that was synced twice and has an override."""
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        provider = catalog.providers.get(session, "acme")
        catalog.model_overrides.put(session, provider.id, "gpt-4o", "context_length", 64_000, reason="measured")
        session.commit()
        fleet.serve("acme", listing(*CHAT_MODELS, "gpt-5"))
        ModelSyncer(session).sync_provider_models("acme")
        yield session


def tried(session, material_type=StoredProviderData):
    provider = catalog.providers.get(session, "acme")
    active = catalog.rule_versions.active(session, provider.id)
    newest, _ = catalog.raw_responses.recent_ids(session, provider.id, limit=2)
    material = material_type(session, provider.id, active.sample_id)
    return material, ExtractionRule.parse(BETTER), stored_rule(session, active), StoredResponse(session, newest)


def test_a_sandbox_gathers_the_same_evidence_as_this_process(session):
    arguments = tried(session)
    here = evaluate_candidate(*arguments, doubt="two lists")
    assert evaluate_in_sandbox(*arguments, doubt="two lists") == here
    assert (here.known, here.found, len(here.stored), here.catalogue.fields["display_name"].gained) == (6, 6, 1, 6)
    assert Evidence.from_json(json.loads(json.dumps(here.to_json(), default=float))) == here


def test_before_the_first_sync_a_sandbox_compares_with_the_rules_sample(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        active = catalog.rule_versions.active(session, provider.id)
        material = StoredProviderData(session, provider.id, active.sample_id)
        response = StoredResponse(session, active.sample_id)
        arguments = (material, ExtractionRule.parse(BETTER), stored_rule(session, active), response)
        here = evaluate_candidate(*arguments)
        assert evaluate_in_sandbox(*arguments) == here
        assert here.known == 5


def test_a_shadow_run_in_a_sandbox_gives_the_same_result(session):
    material, candidate, active, response = tried(session)
    here = run_shadow(active, candidate, response, raw_response_id=response.id)
    assert shadow_in_sandbox(material, candidate, active, response) == here


@dataclass(frozen=True)
class Watching(StoredProviderData):
    """Inspects the process when it requests the known models."""

    seen: list[psutil.Process] = field(default_factory=list)

    def known_ids(self) -> set[str]:
        (judge,) = judges()
        self.seen.append(judge)
        return super().known_ids()


def test_the_process_has_no_secrets_no_connection_and_little_memory(session, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-secret")

    @dataclass(frozen=True)
    class Looking(Watching):
        environment: dict[str, str] = field(default_factory=dict)

        def known_ids(self) -> set[str]:
            found = super().known_ids()
            (judge,) = self.seen
            self.environment.update(judge.environ())
            assert judge.net_connections() == []
            assert judge.rlimit(psutil.RLIMIT_DATA)[0] == MEMORY
            assert judge.rlimit(psutil.RLIMIT_CPU)[0] < 60
            assert judge.terminal() is None or os.getpgid(judge.pid) != os.getpgid(0)
            return found

    arguments = tried(session, Looking)
    evaluate_in_sandbox(*arguments)
    assert set(arguments[0].environment) <= {"PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}
    (judge,) = arguments[0].seen
    assert not judge.is_running()


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (signal.SIGKILL, RuleJudgingError, r"ended its process \(exit code -9\)"),
        (signal.SIGSEGV, RuleJudgingError, r"ended its process \(exit code -11\)"),
        (signal.SIGXCPU, RuleJudgingError, "more processor time than a rule may"),
        (signal.SIGTERM, CatalogError, "could not be run"),
    ],
)
def test_a_rule_that_kills_its_process_is_distinguished_from_a_process_that_was_stopped(session, number, error, words):
    @dataclass(frozen=True)
    class Killing(Watching):
        def known_ids(self) -> set[str]:
            found = super().known_ids()
            self.seen[0].send_signal(number)
            return found

    with pytest.raises(error, match=words):
        evaluate_in_sandbox(*tried(session, Killing))
    assert judges() == []


def test_a_rule_that_takes_too_much_memory_ends_only_its_own_process(session):
    @dataclass(frozen=True)
    class Filling(StoredProviderData):
        def overrides(self):
            return OverrideSet((StatedValue("model", "gpt-4o", "family", [{}] * 10_000_000),))

    with pytest.raises(RuleJudgingError, match="judging it takes more than 512 MiB of memory"):
        evaluate_in_sandbox(*tried(session, Filling))


def test_a_database_failure_is_not_blamed_on_the_rule(session):
    @dataclass(frozen=True)
    class Failing(StoredProviderData):
        def known_ids(self) -> set[str]:
            raise CatalogError("gone")

    with pytest.raises(CatalogError, match="gone"):
        evaluate_in_sandbox(*tried(session, Failing))
    assert judges() == []
