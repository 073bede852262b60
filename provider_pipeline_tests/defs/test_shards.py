"""The shards of the fleet, on a real Dagster instance and a real catalogue."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product

import dagster as dg
import pytest
from hypothesis import given, strategies as st

from provider_pipeline import catalog
from provider_pipeline.defs.jobs import LAUNCH
from provider_pipeline.defs.schedules import hourly_sync_schedule
from provider_pipeline.defs.sensors import catalog_outputs_sensor
from provider_pipeline.defs.shards import Shard, all_shards
from provider_pipeline.errors import ConfigurationError
from provider_pipeline_tests.dagster_instance import definitions, failure
from provider_pipeline_tests.defs.test_sensors import tick
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet

SLUGS = [f"provider-{number}" for number in range(12)]
CRON = "0 * * * *"
HOUR = datetime(2026, 1, 1, 5, tzinfo=UTC)


@given(slug=st.text(min_size=1), count=st.integers(1, 256))
def test_every_provider_is_in_exactly_one_shard(slug: str, count: int):
    assert sum(shard.holds(slug) for shard in all_shards(count)) == 1


def test_a_provider_stays_in_its_shard_in_every_process_and_release():
    assert {
        slug: next(str(each) for each in all_shards(4) if each.holds(slug)) for slug in ("openai", "acme", "ä")
    } == {
        "openai": "3/4",
        "acme": "1/4",
        "ä": "1/4",
    }


def test_shards_are_about_equally_large():
    slugs = [f"provider-{number}" for number in range(10_000)]
    sizes = [sum(map(shard.holds, slugs)) for shard in all_shards(8)]
    assert all(0.9 < size / 1_250 < 1.1 for size in sizes)


def test_two_shards_overlap_if_they_can_hold_the_same_provider():
    slugs = [f"provider-{number}" for number in range(1_000)]
    held = {shard: set(filter(shard.holds, slugs)) for count in range(1, 7) for shard in all_shards(count)}
    for one, other in product(held, held):
        assert one.overlaps(other) == bool(held[one] & held[other]), (one, other)


def requests_at(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, at: datetime = HOUR
) -> dict[str, dg.RunRequest]:
    """What a tick requests, by shard."""
    context = dg.build_schedule_context(instance, scheduled_execution_time=at)
    return {
        request.tags["provider_pipeline/shard"]: request for request in schedule.evaluate_tick(context).run_requests
    }


def run(fleet: Fleet, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """The run of a request."""
    job = definitions(fleet.database.url).resolve_job_def("sync_all_providers_job")
    return job.execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )


def unfinished(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.DagsterRun:
    """A run of the request that has started and not ended."""
    job = definitions("").resolve_job_def("sync_all_providers_job")
    return instance.create_run_for_job(job, tags={LAUNCH: "fleet", **request.tags}, status=dg.DagsterRunStatus.STARTED)


def asked(fleet: Fleet) -> Counter[str]:
    """How often each provider was asked for its listing since the last look."""
    counted = Counter(request.path.split("/")[1] for request, _ in fleet.server.log)
    fleet.server.clear_log()
    return counted


@pytest.fixture
def providers(fleet: Fleet) -> Fleet:
    """A dozen providers."""
    for slug in SLUGS:
        fleet.add(slug)
    return fleet


@pytest.mark.parametrize("variable", [None, "3"], ids=["as an argument", "from the environment"])
def test_the_shards_of_a_tick_sync_every_provider_once(
    providers: Fleet, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, variable: str | None
):
    if variable is None:
        schedule = hourly_sync_schedule(CRON, shards=3)
    else:
        monkeypatch.setenv("PROVIDER_PIPELINE_SHARDS", variable)
        schedule = hourly_sync_schedule(CRON)
    requests = requests_at(instance, schedule)
    assert {shard: request.run_key for shard, request in requests.items()} == {
        f"{number}/3": f"2026-01-01T05:00:00+00:00 {number}/3" for number in (1, 2, 3)
    }
    for shard, request in requests.items():
        result = run(providers, instance, request)
        assert result.success
        held = {slug for slug in SLUGS if Shard.from_tag(shard).holds(slug)}
        assert asked(providers) == dict.fromkeys(held, 1)
        whole = [each for each in result.get_asset_materialization_events() if each.partition is None]
        assert [each.materialization.metadata["shard"].value for each in whole] == [shard]
    assert all(set(providers.rows(slug)) == set(CHAT_MODELS) for slug in SLUGS)


def test_an_unfinished_shard_is_skipped_alone(instance: dg.DagsterInstance):
    schedule = hourly_sync_schedule(CRON, shards=4)
    slow = unfinished(instance, requests_at(instance, schedule)["2/4"])
    assert set(requests_at(instance, schedule, HOUR + timedelta(hours=1))) == {"1/4", "3/4", "4/4"}
    instance.report_run_failed(slow)
    assert len(requests_at(instance, schedule, HOUR + timedelta(hours=2))) == 4


def test_shards_wait_for_a_run_of_the_whole_fleet_and_not_for_that_of_one_provider(instance: dg.DagsterInstance):
    schedule = hourly_sync_schedule(CRON, shards=2)
    job = definitions("").resolve_job_def("sync_all_providers_job")
    one = instance.create_run_for_job(job, tags={"dagster/partition": "acme"}, status=dg.DagsterRunStatus.STARTED)
    assert set(requests_at(instance, schedule)) == {"1/2", "2/2"}
    whole = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    context = dg.build_schedule_context(instance, scheduled_execution_time=HOUR)
    message = schedule.evaluate_tick(context).skip_message
    assert whole.run_id in message
    assert one.run_id not in message


def test_after_a_change_of_their_number_shards_wait_for_those_that_share_providers(instance: dg.DagsterInstance):
    slow = unfinished(instance, requests_at(instance, hourly_sync_schedule(CRON, shards=4))["2/4"])
    assert set(requests_at(instance, hourly_sync_schedule(CRON, shards=2))) == {"1/2"}
    assert set(requests_at(instance, hourly_sync_schedule(CRON, shards=6))) == {"1/6", "3/6", "5/6"}
    context = dg.build_schedule_context(instance, scheduled_execution_time=HOUR)
    whole = hourly_sync_schedule(CRON).evaluate_tick(context)
    assert slow.run_id in whole.skip_message


def test_after_a_change_of_their_number_every_provider_is_synced_once_a_tick(
    providers: Fleet, instance: dg.DagsterInstance
):
    for count in (3, 5, 1, 2):
        schedule = hourly_sync_schedule(CRON, shards=count)
        context = dg.build_schedule_context(instance, scheduled_execution_time=HOUR)
        requests = schedule.evaluate_tick(context).run_requests
        assert len(requests) == count
        assert all(run(providers, instance, request).success for request in requests)
        assert asked(providers) == dict.fromkeys(SLUGS, 1)


def test_a_provider_that_another_run_is_syncing_is_left_to_it_whatever_the_shards(
    providers: Fleet, instance: dg.DagsterInstance
):
    """Runs that somebody launches, or launches again, with another number of shards."""
    requests = requests_at(instance, hourly_sync_schedule(CRON, shards=2))
    locked = next(slug for slug in SLUGS if Shard(1, 2).holds(slug))
    with providers.database.session() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        assert locks.take([locked]) == {}
        results = [run(providers, instance, request) for request in requests.values()]
    assert all(result.success for result in results)
    assert asked(providers) == dict.fromkeys(set(SLUGS) - {locked}, 1)
    assert providers.rows(locked) == {}


def test_what_follows_the_table_runs_once_after_the_last_shard(providers: Fleet, instance: dg.DagsterInstance):
    requests = requests_at(instance, hourly_sync_schedule(CRON, shards=3))
    waiting = [unfinished(instance, request) for request in requests.values()]
    for request, shard in zip(requests.values(), waiting, strict=True):
        assert run(providers, instance, request).success  # as what `shard` does
        skipped = tick(catalog_outputs_sensor, providers, instance)
        assert skipped.skip_message == "waits for the end of a fleet run, or of the last run for outputs"
        instance.report_run_canceled(shard)
    after = tick(catalog_outputs_sensor, providers, instance)
    assert len(after.run_requests) == 1
    assert (
        tick(catalog_outputs_sensor, providers, instance, after.cursor).skip_message == "no model or provider changed"
    )


@pytest.mark.parametrize(
    ("partition", "shard", "shards"), [(None, 3, 2), ("provider-0", 1, 2)], ids=["no such shard", "of one provider"]
)
def test_a_launch_of_a_shard_that_cannot_be_says_so(
    fleet: Fleet, instance: dg.DagsterInstance, partition: str | None, shard: int, shards: int
):
    fleet.add("provider-0")
    instance.add_dynamic_partitions("providers", ["provider-0"])
    result = (
        definitions(fleet.database.url)
        .resolve_job_def("sync_all_providers_job")
        .execute_in_process(
            instance=instance,
            partition_key=partition,
            run_config={"ops": {"provider_catalog": {"config": {"shard": shard, "shards": shards}}}},
            raise_on_error=False,
        )
    )
    assert failure(result) == f"expected a shard from 1 to 2 and no partition, got shard {shard}"
    assert asked(fleet) == {}


@pytest.mark.parametrize("value", ["0", "257", "-1", "two", "1.5"])
def test_a_number_of_shards_that_cannot_be_fails_the_tick_and_says_what_is_expected(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, value: str
):
    monkeypatch.setenv("PROVIDER_PIPELINE_SHARDS", value)
    with pytest.raises(Exception) as caught:
        requests_at(instance, hourly_sync_schedule(CRON))
    problem = caught.value.__cause__ or caught.value
    assert isinstance(problem, ConfigurationError)
    assert str(problem) == f"PROVIDER_PIPELINE_SHARDS: expected a number from 1 to 256, got {value!r}"


def test_an_empty_variable_is_unset(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PROVIDER_PIPELINE_SHARDS", "")
    context = dg.build_schedule_context(instance, scheduled_execution_time=HOUR)
    assert len(hourly_sync_schedule(CRON).evaluate_tick(context).run_requests) == 1


def test_a_number_of_shards_in_code_is_validated_when_it_is_loaded():
    with pytest.raises(ConfigurationError, match="expected 1 to 256 shards, got 0"):
        hourly_sync_schedule(CRON, shards=0)
