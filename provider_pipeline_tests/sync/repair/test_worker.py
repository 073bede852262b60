"""A task is answered with a rule that passes every gate or with a report for a person, never with a worse rule."""

import copy
import json
import signal
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.errors import (
    CatalogError,
    DatabaseUnavailableError,
    InvalidRuleError,
    ModelSyncerError,
    RuleReplacedError,
    TaskClaimLostError,
)
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.plan import store_rule
from provider_pipeline.sync.repair.activation import try_activate
from provider_pipeline.sync.repair.candidates import generated_candidate
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.repair.review import approve_task, propose_rule, reject_task
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline.sync.repair.worker import LEASE, answer_tasks, improve_rule
from provider_pipeline_tests.database_trouble import unreachable
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved
from provider_pipeline_tests.sync.repair.sandbox_processes import kill_sandboxes


def blocked(fleet: Fleet, document, *, before=None, slug="acme"):
    """A synced provider whose listing has changed, so that its rule does not fit."""
    if slug not in _known(fleet):
        fleet.add(slug, before)
        with fleet.database.session() as session:
            ModelSyncer(session).sync_provider_models(slug)
    fleet.serve(slug, document)
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models(slug)


def _known(fleet: Fleet) -> list[str]:
    with fleet.database.session() as session:
        return [provider.slug for provider in catalog.providers.list_providers(session)]


def answered(fleet: Fleet, slug="acme"):
    with fleet.database.session() as session:
        (repair,) = answer_tasks(session, slug)
    return repair


def active_version(fleet: Fleet, slug="acme") -> int:
    with fleet.database.session() as session:
        return catalog.rule_versions.active(session, catalog.providers.get(session, slug).id).version


def test_a_moved_listing_is_repaired_without_a_person(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    fleet.answer("acme", "down", status=503)  # the repair needs no network
    repair = answered(fleet)
    assert (repair.status, repair.version, repair.models, repair.fits) == ("activated", 2, 5, True)
    assert "`data` became `result.models`" in repair.report
    (task,) = fleet.tasks("acme")
    assert (task.status, task.result["rule_version"], task.proposed_version) == ("SUCCEEDED", 2, None)
    assert task.config["evidence"]["differences"][0]["kind"] == "list_moved"
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session:
        assert ModelSyncer(session).sync_provider_models("acme")["models_unchanged"] >= 0


@pytest.mark.parametrize(
    ("words", "pagination"),
    [
        ({"object": "list", "has_more": True}, "cursor"),
        ({"next_page_token": "x"}, "page_token"),
        ({"page": 1, "total_count": 12}, "page_number"),
    ],
)
def test_a_listing_that_begins_to_have_pages_is_held_and_its_paging_is_found(fleet: Fleet, words, pagination):
    blocked(fleet, listing(*CHAT_MODELS) | words)
    assert len(fleet.rows("acme")) == 5
    (task,) = fleet.tasks("acme")
    assert "partial_listing" in str(task.config)
    assert answered(fleet).status == "activated"
    with fleet.database.session() as session:
        config = catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id).model_list_config
    assert config["pagination"]["type"] == pagination


def test_a_listing_with_pages_that_nothing_tells_how_to_ask_for_waits_for_a_person(fleet: Fleet):
    blocked(fleet, {"data": listing(*CHAT_MODELS)["data"], "has_more": True})
    repair = answered(fleet)
    assert repair.status == "needs_review"
    assert "has_more in the answer says that there is more than the 5 read" in repair.reason


def test_a_page_that_a_person_calls_whole_stays_so_when_the_rule_is_repaired(fleet: Fleet):
    says_more = {"object": "list", "has_more": True}
    fleet.add("acme", listing(*CHAT_MODELS))
    fleet.serve("acme", listing(*CHAT_MODELS) | says_more)
    with fleet.database.session() as session:
        sample = EndpointSample(listing(*CHAT_MODELS) | says_more, "/v1/models")
        generate_rule(session, "acme", [sample], activate=True, whole=True)
        session.commit()
        assert ModelSyncer(session).sync_provider_models("acme")["models_synced"] == 5
    blocked(fleet, moved(*CHAT_MODELS) | says_more)
    assert answered(fleet).status == "activated"
    with fleet.database.session() as session:
        assert ModelSyncer(session).sync_provider_models("acme")["models_synced"] == 5


