"""The fleet asset in its three launches, on a real Dagster instance."""

import dagster as dg
from sqlalchemy import text

from provider_pipeline.catalog import providers, tables
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.sync_locks import sync_lock
from provider_pipeline.defs.checks import (
    LISTING_IS_PLAUSIBLE,
    LISTING_WAS_FETCHED,
    PROVIDER_IS_FRESH,
    RULE_EXTRACTS_MODELS,
)
from provider_pipeline.defs.keys import EXTRACTION, RAW, RULE, TABLE
from provider_pipeline.samples.registration import register_sample
from provider_pipeline.samples.server import SampleServer
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline_tests.dagster_instance import (
    check_statuses,
    definitions,
    failure,
    materialized,
    partitions,
    run_fleet,
    run_partition,
)
from provider_pipeline_tests.database_trouble import read_only
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def stored_events(result: dg.ExecuteInProcessResult) -> int:
    """Materializations and check evaluations that the run stored."""
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    return sum(event.event_type in kinds for event in result.all_events)


def test_one_blocked_and_one_down_leave_the_others_written_and_themselves_untouched(
    fleet: Fleet, instance: dg.DagsterInstance
):
    for slug in ("good", "other", "blocked", "down"):
        fleet.add(slug)
    defs = definitions(fleet.database.url)
    assert run_fleet(defs, instance).success
    before = {slug: fleet.rows(slug) for slug in ("blocked", "down")}

    fleet.serve("good", listing(*CHAT_MODELS, "gpt-5"))
    fleet.serve("blocked", {"moved": True})
    fleet.answer("down", "oops", status=404)
    result = run_fleet(defs, instance)

    assert not result.success
    assert "blocked: " in failure(result)
    assert "down: " in failure(result)
    assert "good: " not in failure(result)
    assert set(fleet.rows("good")) == {*CHAT_MODELS, "gpt-5"}
    assert {slug: fleet.rows(slug) for slug in before} == before
    assert check_statuses(instance, LISTING_WAS_FETCHED) == {
        "good": "SUCCEEDED",
        "other": "SUCCEEDED",
        "blocked": "SUCCEEDED",
        "down": "FAILED",
    }
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {
        "good": "SUCCEEDED",
        "other": "SUCCEEDED",
        "blocked": "FAILED",
        "down": "SUCCEEDED",
    }


def test_a_provider_that_never_synced_is_not_shown_as_materialized(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("good")
    fleet.add("blocked")
    fleet.serve("blocked", {})
    run_fleet(definitions(fleet.database.url), instance)
    assert materialized(instance, TABLE) == {"good"}
    assert materialized(instance, EXTRACTION) == {"good"}
    assert materialized(instance, RAW) == {"good", "blocked"}
    assert check_statuses(instance, PROVIDER_IS_FRESH) == {"good": "SUCCEEDED", "blocked": "FAILED"}


def test_a_fleet_run_without_news_stores_no_event_and_touches_no_row(fleet: Fleet, instance: dg.DagsterInstance):
    for slug in ("one", "two", "three"):
        fleet.add(slug)
    defs = definitions(fleet.database.url)
    assert stored_events(run_fleet(defs, instance)) > 0
    before = [fleet.rows(slug) for slug in ("one", "two", "three")]
    second = run_fleet(defs, instance)
    assert second.success
    assert stored_events(second) == 0
    assert [fleet.rows(slug) for slug in ("one", "two", "three")] == before


def test_a_provider_that_recovers_turns_green_though_its_listing_is_the_old_one(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", {})
    run_fleet(defs, instance)
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "FAILED"}
    fleet.serve("acme", listing(*CHAT_MODELS))
    assert run_fleet(defs, instance).success
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "SUCCEEDED"}


def test_a_single_partition_leaves_events_for_itself_alone_even_without_news(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("one")
    fleet.add("two")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    result = run_partition(defs, instance, "one")
    assert result.success
    events = result.get_asset_materialization_events()
    assert {event.partition for event in events} == {"one"}
    metadata = {event.asset_key: event.materialization.metadata for event in events}[TABLE]
    assert (metadata["models"].value, metadata["unchanged"].value, metadata["created"].value) == (5, 5, 0)
    assert metadata["dagster/partition_row_count"].value == 5
    assert metadata["dagster/table_name"].value == "provider_model"


def test_a_backfill_of_a_range_records_each_provider_truthfully(fleet: Fleet, instance: dg.DagsterInstance):
    for slug in ("a", "b", "c"):
        fleet.add(slug)
    fleet.serve("b", {"status": "maintenance"})
    defs = definitions(fleet.database.url)
    instance.add_dynamic_partitions("providers", ["a", "b", "c"])
    job = defs.resolve_job_def("sync_all_providers_job")
    result = job.execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"},
        raise_on_error=False,
    )
    assert not result.success
    assert materialized(instance, TABLE) == {"a", "c"}
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"a": "SUCCEEDED", "b": "FAILED", "c": "SUCCEEDED"}
    assert fleet.rows("b") == {}


