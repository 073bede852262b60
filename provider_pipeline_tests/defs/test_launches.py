"""The launchpad's settings, and what one launch shows, on a real Dagster instance."""

import re
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.defs.checks import (
    CAPABILITIES_ARE_COVERED,
    LISTING_WAS_FETCHED,
    OVERRIDES_ARE_NEEDED,
    PROVIDER_IS_FRESH,
    RULE_EXTRACTS_MODELS,
    freshness,
)
from provider_pipeline.defs.keys import RULE
from provider_pipeline.sync.repair.worker import open_task
from provider_pipeline_tests.dagster_instance import check_statuses, definitions, failure, run_fleet
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

MANY = listing(*(f"gpt-4.1-tune-{number}" for number in range(40)))
FEW = {**MANY, "data": MANY["data"][:4]}


def launch(
    fleet: Fleet,
    instance: dg.DagsterInstance,
    *,
    partition: str | None = "acme",
    job_name: str = "sync_all_providers_job",
    **config,
):
    job = definitions(fleet.database.url).resolve_job_def(job_name)
    return job.execute_in_process(
        instance=instance,
        partition_key=partition,
        run_config={"ops": {"provider_catalog": {"config": config}}},
        raise_on_error=False,
    )


def evaluations(result, name: str) -> list[dg.AssetCheckEvaluation]:
    return [each for each in result.get_asset_check_evaluations() if each.check_name == name]