def test_a_rule_whose_paging_no_longer_leads_on_is_held_with_a_task(fleet: Fleet):
    blocked(
        fleet,
        listing(*CHAT_MODELS) | {"has_more": True, "last_id": None},
        before=listing(*CHAT_MODELS) | {"has_more": False, "last_id": "x"},
    )
    assert len(fleet.rows("acme")) == 5
    assert "partial_listing" in str(fleet.tasks("acme")[0].config)


def test_a_repair_that_reproduces_known_values_touches_no_row_and_records_no_change(fleet: Fleet):
    """Although the new rule misreads the previous listing, which lacks the renamed key."""
    renamed = listing(*CHAT_MODELS)
    for item in renamed["data"]:
        item["max_context_tokens"] = item.pop("context_length")
    blocked(fleet, renamed)
    rows = fleet.rows("acme")
    assert answered(fleet).status == "activated"
    with fleet.database.session() as session:
        result = ModelSyncer(session).sync_provider_models("acme")
        assert {change.kind for change in catalog.history.list_changes(session, slug="acme")} == {"added"}
    assert (result["models_updated"], result["models_unchanged"]) == (0, 5)
    assert fleet.rows("acme") == rows


def test_models_whose_removal_was_accepted_do_not_count_against_a_new_rule(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    fleet.serve("acme", listing(*CHAT_MODELS[:2]))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme", accept=["shrink"], reason="announced")
    blocked(fleet, moved(*CHAT_MODELS[:2]))
    assert answered(fleet).status == "activated"


def test_a_listing_of_other_things_needs_review_with_a_report_that_names_the_change(fleet: Fleet):
    blocked(fleet, {"voices": [{"id": f"voice-{n}", "language": "en"} for n in range(8)]})
    rows = fleet.rows("acme")
    repair = answered(fleet)
    assert repair.status == "needs_review"
    assert active_version(fleet) == 1
    (task,) = fleet.tasks("acme")
    assert task.status == "NEEDS_REVIEW"
    assert "keeps known ids" in task.report
    assert "0 of 0 found again; 5 of 5 are not named at all" in task.report
    assert fleet.rows("acme") == rows


def test_a_response_without_models_needs_review_and_proposes_nothing(fleet: Fleet):
    blocked(fleet, {"data": []})
    repair = answered(fleet)
    assert (repair.status, repair.version) == ("needs_review", None)
    assert "`data` is empty; it had 5 models" in repair.report


def test_a_field_that_is_gone_needs_review_and_is_named(fleet: Fleet):
    after = moved(*CHAT_MODELS)
    for item in after["result"]["models"]:
        del item["max_context"]
    blocked(fleet, after)
    repair = answered(fleet)
    assert [gate.name for gate in repair.gates if not gate.passed] == ["no_known_field_is_lost"]
    assert "`context_length` vanished from all 5 items" in repair.report
    assert fleet.tasks("acme")[0].proposed_version == 2


def test_a_listing_that_only_shrank_needs_a_person_and_no_new_rule(fleet: Fleet):
    blocked(fleet, listing(*CHAT_MODELS[:2]))
    repair = answered(fleet)
    assert (repair.status, repair.fits, repair.version) == ("needs_review", True, 1)
    assert "the listing itself is in question" in repair.reason
    assert "3 of 5 models are gone" in repair.report
    assert "provider-pipeline sync acme --accept" in repair.report


def test_a_listing_held_by_the_providers_own_thresholds_needs_a_person(fleet: Fleet):
    """No rule would change it, so that closing the task would only open the next one."""
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(catalog.tables.provider.update().values(thresholds={"min_models": 6}))
        session.commit()
    blocked(fleet, listing(*CHAT_MODELS))
    repair = answered(fleet)
    assert repair.status == "needs_review"
    assert "the listing itself is in question: " in repair.reason
    assert [task.status for task in fleet.tasks("acme")] == ["NEEDS_REVIEW"]


def test_prices_in_another_unit_are_repaired(fleet: Fleet):
    before = listing(*CHAT_MODELS)
    after = copy.deepcopy(before)
    for item in after["data"]:
        item["pricing"] = {"prompt_per_million": 2.0, "completion_per_million": 2.0}
    blocked(fleet, after, before=before)
    repair = answered(fleet)
    assert repair.status == "activated", repair.reason
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        rows = catalog.models.load(session, catalog.providers.get(session, "acme").id)
    assert {float(row["input_price"]) for row in rows} == {2.0}


def test_the_same_failure_in_another_response_is_answered_again(fleet: Fleet):
    blocked(fleet, {"voices": [{"id": f"voice-{n}"} for n in range(8)]})
    assert answered(fleet).status == "needs_review"
    blocked(fleet, moved(*CHAT_MODELS))
    assert [task.status for task in fleet.tasks("acme")] == ["PENDING"]
    assert answered(fleet).status == "activated"


def test_the_same_response_again_leaves_the_decision_to_the_person(fleet: Fleet):
    document = {"voices": [{"id": f"voice-{n}"} for n in range(8)]}
    blocked(fleet, document)
    answered(fleet)
    blocked(fleet, document)
    assert [task.status for task in fleet.tasks("acme")] == ["NEEDS_REVIEW"]
    with fleet.database.session() as session:
        assert answer_tasks(session, "acme") == []


def reviewed(fleet: Fleet) -> catalog.tasks.Task:
    after = moved(*CHAT_MODELS)
    for item in after["result"]["models"]:
        del item["max_context"]
    blocked(fleet, after)
    answered(fleet)
    (task,) = fleet.tasks("acme")
    return task


def test_a_person_can_approve_a_rule_that_failed_a_gate(fleet: Fleet):
    task = reviewed(fleet)
    with fleet.database.session() as session:
        assert approve_task(session, task.id, reason="announced", created_by_id=7) == 2
        event = catalog.rule_versions.events(session, task.provider_id, version=2)[-1]
    assert (event.status, event.reason, event.created_by_id, event.task_id) == ("active", "announced", 7, task.id)
    assert active_version(fleet) == 2
    assert fleet.tasks("acme")[0].status == "SUCCEEDED"


def test_a_rejected_rule_is_never_activated_automatically(fleet: Fleet):
    task = reviewed(fleet)
    with fleet.database.session() as session:
        reject_task(session, task.id, reason="they will bring it back", created_by_id=7)
        catalog.tasks.retry(session, task.id, reason="look again")
        session.commit()
    repair = answered(fleet)
    assert repair.status == "needs_review"
    with fleet.database.session() as session:
        assert catalog.rule_versions.get(session, task.provider_id, 2).status == "rejected"
    assert active_version(fleet) == 1


def test_only_a_task_in_review_can_be_decided(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        for decide in (approve_task, reject_task):
            with pytest.raises(CatalogError, match="only one that NEEDS_REVIEW can be decided"):
                decide(session, task.id, reason="no")


def test_a_proposal_passes_the_same_gates(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    (task,) = fleet.tasks("acme")
    good = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))
    worse = {**good, "fields": {"id": "model"}, "units": {}}
    with fleet.database.session() as session:
        held = propose_rule(session, task.id, worse, author="agent", note="ids only")
        assert held.status == "needs_review"
        assert "no_known_field_is_lost" in [gate.name for gate in held.gates if not gate.passed]
        assert active_version(fleet) == 1
        taken = propose_rule(session, task.id, good, author="person", created_by_id=3)
        assert taken.status == "activated"
        version = catalog.rule_versions.get(session, task.provider_id, taken.version)
    assert (version.author, version.created_by_id, version.origin) == ("person", 3, "proposed")


def test_an_invalid_proposal_changes_nothing(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session, pytest.raises(InvalidRuleError):
        propose_rule(session, task.id, {"jmespath_rule": "data[*"}, author="agent")
    assert fleet.tasks("acme") == [task]


def test_a_task_that_an_agent_claimed_is_not_answered_by_another(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    now = datetime.now(UTC)
    with fleet.database.session() as session:
        task = catalog.task_claims.claim(session, worker="agent", now=now, lease=timedelta(hours=1), slug="acme")
        session.commit()
        assert answer_tasks(session, "acme") == []
        good = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))
        with pytest.raises(TaskClaimLostError):
            propose_rule(session, task.id, good, author="agent", worker="somebody else")
        session.rollback()
        assert propose_rule(session, task.id, good, author="agent", worker="agent").status == "activated"


def test_a_repair_that_takes_longer_than_its_lease_extends_it(fleet: Fleet):
    fleet.add("acme")
    for number in range(6):
        fleet.serve("acme", listing(*CHAT_MODELS, f"gpt-5-{number}"))
        with fleet.database.session() as session:
            ModelSyncer(session).sync_provider_models("acme")
    blocked(fleet, moved(*CHAT_MODELS, "gpt-5-5"))
    (task,) = fleet.tasks("acme")
    times = []

    def slow_clock() -> datetime:
        """A clock on which each response takes five minutes, while another worker looks for a task."""
        times.append(datetime.now(UTC) + timedelta(minutes=5 * len(times)))
        with fleet.database.session() as session:
            assert len(times) < 2 or catalog.task_claims.claim(session, worker="b", now=times[-1], lease=LEASE) is None
        return times[-1]

    with fleet.database.session() as session:
        (repair,) = answer_tasks(session, "acme", clock=slow_clock)
    assert (repair.status, repair.task_id) == ("activated", task.id)
    assert times[-1] - times[0] > 2 * LEASE


def test_a_better_rule_is_found_without_a_task_and_a_repeat_keeps_it(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        repair = improve_rule(session, "acme")
        assert (repair.status, repair.version) == ("kept", 1)
    assert json.dumps([gate.to_json() for gate in repair.gates])


def odd(*model_ids: str) -> dict:
    """Models in a shape without any familiar name."""
    entries = [
        {"handle": model_id, "label": f"Nr. {number}", "window": {"tokens": 128_000}}
        for number, model_id in enumerate(model_ids)
    ]
    return {"status": "ok", "result": {"catalogue": {"entries": entries}}}


def only_ids(*model_ids: str) -> dict:
    return {"object": "list", "data": [{"id": model_id, "object": "model"} for model_id in model_ids]}


@pytest.mark.parametrize("synced_before", [True, False])
def test_known_ids_remove_the_doubt_about_an_odd_shape(fleet: Fleet, synced_before: bool):
    fleet.add("acme", only_ids(*CHAT_MODELS))
    with fleet.database.session() as session:
        if synced_before:
            ModelSyncer(session).sync_provider_models("acme")
    blocked(fleet, odd(*CHAT_MODELS))
    repair = answered(fleet)
    assert (repair.status, repair.models) == ("activated", 5), repair.reason


def test_unknown_ids_in_an_odd_shape_wait_for_a_person(fleet: Fleet):
    blocked(fleet, odd("red", "green", "blue", "black", "white"))
    repair = answered(fleet)
    assert repair.status == "needs_review"
    assert {"keeps_known_ids", "is_unambiguous"} <= {gate.name for gate in repair.gates if not gate.passed}


def test_without_a_stored_response_the_task_is_released_with_the_reason(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        catalog.tasks.open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[{"type": "x"}])
        session.commit()
        with pytest.raises(ModelSyncerError, match="no stored response"):
            answer_tasks(session, "acme")
    (task,) = fleet.tasks("acme")
    assert (task.status, task.attempts) == ("PENDING", 1)
    assert task.next_attempt_at > datetime.now(UTC)
    assert "no stored response" in task.result["reason"]


def test_fields_with_meaningless_new_names_are_found_by_their_values(fleet: Fleet):
    before = listing(*CHAT_MODELS)
    for number, item in enumerate(before["data"]):
        item |= {"context_length": 8_192 * (number + 1), "pricing": {"prompt": f"0.00000{number + 1}"}}
    after = {
        "things": [
            {"handle": item["id"], "zork": item["context_length"], "fee": {"a": item["pricing"]["prompt"]}}
            for item in before["data"]
        ]
    }
    blocked(fleet, after, before=before)
    repair = answered(fleet)
    assert repair.status == "activated", repair.reason
    with fleet.database.session() as session:
        assert ModelSyncer(session).sync_provider_models("acme")["models_missing"] == 0
        rows = catalog.models.load(session, catalog.providers.get(session, "acme").id)
    assert sorted((row["context_length"], float(row["input_price"])) for row in rows) == [
        (8_192 * number, float(number)) for number in range(1, 6)
    ]


def test_before_the_first_sync_a_response_is_compared_with_the_rules_sample(fleet: Fleet):
    fleet.add("acme")
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    assert "`data` became `result.models`" in answered(fleet).report


def test_a_rule_that_a_person_activates_during_a_repair_stays_active(fleet: Fleet):
    fleet.add("acme")
    shape = moved(*CHAT_MODELS)
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        written = store_for_trial(
            session, provider_id, RuleGenerator().analyze_sample({"models": shape}), reason="mine"
        )
        session.commit()

    class Read:
        """A response that a person decides during."""

        id = None

        def __iter__(self):
            with fleet.database.session() as person:
                catalog.rule_versions.activate_rule(person, provider_id, written, reason="mine")
                person.commit()
            yield 0, shape

    with fleet.database.session() as session, pytest.raises(RuleReplacedError, match="rule version 2 became active"):
        candidate = generated_candidate(session, "acme", [EndpointSample(shape, "/v1/models")], None)
        try_activate(session, provider_id, candidate, Read(), origin="regenerated")
    assert active_version(fleet) == written


def proposed(fleet: Fleet, document, **more):
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        return propose_rule(session, task.id, document, author="agent", **more)


def rule_status(fleet: Fleet, version: int) -> tuple[str, str]:
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        (*_, event) = catalog.rule_versions.events(session, provider.id, version=version)
        return catalog.rule_versions.get(session, provider.id, version).status, event.reason


IDS_ONLY = {"jmespath_rule": "result.models[*]", "fields": {"id": "model"}, "capability_rules": []}


def test_a_proposal_that_kills_its_sandbox_is_rejected_and_the_task_continues_without_it(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    with kill_sandboxes(fleet.database.engine, signal.SIGKILL):
        repair = proposed(fleet, IDS_ONLY)
    assert (repair.status, repair.version, repair.fits) == ("activated", 3, True)  # the generator's own
    assert "the proposed rule version 2 is rejected: judging it ended its process (exit code -9); " in repair.reason
    assert repair.rejected is not None and repair.rejected in repair.report
    assert rule_status(fleet, 2) == ("rejected", repair.rejected)
    (task,) = fleet.tasks("acme")
    assert (task.status, task.attempts, task.result["rule_version"]) == ("SUCCEEDED", 1, 3)


def test_stopping_a_sandbox_does_not_reject_the_proposal(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    with kill_sandboxes(fleet.database.engine, signal.SIGTERM), pytest.raises(CatalogError, match="could not be run"):
        proposed(fleet, IDS_ONLY)
    (task,) = fleet.tasks("acme")
    assert (task.status, task.proposed_version, task.lost_its_judge) == ("PENDING", 2, False)
    assert rule_status(fleet, 2)[0] == "candidate"


class ClockThatStrikes:
    """The time; the third time that it is asked for, which is during the judging of a proposal, something happens."""

    def __init__(self, strike):
        self.calls = 0
        self.strike = strike

    def __call__(self):
        self.calls += 1
        if self.calls == 3:
            self.strike()
        return datetime.now(UTC)


def proposal_waiting(fleet: Fleet) -> int:
    blocked(fleet, moved(*CHAT_MODELS))
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        version = store_rule(session, task.provider_id, ExtractionRule.parse(IDS_ONLY), origin="proposed")
        catalog.task_claims.propose(session, task.id, version)
        session.commit()
    return version


def test_ctrl_c_during_judging_gives_the_task_back_with_its_proposal(fleet: Fleet):
    version = proposal_waiting(fleet)
    clock = ClockThatStrikes(lambda: signal.raise_signal(signal.SIGINT))
    with fleet.database.session() as session, pytest.raises(KeyboardInterrupt):
        answer_tasks(session, "acme", clock=clock)
    (task,) = fleet.tasks("acme")
    assert (task.status, task.claimed_by, task.proposed_version, task.times_judged) == ("PENDING", None, version, 0)
    assert task.result == {"reason": "interrupted", "attempts": 1}


def test_a_database_that_goes_away_during_judging_is_waited_for_and_not_held_against_the_proposal(fleet: Fleet):
    version = proposal_waiting(fleet)
    waits = []
    with ExitStack() as outage:

        def wait(seconds):
            waits.append(seconds)
            if len(waits) == 2:
                outage.close()

        clock = ClockThatStrikes(lambda: outage.enter_context(unreachable(fleet.database)))
        with fleet.database.session() as session, pytest.raises(DatabaseUnavailableError):
            answer_tasks(session, "acme", clock=clock, wait=wait)
    assert len(waits) == 2
    (task,) = fleet.tasks("acme")
    assert (task.status, task.proposed_version, task.times_judged) == ("PENDING", version, 0)


def test_a_proposal_over_whose_judging_two_workers_vanished_is_never_judged_again(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        version = store_rule(session, task.provider_id, ExtractionRule.parse(IDS_ONLY), origin="proposed")
        catalog.task_claims.propose(session, task.id, version)
        for hours, gone in ((2, "gone"), (1, "gone too")):
            began, lease = datetime.now(UTC) - timedelta(hours=hours), timedelta(minutes=15)
            claimed = catalog.task_claims.claim(session, worker=gone, now=began, lease=lease, task_id=task.id)
            assert claimed is not None
            assert not claimed.lost_its_judge  # the first may have lost the database
            catalog.task_claims.begin_judging(session, claimed, worker=gone)
            session.commit()
    with kill_sandboxes(fleet.database.engine, signal.SIGKILL):  # nor would it survive
        repair = answered(fleet)
    assert (repair.status, repair.version) == ("activated", 3)
    assert "rejected: two earlier workers vanished while it was judged" in repair.reason
    assert rule_status(fleet, 2)[0] == "rejected"


def test_a_proposal_that_takes_too_much_work_waits_for_a_person(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    costly = {f"field_{number}": "to_string(@)" for number in range(60)}
    repair = proposed(fleet, {**IDS_ONLY, "fields": {"id": "model", **costly}})
    assert (repair.status, repair.rejected) == ("needs_review", None)
    (gate,) = [gate for gate in repair.gates if gate.name == "fits_the_failing_response"]
    assert not gate.passed
    assert "the row of gpt-4.1 has" in gate.actual


def test_an_active_rule_that_takes_too_much_work_holds_the_listing_and_can_be_repaired(fleet: Fleet):
    fleet.add("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        costly = {f"field_{number}": "to_string(@)" for number in range(60)}
        rule = ExtractionRule.parse({**IDS_ONLY, "endpoint": "/v1/models", "fields": {"id": "model", **costly}})
        version = store_rule(session, provider.id, rule, origin="written")
        catalog.rule_versions.activate_rule(session, provider.id, version, reason="I know better")
        session.commit()
        with pytest.raises(RuleValidationError, match="does more with this listing than a rule may: the row of gpt-4"):
            ModelSyncer(session).sync_provider_models("acme")
    assert fleet.rows("acme") == {}
    assert answered(fleet).status == "activated"


def test_an_active_rule_that_this_build_refuses_can_be_replaced_by_approving_the_new_one(fleet: Fleet):
    blocked(fleet, moved(*CHAT_MODELS))
    fleet.outlive_the_rules()
    repair = answered(fleet)
    assert (repair.status, repair.version, repair.models) == ("needs_review", 2, 5)
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        assert approve_task(session, task.id, reason="looked at") == 2
        assert ModelSyncer(session).sync_provider_models("acme")["success"]


@pytest.mark.parametrize("synced_before", [True, False])
def test_a_sync_with_an_active_rule_that_this_build_refuses_asks_for_a_new_one(fleet: Fleet, synced_before: bool):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        if synced_before:
            ModelSyncer(session).sync_provider_models("acme")
        else:
            generate_rule(session, "acme", [EndpointSample(listing(*CHAT_MODELS), "/v1/models")], activate=True)
            session.commit()
    before, asked = fleet.rows("acme"), len(fleet.server.log)
    fleet.outlive_the_rules()
    with fleet.database.session() as session:
        with pytest.raises(RuleValidationError, match="refuses the active rule") as refused:
            ModelSyncer(session).sync_provider_models("acme")
        provider = catalog.providers.get(session, "acme")
        assert catalog.sync_state.get(session, provider.id).consecutive_failures == 1
    assert [issue["type"] for issue in refused.value.issues] == ["rule_refused"]
    assert (fleet.rows("acme"), len(fleet.server.log)) == (before, asked)
    repair = answered(fleet)
    assert (repair.status, repair.models) == ("needs_review", 5)
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        approve_task(session, task.id, reason="looked at")
        result = ModelSyncer(session).sync_provider_models("acme")
    assert (result["models_synced"], result["models_updated"]) == (5, 0)
