"""A rule on trial reads every listing, writes nothing, and is promoted only if it passes throughout."""

import copy
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.repair.trials import report_trial, run_trials, store_for_trial
from provider_pipeline_tests.catalog.builders import wait_for_a_lock
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved
from provider_pipeline_tests.sync.repair.sandbox_processes import kill_sandboxes

GOOD = RuleGenerator().analyze_sample(listing(*CHAT_MODELS))
RICHER = {**GOOD, "fields": {**GOOD["fields"], "name": "id"}}
WORSE = {**GOOD, "fields": {"id": "id"}, "units": {}}


def on_trial(fleet: Fleet, rule, **ends) -> catalog.trials.RuleTrial:
    fleet.add("acme")
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        version = store_for_trial(session, provider.id, rule, reason="names", created_by_id=4)
        trial = catalog.trials.start(session, provider.id, version, now=datetime.now(UTC), reason="names", **ends)
        session.commit()
    return trial


def sync(fleet: Fleet, document) -> None:
    fleet.serve("acme", document)
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")


def state(fleet: Fleet, trial: catalog.trials.RuleTrial):
    with fleet.database.session() as session:
        report = report_trial(session, catalog.trials.get(session, trial.id))
        return report, catalog.rule_versions.active(session, trial.provider_id).version


def test_a_good_rule_writes_nothing_and_is_promoted_at_the_end(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=2, policy="promote")
    sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, report.trial.syncs, active) == ("running", 1, 1)
    assert report.shadows[0].comparison.fields["display_name"].gained == 5
    with fleet.database.session() as session:
        rows = catalog.models.load(session, trial.provider_id)
    assert {row["display_name"] for row in rows} == {None}
    sync(fleet, listing(*CHAT_MODELS, "gpt-5"))
    report, active = state(fleet, trial)
    assert (report.trial.status, report.trial.responses, active) == ("promoted", 2, 2)
    assert "passed its trial over 2 syncs" in report.trial.end_reason


def test_a_worse_rule_is_reported_and_never_promoted(fleet: Fleet):
    trial = on_trial(fleet, WORSE, until_syncs=1, policy="promote")
    document = copy.deepcopy(listing(*CHAT_MODELS))
    sync(fleet, document)
    report, active = state(fleet, trial)
    assert (report.trial.status, active) == ("finished", 1)
    # Nothing it maps contradicts, but what it does not map is missing throughout.
    assert report.trial.end_reason.startswith("failed no_known_field_is_lost")


def test_the_policy_report_leaves_the_promotion_to_a_person(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=1, policy="report")
    sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, report.passed, active) == ("finished", True, 1)


def test_the_same_listing_again_counts_as_a_sync_and_not_as_another_listing(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=9)
    for _ in range(3):
        sync(fleet, listing(*CHAT_MODELS))
    report, _ = state(fleet, trial)
    assert (report.trial.syncs, report.trial.responses, len(report.shadows)) == (3, 1, 1)


def test_a_listing_that_only_the_rule_on_trial_reads_counts_for_it(fleet: Fleet):
    trial = on_trial(fleet, RuleGenerator().analyze_sample(moved(*CHAT_MODELS)), until_syncs=2)
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    report, _ = state(fleet, trial)
    (shadow,) = report.shadows
    assert (shadow.active.valid, shadow.candidate.valid, report.passed) == (False, True, True)


def test_time_ends_a_trial_too(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_at=datetime.now(UTC) + timedelta(days=1))
    sync(fleet, listing(*CHAT_MODELS))
    report, _ = state(fleet, trial)
    assert report.trial.status == "running"
    assert report.trial.is_over(datetime.now(UTC) + timedelta(days=2))


def test_a_dry_run_does_not_count_for_a_trial(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=1)
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme", dry_run=True)
    assert state(fleet, trial)[0].trial.syncs == 0


def test_an_invalid_rule_is_not_put_on_trial(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session, pytest.raises(InvalidRuleError):
        store_for_trial(session, catalog.providers.get(session, "acme").id, {"jmespath_rule": "["}, reason="x")


def test_a_rule_that_loses_capabilities_is_not_promoted(fleet: Fleet):
    knows_only_chat = {
        **GOOD,
        "pattern_set": None,
        "capability_rules": [{"capability": "chat", "patterns": {"regex": [".*"]}}],
    }
    trial = on_trial(fleet, knows_only_chat, until_syncs=1, policy="promote")
    sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, active) == ("finished", 1)
    assert report.trial.end_reason.startswith("failed capabilities_agree")
    assert 'add "pattern_set": "shipped"' in next(gate.actual for gate in report.gates if not gate.passed)


