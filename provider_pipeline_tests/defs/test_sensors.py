"""The sensors, on a real Dagster instance and a real catalogue."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.defs.checks import LISTING_IS_PLAUSIBLE, RULE_EXTRACTS_MODELS
from provider_pipeline.defs.keys import RULE
from provider_pipeline.defs.resources import CatalogResource, WebhookResource
from provider_pipeline.defs.sensors import (
    partition_changes,
    provider_freshness_sensor,
    provider_partitions_sensor,
    rule_generation_sensor,
    webhook_sensor,
)
from provider_pipeline.errors import ConfigurationError
from provider_pipeline_tests.dagster_instance import check_statuses, definitions, run_fleet
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


def tick(sensor: dg.SensorDefinition, fleet: Fleet, instance: dg.DagsterInstance, cursor: str | None = None):
    """Evaluates a sensor as the daemon does."""
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={
            "provider_database": CatalogResource(database_url=fleet.database.url),
            "webhook": WebhookResource(),
        },
    ) as context:
        return sensor(context)


@pytest.mark.parametrize(
    ("wanted", "existing", "in_flight", "add", "delete"),
    [
        ({"a", "b"}, set(), set(), ("a", "b"), ()),
        ({"a"}, {"a", "b"}, set(), (), ("b",)),
        ({"a"}, {"a", "b"}, {"b"}, (), ()),
        (set(), set(), set(), (), ()),
    ],
)
def test_partitions_follow_the_providers_but_not_under_a_run(wanted, existing, in_flight, add, delete):
    changes = partition_changes(wanted, existing, in_flight)
    assert (changes.add, changes.delete) == (add, delete)


@pytest.mark.usefixtures("one_day")
def test_enabled_providers_get_partitions_and_disabled_ones_lose_theirs(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("one")
    fleet.add("two")
    added = tick(provider_partitions_sensor, fleet, instance).dynamic_partitions_requests
    today = datetime.now(UTC).date().isoformat()
    assert {request.partitions_def_name: request.partition_keys for request in added} == {
        "providers": ["one", "two"],
        "catalog_days": [today],
    }
    instance.add_dynamic_partitions("providers", ["one", "two"])
    instance.add_dynamic_partitions("catalog_days", [today])
    assert tick(provider_partitions_sensor, fleet, instance).skip_message
    with fleet.database.session() as session:
        catalog.providers.set_enabled(session, "two", False)
        session.commit()
    (request,) = tick(provider_partitions_sensor, fleet, instance).dynamic_partitions_requests
    assert isinstance(request, dg.DeleteDynamicPartitionsRequest)
    assert request.partition_keys == ["two"]


def test_a_repeated_failure_opens_one_task_and_requests_one_run(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("good")
    fleet.add("acme")
    fleet.serve("acme", {"moved": True})
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    run_fleet(defs, instance)
    assert fleet.tasks("acme") == []

    first = tick(rule_generation_sensor, fleet, instance)
    (task,) = fleet.tasks("acme")
    assert (task.type, task.status) == ("RULE_GEN", "PENDING")
    assert task.config["issues"]
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, task.config["raw_response_id"])
    assert page.content == b'{"moved": true}'
    (request,) = first.run_requests
    assert (request.job_name, request.partition_key) == ("regenerate_provider_rules_job", "acme")

    run_fleet(defs, instance)
    again = tick(rule_generation_sensor, fleet, instance, cursor=first.cursor)
    from_the_start = tick(rule_generation_sensor, fleet, instance)
    # Dagster launches a run key once.
    assert {each.run_key for each in again.run_requests + from_the_start.run_requests} == {request.run_key}
    assert len(fleet.tasks("acme")) == 1
    assert fleet.tasks("good") == []


def regenerate(fleet: Fleet, instance: dg.DagsterInstance, slug: str) -> dg.ExecuteInProcessResult:
    """The run that the sensor requests."""
    job = definitions(fleet.database.url).resolve_job_def("regenerate_provider_rules_job")
    return job.execute_in_process(instance=instance, partition_key=slug, raise_on_error=False)


def test_a_response_that_fails_again_after_its_repair_is_repaired_again(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    here, there = listing(*CHAT_MODELS), moved(*CHAT_MODELS)
    keys, cursor = set(), None
    for document in (there, here, there):
        fleet.serve("acme", document)
        run_fleet(defs, instance)
        assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "FAILED"}
        result = tick(rule_generation_sensor, fleet, instance, cursor=cursor)
        (request,) = result.run_requests
        keys.add(request.run_key)
        cursor = result.cursor
        assert regenerate(fleet, instance, "acme").success
    assert len(keys) == 3


def test_a_run_is_requested_again_only_when_the_next_attempt_is_due_or_a_lease_expired(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", moved(*CHAT_MODELS))
    run_fleet(defs, instance)
    (first,) = tick(rule_generation_sensor, fleet, instance).run_requests
    now, lease = datetime.now(UTC), timedelta(minutes=15)
    with fleet.database.session() as session:
        task = catalog.task_claims.claim(session, worker="a", now=now, lease=lease, slug="acme")
        session.commit()
        assert tick(rule_generation_sensor, fleet, instance).run_requests == []  # a worker has claimed it
        catalog.task_claims.extend(session, task.id, worker="a", now=now - 2 * lease, lease=lease)
        session.commit()
        (second,) = tick(rule_generation_sensor, fleet, instance).run_requests
        catalog.task_claims.release(session, task.id, worker="a", now=now, reason="x")
        session.commit()
        assert tick(rule_generation_sensor, fleet, instance).run_requests == []  # a pause
        catalog.tasks.retry(session, task.id, reason="now")
        session.commit()
        (third,) = tick(rule_generation_sensor, fleet, instance).run_requests
    assert first.run_key != second.run_key == third.run_key


def test_a_task_that_waits_for_review_requests_no_run(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    fleet.serve("acme", {"status": "maintenance"})
    run_fleet(definitions(fleet.database.url), instance)
    first = tick(rule_generation_sensor, fleet, instance)
    assert len(first.run_requests) == 1
    regenerate(fleet, instance, "acme")
    run_fleet(definitions(fleet.database.url), instance)
    assert tick(rule_generation_sensor, fleet, instance, cursor=first.cursor).run_requests == []
    assert [task.status for task in fleet.tasks("acme")] == ["NEEDS_REVIEW"]


def test_a_listing_that_fails_both_checks_is_one_failure_and_one_task(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    broken = listing("gpt-4.1", "gpt-4o")  # fewer than half of them, and one without an id
    del broken["data"][1]["id"]
    fleet.serve("acme", broken)
    run_fleet(defs, instance)
    for spec in (RULE_EXTRACTS_MODELS, LISTING_IS_PLAUSIBLE):
        assert check_statuses(instance, spec) == {"acme": "FAILED"}
    assert len(tick(rule_generation_sensor, fleet, instance).run_requests) == 1
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")  # opens the task for its failure as well
    assert fleet.tasks("acme") == [task]


def test_a_rule_that_this_version_refuses_fails_its_check_and_is_written_anew(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    rows = fleet.rows("acme")
    fleet.outlive_the_rules()
    run_fleet(defs, instance)
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "FAILED"}
    assert len(tick(rule_generation_sensor, fleet, instance).run_requests) == 1
    regenerate(fleet, instance, "acme")
    (task,) = fleet.tasks("acme")
    assert (task.status, task.proposed_version) == ("NEEDS_REVIEW", 2)
    assert fleet.rows("acme") == rows


def test_a_provider_without_a_partition_gets_its_task_but_no_run_that_could_not_start(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    fleet.serve("acme", {})
    run_fleet(definitions(fleet.database.url), instance)
    instance.delete_dynamic_partition("providers", "acme")
    assert tick(rule_generation_sensor, fleet, instance).run_requests == []
    assert len(fleet.tasks("acme")) == 1


def test_a_failure_that_has_ended_opens_no_task(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    fleet.serve("acme", {})
    run_fleet(defs, instance)
    fleet.serve("acme", listing(*CHAT_MODELS))
    assert run_fleet(defs, instance).success
    assert tick(rule_generation_sensor, fleet, instance).run_requests == []
    assert fleet.tasks("acme") == []


def test_without_new_evaluations_the_sensor_skips_and_keeps_its_cursor(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("good")
    run_fleet(definitions(fleet.database.url), instance)
    first = tick(rule_generation_sensor, fleet, instance)
    assert first.run_requests == []
    assert tick(rule_generation_sensor, fleet, instance, cursor=first.cursor).skip_message


def test_a_regeneration_run_repairs_the_provider(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", moved(*fleet.rows("acme")))
    run_fleet(defs, instance)
    (request,) = tick(rule_generation_sensor, fleet, instance).run_requests
    job = defs.resolve_job_def(request.job_name)
    result = job.execute_in_process(
        instance=instance, partition_key=request.partition_key, tags=request.tags, raise_on_error=False
    )
    assert result.success
    assert {task.status for task in fleet.tasks("acme")} == {"SUCCEEDED"}
    assert {status for _, status, _ in fleet.rows("acme").values()} == {"active"}
    assert run_fleet(defs, instance).success


def test_a_failed_regeneration_stops_before_the_sync(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", {"status": "maintenance"})
    run_fleet(defs, instance)
    before = fleet.rows("acme")
    tick(rule_generation_sensor, fleet, instance)
    job = defs.resolve_job_def("regenerate_provider_rules_job")
    result = job.execute_in_process(instance=instance, partition_key="acme", raise_on_error=False)
    assert not result.success
    assert {task.status for task in fleet.tasks("acme")} == {"NEEDS_REVIEW"}
    assert fleet.rows("acme") == before
    (record,) = instance.fetch_observations(dg.AssetRecordsFilter(asset_key=RULE), limit=5).records
    observation = record.event_log_entry.asset_observation
    assert observation.partition == "acme"
    assert "is gone: the answer is an object with `status`" in observation.metadata["report"].value


def test_a_provider_goes_stale_though_nothing_runs_and_is_reported_once(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    assert tick(provider_freshness_sensor, fleet, instance).skip_message
    with fleet.database.session() as session:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        session.execute(text("UPDATE provider_sync SET last_success_at = :then"), {"then": long_ago})
        session.commit()
    stale = tick(provider_freshness_sensor, fleet, instance)
    (evaluation,) = stale.asset_events
    assert (evaluation.partition, evaluation.passed) == ("acme", False)
    assert tick(provider_freshness_sensor, fleet, instance, cursor=stale.cursor).skip_message


def test_a_stale_provider_is_fresh_again_after_a_sync_that_found_nothing_new(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    with fleet.database.session() as session:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        session.execute(text("UPDATE provider_sync SET last_success_at = :then"), {"then": long_ago})
        session.commit()
    stale = tick(provider_freshness_sensor, fleet, instance)
    assert run_fleet(defs, instance).get_asset_check_evaluations() == []
    fresh = tick(provider_freshness_sensor, fleet, instance, cursor=stale.cursor)
    (evaluation,) = fresh.asset_events
    assert (evaluation.partition, evaluation.passed) == ("acme", True)
    assert tick(provider_freshness_sensor, fleet, instance, cursor=fresh.cursor).skip_message


def test_a_stale_provider_is_reported_again_when_its_failures_make_it_an_error(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    with fleet.database.session() as session:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        session.execute(text("UPDATE provider_sync SET last_success_at = :then"), {"then": long_ago})
        session.commit()
    first = tick(provider_freshness_sensor, fleet, instance)
    with fleet.database.session() as session:
        failing = "consecutive_failures = 3, last_error_kind = 'x', last_error = 'y'"
        session.execute(text(f"UPDATE provider_sync SET {failing}"))
        session.commit()
    second = tick(provider_freshness_sensor, fleet, instance, cursor=first.cursor)
    assert [each.severity.value for each in (*first.asset_events, *second.asset_events)] == ["WARN", "ERROR"]


def test_the_webhook_sensor_sends_what_happened_once(
    fleet: Fleet, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    assert "no webhook is set" in tick(webhook_sensor, fleet, instance).skip_message
    fleet.server.expect_request("/hook", method="POST").respond_with_data("", status=204)
    monkeypatch.setenv("PROVIDER_PIPELINE_WEBHOOK_URL", fleet.server.url_for("/hook"))
    monkeypatch.setenv("PROVIDER_PIPELINE_WEBHOOK_SECRET", "whsec_" + "a" * 43 + "=")
    assert "1 of 1 notifications were delivered" in tick(webhook_sensor, fleet, instance).skip_message
    assert "0 of 0" in tick(webhook_sensor, fleet, instance).skip_message


def test_the_webhook_sensor_enqueues_once_which_models_end_soon(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS[:3]))
    run_fleet(definitions(fleet.database.url), instance)
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider_model SET retires_on = current_date + 20 WHERE model_id = 'gpt-4o'"))
        session.commit()
    for _ in range(2):
        tick(webhook_sensor, fleet, instance)
        assert [each.kind for each in notifications_of(fleet)] == ["model_retiring", "models_changed"]


def test_the_end_of_a_model_fails_its_check_without_a_run_and_only_where_notice_is_asked_for(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme", listing(*CHAT_MODELS[:3]))
    run_fleet(definitions(fleet.database.url), instance)

    def ticked(days: int, ends_in: int, cursor: str | None):
        given = {"days": json.dumps({"retirement_notice_days": days}), "end": ends_in}
        with fleet.database.session() as session:
            session.execute(text("UPDATE provider SET thresholds = CAST(:days AS jsonb)"), given)
            session.execute(text("UPDATE provider_model SET retires_on = current_date + CAST(:end AS integer)"), given)
            session.commit()
        result = tick(provider_freshness_sensor, fleet, instance, cursor)
        events = result.asset_events if isinstance(result, dg.SensorResult) else []
        return [(each.check_name, each.passed) for each in events], getattr(result, "cursor", None) or cursor

    off, cursor = ticked(0, 20, None)
    soon, cursor = ticked(30, 20, cursor)
    again, cursor = ticked(30, 20, cursor)
    later, cursor = ticked(30, 40, cursor)
    assert (off, again) == ([], [])
    assert (soon, later) == ([("no_model_retires_soon", False)], [("no_model_retires_soon", True)])


def notifications_of(fleet: Fleet) -> list[catalog.notifications.Notification]:
    with fleet.database.session() as session:
        return catalog.notifications.find(session)


def test_a_webhook_that_cannot_be_used_fails_the_tick(
    fleet: Fleet, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROVIDER_PIPELINE_WEBHOOK_URL", "https://host/hook")
    with pytest.raises(ConfigurationError, match="PROVIDER_PIPELINE_WEBHOOK_SECRET"):
        tick(webhook_sensor, fleet, instance)
