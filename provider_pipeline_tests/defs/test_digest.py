"""The day's digest: an asset for people, a notification sent once, and the partitions it has."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import text

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.defs.digest import missing_days
from provider_pipeline_tests.dagster_instance import definitions, failure, run_fleet
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def digest_of(fleet: Fleet, instance: dg.DagsterInstance, day: datetime) -> dict[str, dg.MetadataValue]:
    instance.add_dynamic_partitions("catalog_days", [day.date().isoformat()])
    job = definitions(fleet.database.url).resolve_job_def("change_digest_job")
    result = job.execute_in_process(instance=instance, partition_key=day.date().isoformat())
    (event,) = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


@pytest.mark.usefixtures("one_day")
def test_a_day_is_summed_up_for_people_and_for_programs(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    assert run_fleet(definitions(fleet.database.url), instance).success
    fleet.serve("acme", listing(*CHAT_MODELS, price="0.000003"))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    today = digest_of(fleet, instance, datetime.now(UTC))
    assert "gpt-4o" in today["digest"].value
    assert today["digest_json"].value["counts"]["repriced"] == len(CHAT_MODELS)
    assert today["repriced"].value == len(CHAT_MODELS)
    assert today["told"].value is False  # the day has not ended


@pytest.mark.usefixtures("one_day")
def test_a_day_that_has_ended_is_sent_once_and_an_empty_one_never(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        session.execute(text("UPDATE provider_model_change SET changed_at = changed_at - interval '1 day'"))
        session.commit()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert digest_of(fleet, instance, yesterday)["told"].value is True
    assert digest_of(fleet, instance, yesterday)["told"].value is False
    assert digest_of(fleet, instance, yesterday - timedelta(days=30))["told"].value is False
    with fleet.database.session() as session:
        kinds = [each.kind for each in catalog.notifications.find(session)]
    assert kinds.count("daily_digest") == 1


@pytest.mark.usefixtures("one_day")
def test_the_days_begin_with_the_catalogues_first_one(fleet: Fleet):
    today = datetime.now(UTC).date()
    with fleet.database.session() as session:
        assert missing_days(session, set(), until=today) == []
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET created_at = created_at - interval '2 days'"))
        days = [(today - timedelta(days=age)).isoformat() for age in (2, 1, 0)]
        assert missing_days(session, set(), until=today) == days
        assert missing_days(session, set(days[:2]), until=today) == days[2:]
        assert missing_days(session, set(), until=today - timedelta(days=3)) == []


def test_a_partition_that_is_no_day_fails_and_says_what_was_expected(fleet: Fleet, instance: dg.DagsterInstance):
    instance.add_dynamic_partitions("catalog_days", ["yesterday"])
    job = definitions(fleet.database.url).resolve_job_def("change_digest_job")
    result = job.execute_in_process(instance=instance, partition_key="yesterday", raise_on_error=False)
    assert failure(result) == "expected a day such as 2026-11-23 as the partition, got 'yesterday'"