def test_a_rule_that_alone_reads_the_listing_is_compared_with_known_models(fleet: Fleet):
    rule = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))
    knows_only_chat = {
        **rule,
        "pattern_set": None,
        "capability_rules": [{"capability": "chat", "patterns": {"regex": [".*"]}}],
    }
    trial = on_trial(fleet, knows_only_chat, until_syncs=1, policy="promote")
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    report, active = state(fleet, trial)
    assert (report.trial.status, active) == ("finished", 1)
    assert report.trial.end_reason.startswith("failed capabilities_agree")


def test_a_rule_that_was_rejected_during_its_trial_is_not_promoted(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=1, policy="promote")
    with fleet.database.session() as session:
        catalog.rule_versions.set_status(session, trial.provider_id, trial.version, "rejected", reason="no names")
        session.commit()
    sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, report.passed, active) == ("finished", True, 1)
    assert report.trial.end_reason == "rule version 2 was rejected; its trial ran to its end; promotion is by hand"


def test_a_trial_that_would_end_while_a_person_activates_its_rule_is_left_to_the_person(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=2, policy="promote")
    sync(fleet, listing(*CHAT_MODELS))
    ended = []

    def serve() -> None:
        with fleet.database.session() as session:
            known, *_ = catalog.raw_responses.list_raw_responses(session)
            ended.extend(run_trials(session, trial.provider_id, known.id, now=datetime.now(UTC)))
            session.commit()

    serving = threading.Thread(target=serve)
    with fleet.database.session() as person:
        catalog.providers.lock(person, trial.provider_id)
        serving.start()
        wait_for_a_lock(fleet.database)
        catalog.rule_versions.activate_rule(person, trial.provider_id, trial.version, reason="it is better")
        person.commit()
    serving.join(timeout=10)
    report, active = state(fleet, trial)
    assert (ended, report.trial.end_reason, active) == ([], "it is better", 2)


@pytest.mark.parametrize(
    ("elsewhere", "asks"),
    [
        ({"endpoint": "/v1/keys"}, "it asks /v1/keys (and 1 more)"),
        ({"pagination": {"type": "page_token", "param": "account", "token": "'victim'"}}, "it asks /v1/models, paged"),
    ],
)
def test_a_rule_with_other_endpoints_is_promoted_by_a_person_only(fleet: Fleet, elsewhere: dict, asks: str):
    trial = on_trial(fleet, {**RICHER, **elsewhere}, until_syncs=1, policy="promote")
    sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, active) == ("finished", 1)
    assert report.trial.end_reason.startswith(f"failed asks_the_same_places: {asks}")
    assert [gate.name for gate in report.gates if not gate.passed] == ["asks_the_same_places"]


def test_a_rule_on_trial_that_this_build_refuses_is_not_promoted(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=2, policy="promote")
    sync(fleet, listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        session.execute(text("ALTER TABLE rule_version DISABLE TRIGGER USER"))
        stored = "jsonb_set(model_list_config, '{endpoint}', '\"/../keys\"')"
        session.execute(text(f"UPDATE rule_version SET model_list_config = {stored} WHERE version = 2"))
        session.commit()
    sync(fleet, listing(*CHAT_MODELS, "gpt-5"))
    report, active = state(fleet, trial)
    assert (report.trial.status, active) == ("finished", 1)
    assert report.trial.end_reason == "failed asks_the_same_places: it cannot be read any more"


def test_a_rule_that_does_not_paginate_is_not_promoted(fleet: Fleet):
    paged = {**listing(*CHAT_MODELS), "has_more": False, "last_id": CHAT_MODELS[-1]}
    rule = RuleGenerator().analyze_sample({**paged, "has_more": True})
    trial = on_trial(
        fleet, {**rule, "pagination": None, "fields": {**rule["fields"], "name": "id"}}, until_syncs=1, policy="promote"
    )
    with fleet.database.session() as session:
        generate_rule(session, "acme", [EndpointSample({**paged, "has_more": True}, "/v1/models")], activate=True)
        session.commit()
    sync(fleet, paged)
    report, _ = state(fleet, trial)
    assert report.trial.end_reason == "failed looks_for_every_page: not at /v1/models"


def test_a_rule_on_trial_that_kills_its_sandbox_is_rejected_and_its_trial_ends(fleet: Fleet):
    trial = on_trial(fleet, RICHER, until_syncs=9, policy="promote")
    with kill_sandboxes(fleet.database.engine, signal.SIGKILL):
        sync(fleet, listing(*CHAT_MODELS))
    report, active = state(fleet, trial)
    assert (report.trial.status, report.shadows, active) == ("stopped", (), 1)
    assert report.trial.end_reason.startswith("rule version 2 is rejected: judging it ended its process")
    with fleet.database.session() as session:
        assert catalog.rule_versions.get(session, trial.provider_id, 2).status == "rejected"
    assert len(fleet.rows("acme")) == 5
