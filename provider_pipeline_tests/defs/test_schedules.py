"""The schedules, on a real Dagster instance and a real catalogue."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from provider_pipeline.definitions import defs
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline.defs.schedules import daily_digest_schedule, hourly_sync_schedule
from provider_pipeline_tests.fleet import Fleet

SYNC, DIGEST = hourly_sync_schedule("0 * * * *"), daily_digest_schedule("20 0 * * *")


def test_the_hourly_schedule_requests_the_fleet_run_without_a_partition(instance: dg.DagsterInstance):
    with dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 1, 1, 5, tzinfo=UTC)) as context:
        (request,) = SYNC.evaluate_tick(context).run_requests
    assert request.partition_key is None
    assert request.run_key == "2026-01-01T05:00:00+00:00"
    assert SYNC.cron_schedule == "0 * * * *"


def test_the_hourly_schedule_waits_for_the_fleet_run_before(instance: dg.DagsterInstance):
    job = defs.resolve_job_def("sync_all_providers_job")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    with dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 1, 1, 5, tzinfo=UTC)) as context:
        waiting = SYNC.evaluate_tick(context)
        assert waiting.run_requests == []
        assert run.run_id in waiting.skip_message
        instance.report_run_failed(run)
        assert len(SYNC.evaluate_tick(context).run_requests) == 1


def digest_tick(fleet: Fleet, instance: dg.DagsterInstance, at: datetime):
    """Evaluates the digest's schedule as the daemon does."""
    resources = {"provider_database": CatalogResource(database_url=fleet.database.url)}
    with dg.build_schedule_context(instance, scheduled_execution_time=at, resources=resources) as context:
        return DIGEST(context)


@pytest.mark.usefixtures("one_day")
def test_the_digest_of_the_day_before_is_requested_even_if_no_sensor_has_added_its_partition(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    today = datetime.now(UTC).date().isoformat()
    tick = digest_tick(fleet, instance, datetime.now(UTC) + timedelta(days=1))
    assert (tick.partition_key, tick.run_key) == (today, today)
    assert instance.get_dynamic_partitions("catalog_days") == [today]


@pytest.mark.usefixtures("one_day")
def test_no_digest_is_requested_for_a_day_before_the_catalogues_first_one(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    tick = digest_tick(fleet, instance, datetime.now(UTC))
    assert tick.skip_message.startswith("the catalogue did not exist on ")
    assert instance.get_dynamic_partitions("catalog_days") == []
