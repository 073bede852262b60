"""The step of the catalogue in its three launches, on a real Dagster instance."""

import dagster as dg
from sqlalchemy import text

from provider_pipeline.catalog import providers, tables
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.sync_locks import sync_lock
from provider_pipeline.definitions import build_defs
from provider_pipeline.defs.checks import (
    CHECK_SPECS,
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
    """Materializations and check evaluations of providers that the run stored."""
    materialized = [event for event in result.get_asset_materialization_events() if event.partition is not None]
    return len(materialized) + len(result.get_asset_check_evaluations())


def provider_events(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    """The run's materializations of providers, by asset; without the one of the table as a whole."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key: event for event in events if event.partition is not None}


def run_range(defs: dg.Definitions, instance: dg.DagsterInstance, *slugs: str) -> dg.ExecuteInProcessResult:
    """A backfill of these partitions, which is one run."""
    instance.add_dynamic_partitions("providers", list(slugs))
    return defs.resolve_job_def("sync_all_providers_job").execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]},
        raise_on_error=False,
    )


def table_as_a_whole(result: dg.ExecuteInProcessResult) -> dict[str, dg.MetadataValue]:
    """The metadata of a fleet run's own materialization."""
    events = [event.materialization for event in result.get_asset_materialization_events() if event.partition is None]
    (event,) = events
    assert event.asset_key == TABLE
    return dict(event.metadata)


def test_a_fleet_run_succeeds_and_writes_the_others_when_one_is_blocked_and_one_down(
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

    assert result.success
    summary = table_as_a_whole(result)
    assert [summary[f"providers_{each}"].value for each in ("synced", "blocked", "failed", "skipped")] == [2, 1, 1, 0]
    assert "| blocked | blocked | blocked: the selector" in summary["not_written"].value
    assert "| down | failed | down: " in summary["not_written"].value
    assert "good" not in summary["not_written"].value
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


@dg.asset(deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())])
def follower() -> None:
    """Stands for whatever is made from the table as a whole."""


def test_what_depends_on_the_table_follows_in_the_same_run_although_a_provider_is_blocked(
    fleet: Fleet, instance: dg.DagsterInstance
):
    project = definitions(fleet.database.url)
    selection = dg.AssetSelection.assets(RULE, RAW, EXTRACTION, TABLE, follower)
    jobs = [dg.define_asset_job("sync_and_follow", selection=selection, executor_def=dg.in_process_executor)]
    defs = dg.Definitions(assets=[*project.assets, follower], jobs=jobs, resources=project.resources)

    def followed() -> bool:
        result = defs.resolve_job_def("sync_and_follow").execute_in_process(instance=instance, raise_on_error=False)
        assert result.success
        return follower.key in {event.asset_key for event in result.get_asset_materialization_events()}

    fleet.add("good")
    fleet.add("blocked")
    assert followed()
    fleet.serve("blocked", {})
    assert followed()
    assert followed()  # without news, too: a partition's run may have changed the table meanwhile


def test_a_blocked_backfill_leaves_no_check_without_a_reason(fleet: Fleet, instance: dg.DagsterInstance):
    for slug in ("a", "blocked", "busy", "down"):
        fleet.add(slug)
    defs = definitions(fleet.database.url)
    fleet.serve("blocked", {"moved": True})
    fleet.answer("down", "oops", status=404)
    with fleet.database.session() as session, sync_lock(session, providers.get(session, "busy")):
        result = run_range(defs, instance, "a", "blocked", "busy", "down")
    assert failure(result).startswith("3 of 4 providers were not written")
    evaluated = {(each.partition, each.check_name): each for each in result.get_asset_check_evaluations()}
    for spec in CHECK_SPECS:
        statuses = check_statuses(instance, spec)
        assert statuses.keys() == {"a", "blocked", "busy", "down"}
        assert set(statuses.values()) <= {"SUCCEEDED", "FAILED"}, spec.name  # and none is merely planned
        assert statuses["a"] == "SUCCEEDED"
        for slug in statuses:
            assert evaluated[slug, spec.name].description, (slug, spec.name)
            assert evaluated[slug, spec.name].metadata["recovery"].value, (slug, spec.name)
    fetched = evaluated["down", LISTING_WAS_FETCHED.name]
    assert (fetched.passed, fetched.metadata["http_status"].value) == (False, "404")
    assert "being synced" in evaluated["busy", LISTING_WAS_FETCHED.name].description


def test_a_provider_that_never_synced_is_not_shown_as_materialized(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("good")
    fleet.add("blocked")
    fleet.serve("blocked", {})
    run_fleet(definitions(fleet.database.url), instance)
    assert materialized(instance, TABLE) == {"good"}
    assert materialized(instance, EXTRACTION) == {"good"}
    assert materialized(instance, RAW) == {"good", "blocked"}
    assert check_statuses(instance, PROVIDER_IS_FRESH) == {"good": "SUCCEEDED", "blocked": "FAILED"}


def test_a_fleet_run_without_news_stores_no_event_of_a_provider_and_touches_no_row(
    fleet: Fleet, instance: dg.DagsterInstance
):
    for slug in ("one", "two", "three"):
        fleet.add(slug)
    defs = definitions(fleet.database.url)
    assert stored_events(run_fleet(defs, instance)) > 0
    before = [fleet.rows(slug) for slug in ("one", "two", "three")]
    second = run_fleet(defs, instance)
    assert second.success
    assert stored_events(second) == 0
    assert [fleet.rows(slug) for slug in ("one", "two", "three")] == before


def test_a_provider_that_recovers_with_its_old_listing_turns_green(fleet: Fleet, instance: dg.DagsterInstance):
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
    assert not run_range(defs, instance, "a", "b", "c").success
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


def test_a_rule_is_recorded_at_its_first_use_only(fleet: Fleet, instance: dg.DagsterInstance):
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


def test_every_event_of_a_sample_provider_is_marked(fleet: Fleet, instance: dg.DagsterInstance):
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


def test_no_event_of_another_provider_is_marked_as_a_sample(fleet: Fleet, instance: dg.DagsterInstance):
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
    run_fleet(definitions(fleet.database.url), instance)
    assert check_statuses(instance, LISTING_WAS_FETCHED) == {"acme": "FAILED"}
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


def test_a_provider_that_another_process_is_syncing_is_left_out_and_is_no_failure(
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


def test_a_fleet_run_fails_if_other_processes_are_syncing_every_provider(fleet: Fleet, instance: dg.DagsterInstance):
    slugs = ("one", "two", "three")
    for slug in slugs:
        fleet.add(slug)
    with open_database(fleet.database.url, client_name="the CLI") as other:
        assert other.locks.take(slugs) == {}
        result = run_fleet(definitions(fleet.database.url), instance)
    assert not result.success
    assert failure(result).startswith("none of 3 providers was written: one is being synced by the CLI on ")
    assert failure(result).count("unless renewed") == 3
    assert result.get_asset_materialization_events() == []
    assert run_fleet(definitions(fleet.database.url), instance).success


def test_a_partition_run_fails_and_names_the_process_that_is_syncing_its_provider(
    fleet: Fleet, instance: dg.DagsterInstance
):
    fleet.add("busy")
    instance.add_dynamic_partitions("providers", ["busy"])
    with (
        open_database(fleet.database.url, client_name="the API") as other,
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
    metadata = {key: event.metadata for key, event in provider_events(result).items()}
    lineage = metadata[TABLE]["dagster/column_lineage"].value.deps_by_column
    assert lineage["input_price"] == [dg.TableColumnDep(RAW, "pricing.prompt")]
    columns = {each.name: each.description for each in metadata[RAW]["dagster/column_schema"].value.columns}
    assert columns["pricing.prompt"] == "Read into input_price, prices."
    assert {dep.column_name for deps in lineage.values() for dep in deps} == columns.keys()
    assert lineage.keys() <= {column.name for column in tables.provider_model.columns}


def test_the_columns_of_the_extraction_are_stated_as_those_of_the_table():
    graph = build_defs().resolve_asset_graph()
    extracted, stored = (
        {column.name: column for column in graph.get(key).metadata["dagster/column_schema"].columns}
        for key in (EXTRACTION, TABLE)
    )
    assert extracted == {name: stored[name] for name in extracted}
    assert {"model_id", "prices", "retires_on", "max_input_tokens"} <= extracted.keys()
    assert not {"status", "first_seen_at"} & extracted.keys()