def test_a_range_whose_ends_are_reversed_fails_and_says_so(fleet: Fleet, instance: dg.DagsterInstance):
    for slug in ("a", "b", "c"):
        fleet.add(slug)
    instance.add_dynamic_partitions("providers", ["a", "b", "c"])
    for job_name in ("sync_all_providers_job", "regenerate_provider_rules_job"):
        result = (
            definitions(fleet.database.url)
            .resolve_job_def(job_name)
            .execute_in_process(
                instance=instance,
                tags={"dagster/asset_partition_range_start": "c", "dagster/asset_partition_range_end": "a"},
                raise_on_error=False,
            )
        )
        assert not result.success
        assert failure(result).startswith("the partition range from c to a holds no provider: ")
    assert materialized(instance, TABLE) == set()


def test_an_implausible_listing_fails_the_check_of_history_and_not_that_of_the_rule(
    fleet: Fleet, instance: dg.DagsterInstance
):
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(40)))
    fleet.add("acme", many)
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", {**many, "data": many["data"][:4]})
    run_fleet(defs, instance)
    assert check_statuses(instance, RULE_EXTRACTS_MODELS) == {"acme": "SUCCEEDED"}
    assert check_statuses(instance, LISTING_IS_PLAUSIBLE) == {"acme": "FAILED"}
    assert len(fleet.rows("acme")) == 40