def test_a_held_listing_is_accepted_from_the_launchpad_with_its_reason(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", MANY)
    assert run_fleet(definitions(fleet.database.url), instance).success
    fleet.serve("acme", FEW)
    assert not launch(fleet, instance).success
    assert {status for _, status, _ in fleet.rows("acme").values()} == {"active"}
    accepted = launch(fleet, instance, accept=["shrink", "turnover"], reason="announced")
    assert accepted.success
    with fleet.database.session() as session:
        (acceptance,) = catalog.acceptances.find(session)
    assert (acceptance.reason, acceptance.author) == ("announced", f"Dagster run {accepted.run_id}")


@pytest.mark.parametrize(
    ("partition", "config", "problem"),
    [
        ("acme", {"accept": ["shrink"]}, "needs a reason"),
        ("acme", {"accept": ["nothing"], "reason": "x"}, "is not a guard"),
        (None, {"accept": ["shrink"], "reason": "x"}, "for one provider"),
    ],
)
def test_an_invalid_acceptance_writes_nothing_and_says_why(
    fleet: Fleet, instance: dg.DagsterInstance, partition, config, problem
):
    fleet.add("acme", MANY)
    assert run_fleet(definitions(fleet.database.url), instance).success
    before = fleet.rows("acme")
    fleet.serve("acme", FEW)
    result = launch(fleet, instance, partition=partition, **config)
    assert not result.success
    (event,) = result.filter_events(lambda each: each.is_step_failure)
    assert problem in str(event.event_specific_data)
    assert fleet.rows("acme") == before


def test_a_dry_run_keeps_nothing_and_records_no_event(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    instance.add_dynamic_partitions("providers", ["acme"])
    result = launch(fleet, instance, dry_run=True)
    assert result.success
    assert result.get_asset_materialization_events() == []
    assert result.get_asset_check_evaluations() == []
    assert fleet.rows("acme") == {}


def test_failures_in_a_row_raise_a_warning_to_an_error(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    instance.add_dynamic_partitions("providers", ["acme"])
    fleet.answer("acme", "no", status=404)
    severities = [
        [each.severity.value for each in evaluations(launch(fleet, instance), LISTING_WAS_FETCHED.name)]
        for _ in range(3)
    ]
    assert severities == [["WARN"], ["WARN"], ["ERROR"]]
    fleet.serve("acme", listing(*CHAT_MODELS))
    (passed,) = evaluations(launch(fleet, instance), PROVIDER_IS_FRESH.name)
    assert (passed.passed, passed.metadata["consecutive_failures"].value) == (True, "0")


@pytest.mark.parametrize(("failures", "severity"), [(0, "WARN"), (2, "WARN"), (3, "ERROR"), (9, "ERROR")])
def test_staleness_is_an_error_once_failures_repeat(failures: int, severity: str):
    now = datetime.now(UTC)
    evaluation = freshness("acme", now - timedelta(days=2), now, failures=failures)
    assert (evaluation.passed, evaluation.severity.value) == (False, severity)


def test_an_override_that_the_listing_has_caught_up_with_fails_its_check(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    instance.add_dynamic_partitions("providers", ["acme"])
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        catalog.model_overrides.put(session, provider.id, "gpt-4o", "context_length", 64_000, reason="they are late")
        session.commit()
    launch(fleet, instance)
    assert check_statuses(instance, OVERRIDES_ARE_NEEDED) == {"acme": "SUCCEEDED"}
    fleet.serve("acme", listing(*CHAT_MODELS, context_length=64_000))
    launch(fleet, instance)
    assert check_statuses(instance, OVERRIDES_ARE_NEEDED) == {"acme": "FAILED"}


def test_a_provider_can_set_its_own_share_of_covered_models(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing("red-1", "green-2", "blue-3", "gpt-4o"))
    instance.add_dynamic_partitions("providers", ["acme"])
    launch(fleet, instance)
    before = check_statuses(instance, CAPABILITIES_ARE_COVERED)
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET thresholds = '{\"min_coverage\": 0.0}'"))
        session.commit()
    launch(fleet, instance)
    after = check_statuses(instance, CAPABILITIES_ARE_COVERED)
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET thresholds = '{\"min_coverage\": 1.0}'"))
        session.commit()
    launch(fleet, instance)
    assert (after, check_statuses(instance, CAPABILITIES_ARE_COVERED)) == (
        {"acme": "SUCCEEDED"},
        before | {"acme": "FAILED"},
    )


def launch_task(fleet: Fleet, instance: dg.DagsterInstance, **config):
    return launch(fleet, instance, job_name="regenerate_provider_rules_job", **config)


def statuses(fleet: Fleet, slug: str = "acme") -> dict[int, str]:
    return {task.id: task.status for task in fleet.tasks(slug)}


def ask(fleet: Fleet, slug: str, *failures: str) -> list[int]:
    """Opens a task for each kind of failure."""
    with fleet.database.session() as session:
        found = [
            open_task(session, slug, raw_response_id=None, issues=[{"type": failure, "severity": "error"}]).id
            for failure in failures
        ]
        session.commit()
    return found


@pytest.fixture
def drifted(fleet: Fleet, instance: dg.DagsterInstance) -> Fleet:
    """A provider whose listing changed its shape before the last sync."""
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    fleet.serve("acme", moved(*CHAT_MODELS))
    run_fleet(definitions(fleet.database.url), instance)
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "FAILED"}
    return fleet


def test_one_task_is_answered_from_the_launchpad_and_no_other(drifted: Fleet, instance: dg.DagsterInstance):
    first, second = ask(drifted, "acme", "one_kind", "another_kind")
    result = launch_task(drifted, instance, task=second)
    with drifted.database.session() as session:
        answered = catalog.tasks.get(session, second)
    assert result.success
    assert (answered.status, answered.attempts) == ("SUCCEEDED", 1)
    assert statuses(drifted)[first] == "CANCELLED"  # unanswered: the sync that followed succeeded without it
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == RULE]
    assert event.materialization.metadata["task"].value == str(second)


def test_a_waiting_task_is_taken_up_again_only_with_a_reason(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    fleet.serve("acme", {"status": "maintenance"})
    run_fleet(definitions(fleet.database.url), instance)
    (task,) = ask(fleet, "acme", "extraction_failed")
    assert not launch_task(fleet, instance).success
    assert statuses(fleet) == {task: "NEEDS_REVIEW"}

    without = launch_task(fleet, instance, task=task)
    assert f"task {task} is NEEDS_REVIEW, and not due (say why" in failure(without)

    fleet.serve("acme", moved(*CHAT_MODELS))
    launch(fleet, instance, partition=None)
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "FAILED"}
    assert launch_task(fleet, instance, task=task, reason="they are back").success
    assert statuses(fleet) == {task: "SUCCEEDED"}


def test_a_claimed_or_answered_task_is_left_alone_whatever_the_reason(drifted: Fleet, instance: dg.DagsterInstance):
    busy, answered = ask(drifted, "acme", "one_kind", "another_kind")
    with drifted.database.session() as session:
        now, lease = datetime.now(UTC), timedelta(hours=1)
        catalog.task_claims.claim(session, worker="somebody", now=now, lease=lease, task_id=busy)
        catalog.tasks.set_status(session, answered, "SUCCEEDED", {})
        session.commit()
    for task, status in ((busy, "RUNNING"), (answered, "SUCCEEDED")):
        result = launch_task(drifted, instance, task=task, reason="now")
        assert failure(result) == f"task {task} is {status} already"
        assert result.get_asset_materialization_events() == []
    assert statuses(drifted) == {busy: "RUNNING", answered: "SUCCEEDED"}


@pytest.mark.parametrize(
    ("partition", "config", "problem"),
    [
        ("acme", {"task": 4711}, "no task 4711"),
        ("other", {}, r"task \d+ is about acme, not other"),
        (None, {}, "in its provider's partition"),
        ("acme", {"dry_run": True}, "without dry_run"),
    ],
)
def test_a_task_that_this_launch_cannot_answer_stays_as_it_was_and_says_why(
    drifted: Fleet, instance: dg.DagsterInstance, partition, config, problem
):
    drifted.add("other")
    instance.add_dynamic_partitions("providers", ["other"])
    (task,) = ask(drifted, "acme", "one_kind")
    result = launch_task(drifted, instance, partition=partition, **{"task": task, **config})
    assert re.search(problem, failure(result))
    assert statuses(drifted) == {task: "PENDING"}
    assert result.get_asset_materialization_events() == []
