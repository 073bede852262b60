from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import make_url

from provider_pipeline.catalog.database import adapted_url
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.defs.checks import CHECK_SPECS
from provider_pipeline.defs.keys import TABLE
from provider_pipeline.defs.storage import OneStatementEventLog, OneStatementStorage
from provider_pipeline_tests.dagster_instance import definitions, run_fleet, run_partition
from provider_pipeline_tests.databases import new_database
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

CONTENTS = {
    "event_logs": "SELECT id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition "
    "FROM event_logs",
    "asset_keys": "SELECT asset_key, last_materialization, last_run_id, last_materialization_timestamp, tags "
    "FROM asset_keys",
    "asset_event_tags": "SELECT event_id, asset_key, key, value, event_timestamp FROM asset_event_tags",
    "asset_check_executions": "SELECT asset_key, check_name, partition, run_id, execution_status, evaluation_event, "
    "evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id "
    "FROM asset_check_executions",
}
CHECK = dg.AssetCheckKey(dg.AssetKey("validated_extraction"), "rule_extracts_models")


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one"]))
def tagged() -> None:
    """An asset of another project: its materialization has tags, with its data's version."""


def run_events(instance: dg.DagsterInstance, run: dg.ExecuteInProcessResult) -> list[dg.EventLogEntry]:
    return list(instance.all_logs(run.run_id))


@pytest.fixture
def events(fleet: Fleet, instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    """All events of a fleet run."""
    fleet.add("one")
    fleet.add("two")
    return run_events(instance, run_fleet(definitions(fleet.database.url), instance))


@contextmanager
def storages(
    server: EmbeddedPostgres, template: str
) -> Iterator[tuple[dict[str, PostgresEventLogStorage], dict[str, str]]]:
    """Dagster's log of events and ours, each with a database of its own, and the databases' URLs."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(new_database(server, template)) for name in ("dagster's", "ours")}
        kinds = {"dagster's": PostgresEventLogStorage, "ours": OneStatementEventLog}
        yield {name: kinds[name](adapted_url(url, driver="psycopg2")) for name, url in urls.items()}, urls


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def contents(url: str) -> dict[str, list[Any]]:
    """Each table's rows, without the times of insertion."""
    with connected(url) as connection:
        return {name: sorted(connection.execute(query), key=repr) for name, query in CONTENTS.items()}


def test_events_are_stored_as_dagster_stores_them(
    fleet: Fleet,
    instance: dg.DagsterInstance,
    events: list[dg.EventLogEntry],
    postgres_server: EmbeddedPostgres,
    dagster_template: str,
):
    defs = definitions(fleet.database.url)
    fleet.answer("one", "out of order")
    fleet.serve("two", listing(*CHAT_MODELS, "gpt-5"))
    runs = [run_fleet(defs, instance), run_partition(defs, instance, "one"), run_partition(defs, instance, "two")]
    runs.append(dg.materialize([tagged], instance=instance, partition_key="one"))
    instance.report_runless_asset_event(dg.AssetMaterialization("runless", partition="one"))
    (runless,) = instance.fetch_materializations(dg.AssetKey("runless"), limit=1).records
    everything = [*events, *(each for run in runs for each in run_events(instance, run)), runless.event_log_entry]
    with storages(postgres_server, dagster_template) as (logs, urls):
        for name, log in logs.items():
            for event in everything:
                log.store_event(event)
            stored = contents(urls[name])
            assert len(stored["event_logs"]) == len(everything)
            assert {row[4] for row in stored["asset_check_executions"]} == {"PLANNED", "SUCCEEDED", "FAILED"}
            assert stored["asset_event_tags"]
        assert contents(urls["ours"]) == with_targets(contents(urls["dagster's"]))


def with_targets(stored: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The tables as they are if each evaluation of a partition names the latest materialization before it."""

    def target(asset_key: str, partition: str | None, evaluated_at: int | None) -> int | None:
        found = (
            event[0]
            for event in stored["event_logs"]
            if event[3] == "ASSET_MATERIALIZATION" and (event[6], event[7]) == (asset_key, partition)
        )
        return max((each for each in found if partition and evaluated_at and each < evaluated_at), default=None)

    executions = [(*row[:8], row[8] or target(row[0], row[2], row[7])) for row in stored["asset_check_executions"]]
    return stored | {"asset_check_executions": sorted(executions, key=repr)}


def test_evaluations_count_for_the_latest_materialization_of_their_partition(
    fleet: Fleet, instance: dg.DagsterInstance
):
    """Else the UI shows the partitions of a check as missing."""
    defs = definitions(fleet.database.url)
    fleet.add("one")
    fleet.add("two")
    run_fleet(defs, instance)
    fleet.answer("one", "out of order")
    fleet.serve("two", listing(*CHAT_MODELS, "gpt-5"))
    run_fleet(defs, instance)
    checks = [spec.key for spec in CHECK_SPECS if spec.asset_key != TABLE]
    found = instance.event_log_storage.get_asset_check_partition_info(checks, partition_keys=["one", "two"])
    assert {(each.check_key, each.partition_key) for each in found} == set(product(checks, ("one", "two")))
    assert all(each.is_current for each in found)


def test_an_event_is_stored_whole_or_not_at_all(
    events: list[dg.EventLogEntry], postgres_server: EmbeddedPostgres, dagster_template: str
):
    evaluation = next(each for each in events if each.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    materialization = next(each for each in events if each.asset_materialization)
    with storages(postgres_server, dagster_template) as (logs, urls):
        with connected(urls["ours"]) as connection:
            connection.execute("ALTER TABLE asset_check_executions ADD CHECK (check_name IS NULL)")
            connection.execute("ALTER TABLE asset_keys ADD CHECK (last_run_id IS NULL)")
        for event in (evaluation, materialization):
            with pytest.raises(Exception, match="violates check constraint"):
                logs["ours"].store_event(event)
        assert contents(urls["ours"])["event_logs"] == []


def test_an_instance_keeps_its_history_when_it_changes_to_this_storage_and_back(
    events: list[dg.EventLogEntry], postgres_server: EmbeddedPostgres, dagster_template: str
):
    with storages(postgres_server, dagster_template) as (_, urls):
        url = adapted_url(urls["ours"], driver="psycopg2")
        kinds = (PostgresEventLogStorage, OneStatementEventLog)
        for number, event in enumerate(events):
            kinds[number % 2](url).store_event(event)
        for kind in kinds:
            found = kind(url).get_asset_check_partition_info([CHECK])
            assert {each.partition_key for each in found} >= {"one", "two"}


def test_dagster_opens_the_storage_as_its_settings_say(instance: dg.DagsterInstance):
    assert isinstance(instance.event_log_storage, OneStatementEventLog)
    ref = instance.get_ref()  # as a run's process gets it
    assert ref.storage_data is not None
    assert ref.storage_data.class_name == OneStatementStorage.__name__
    with dg.DagsterInstance.from_ref(ref) as again:
        assert isinstance(again.event_log_storage, OneStatementEventLog)