def test_a_rule_is_recorded_when_a_sync_first_uses_it_and_not_again(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    first = run_fleet(defs, instance).get_asset_materialization_events()
    assert [event.asset_key for event in first].count(RULE) == 1
    fleet.serve("acme", listing(*CHAT_MODELS, "gpt-5"))
    second = run_fleet(defs, instance).get_asset_materialization_events()
    assert [event.asset_key for event in second].count(RULE) == 0


def test_materializing_the_rule_alone_learns_from_the_newest_response_and_syncs_nothing(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    before = fleet.rows("acme")
    fleet.answer("acme", "down", status=503)
    job = defs.resolve_job_def("regenerate_provider_rules_job")
    result = job.execute_in_process(instance=instance, partition_key="acme", asset_selection=[RULE])
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {RULE}
    assert fleet.rows("acme") == before


def test_a_fleet_run_makes_the_partitions_it_reports_on(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    run_fleet(definitions(fleet.database.url), instance)
    assert partitions(instance) == {"acme"}


def test_selecting_only_the_raw_response_stores_it_and_writes_no_model(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    instance.add_dynamic_partitions("providers", ["acme"])
    job = defs.resolve_job_def("sync_all_providers_job")
    result = job.execute_in_process(
        instance=instance, partition_key="acme", asset_selection=[RAW], raise_on_error=False
    )
    assert result.success
    assert materialized(instance, RAW) == {"acme"}
    assert materialized(instance, TABLE) == set()
    assert fleet.rows("acme") == {}


BROKEN_TABLE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''disk on fire''; END';
CREATE TRIGGER refuse BEFORE INSERT ON provider_model FOR EACH ROW
    WHEN (NEW.model_id = 'gpt-5-of-odd') EXECUTE FUNCTION refuse();
"""


def test_a_crash_in_one_provider_is_reported_as_a_crash_and_stops_no_other(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("good")
    fleet.add("odd")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    with fleet.database.session() as session:
        session.execute(text(BROKEN_TABLE))
        session.commit()
    fleet.serve("odd", listing(*CHAT_MODELS, "gpt-5-of-odd"))
    fleet.serve("good", listing(*CHAT_MODELS, "gpt-5"))
    result = run_fleet(defs, instance)
    assert not result.success
    assert "odd: the sync crashed" in failure(result)
    assert len(fleet.rows("good")) == 6
    assert len(fleet.rows("odd")) == 5
    for spec in (LISTING_WAS_FETCHED, RULE_EXTRACTS_MODELS):
        assert check_statuses(instance, spec) == {"good": "SUCCEEDED", "odd": "SUCCEEDED"}


def test_a_database_that_takes_no_writes_fails_the_run_and_no_check_of_a_provider(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    run_fleet(defs, instance)
    fleet.serve("acme", listing(*CHAT_MODELS, "gpt-5"))
    with read_only(fleet.database):
        result = run_fleet(defs, instance)
    assert not result.success
    assert "takes no writes" in failure(result)
    for spec in (LISTING_WAS_FETCHED, RULE_EXTRACTS_MODELS, PROVIDER_IS_FRESH):
        assert check_statuses(instance, spec) == {"acme": "SUCCEEDED"}


def test_whatever_is_recorded_of_a_sample_provider_says_that_it_is_one(fleet: Fleet, instance: dg.DagsterInstance):
    with SampleServer() as server, fleet.database.session() as session:
        sample = next(each for each in server.providers if each.slug == "mistral")
        register_sample(session, sample, base_url=server.base_url("mistral"))
        generate_rule(session, "mistral", sample.endpoints)
        session.commit()
        result = run_fleet(definitions(fleet.database.url), instance)
    assert result.success
    materializations = [event.materialization for event in result.get_asset_materialization_events()]
    recorded = [*materializations, *result.get_asset_check_evaluations()]
    assert {event.asset_key for event in materializations} == {RULE, RAW, EXTRACTION, TABLE}
    assert {event.metadata["sample_provider"].value for event in recorded} == {True}


def test_what_is_recorded_of_any_other_provider_says_nothing_of_samples(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    result = run_fleet(definitions(fleet.database.url), instance)
    materializations = [event.materialization for event in result.get_asset_materialization_events()]
    assert materializations
    for event in (*materializations, *result.get_asset_check_evaluations()):
        assert "sample_provider" not in event.metadata


def test_secrets_reach_no_event_log_or_table(fleet: Fleet, instance: dg.DagsterInstance, monkeypatch):
    secret = "sk-test-4f0c9d5e8b"
    monkeypatch.setenv("ACME_TEST_KEY", secret)
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_TEST_KEY"})
    fleet.answer("acme", f"the key {secret} is not valid", status=401)
    result = run_fleet(definitions(fleet.database.url), instance)
    assert not result.success
    for engine in (fleet.database.engine, instance.event_log_storage._engine):
        with engine.connect() as connection:
            tables = connection.execute(
                text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            ).scalars()
            for table in list(tables):
                hit = connection.execute(
                    text(f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE :needle'), {"needle": f"%{secret}%"}
                ).scalar()
                assert hit == 0, table


def test_a_provider_that_somebody_else_is_syncing_is_left_out_and_is_no_failure(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("busy")
    fleet.add("idle")
    with fleet.database.session() as session, sync_lock(session, providers.get(session, "busy")):
        result = run_fleet(definitions(fleet.database.url), instance)
    assert result.success
    assert materialized(instance, TABLE) == {"idle"}
    assert check_statuses(instance, LISTING_WAS_FETCHED) == {"idle": "SUCCEEDED"}
    assert fleet.rows("busy") == {}


def test_a_fleet_run_that_found_every_provider_being_synced_fails_and_says_by_which_process(
    fleet: Fleet, instance: dg.DagsterInstance
):
    slugs = ("one", "two", "three")
    for slug in slugs:
        fleet.add(slug)
    with open_database(fleet.database.url, door="the CLI") as other:
        assert other.locks.take(slugs) == {}
        result = run_fleet(definitions(fleet.database.url), instance)
    assert not result.success
    assert failure(result).startswith("none of 3 providers was written: one is being synced by the CLI on ")
    assert failure(result).count("unless renewed") == 3
    assert result.get_asset_materialization_events() == []
    assert run_fleet(definitions(fleet.database.url), instance).success


def test_whoever_asks_for_one_provider_is_told_who_is_syncing_it(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("busy")
    instance.add_dynamic_partitions("providers", ["busy"])
    with (
        open_database(fleet.database.url, door="the API") as other,
        other.session() as session,
        sync_lock(session, providers.get(session, "busy")),
    ):
        result = run_partition(definitions(fleet.database.url), instance, "busy")
    assert not result.success
    assert failure(result).startswith("busy is being synced by the API on ")
    assert result.get_asset_materialization_events() == []
    assert fleet.tasks("busy") == []


def test_a_write_says_which_field_of_the_response_each_column_comes_from(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    result = run_fleet(definitions(fleet.database.url), instance)
    metadata = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    lineage = metadata[TABLE]["dagster/column_lineage"].value.deps_by_column
    assert lineage["input_price"] == [dg.TableColumnDep(RAW, "pricing.prompt")]
    columns = {each.name: each.description for each in metadata[RAW]["dagster/column_schema"].value.columns}
    assert columns["pricing.prompt"] == "Read into input_price."
    assert {dep.column_name for deps in lineage.values() for dep in deps} == columns.keys()
    assert lineage.keys() <= {column.name for column in tables.provider_model.columns}
