"""The day's digest is an asset that a person reads, and news that is told once."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import text

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline_tests.dagster_instance import definitions, run_fleet
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def digest_of(fleet: Fleet, instance: dg.DagsterInstance, day: datetime) -> dict[str, dg.MetadataValue]:
    job = definitions(fleet.database.url).resolve_job_def("change_digest_job")
    result = job.execute_in_process(instance=instance, partition_key=day.date().isoformat())
    (event,) = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


def test_a_day_is_summed_up_for_a_person_and_for_a_program(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    assert run_fleet(definitions(fleet.database.url), instance).success
    fleet.serve("acme", listing(*CHAT_MODELS, price="0.000003"))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    today = digest_of(fleet, instance, datetime.now(UTC))
    assert "gpt-4o" in today["digest"].value
    assert today["digest_json"].value["counts"]["repriced"] == len(CHAT_MODELS)
    assert today["repriced"].value == len(CHAT_MODELS)
    assert today["told"].value is False  # the day is not over


def test_a_day_that_is_over_is_told_once_and_an_empty_one_never(fleet: Fleet, instance: dg.DagsterInstance):
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
