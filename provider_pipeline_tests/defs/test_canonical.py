"""The asset of canonical models, its job, and the sensor that launches it, on a real Dagster instance."""

import json
import re
from pathlib import Path

import dagster as dg
from sqlalchemy import text

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.defs.jobs import LAUNCH
from provider_pipeline.defs.sensors import catalog_outputs_sensor
from provider_pipeline_tests.dagster_instance import definitions, run_fleet
from provider_pipeline_tests.defs.test_sensors import tick
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def synced(fleet: Fleet, *slugs: str) -> None:
    with fleet.database.session() as session:
        for slug in slugs:
            ModelSyncer(session).sync_provider_models(slug)


def refreshed(fleet: Fleet, instance: dg.DagsterInstance) -> dict[str, dg.MetadataValue]:
    job = definitions(fleet.database.url).resolve_job_def("catalog_outputs_job")
    result = job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey("canonical_model")], raise_on_error=True
    )
    (event,) = result.get_asset_materialization_events()
    assert event.partition is None
    return dict(event.materialization.metadata)


def test_the_asset_tells_how_many_models_and_offers_there_are(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    fleet.add("zeta", listing(*CHAT_MODELS[:2], price="0.000003"))
    synced(fleet, "acme", "zeta")
    metadata = refreshed(fleet, instance)
    numbers = {name: metadata[name].value for name in ("models", "offers", "ambiguous", "offers_assigned", "appeared")}
    assert numbers == {
        "models": len(CHAT_MODELS),
        "offers": len(CHAT_MODELS) + 2,
        "ambiguous": 0,
        "offers_assigned": len(CHAT_MODELS) + 2,
        "appeared": 0,
    }
    preview = metadata["preview"].value.splitlines()
    assert preview[2].endswith("| 2 | 128,000 | 2 | 2.5 | 2 | 2.5 |")
    assert "news" not in metadata
    assert refreshed(fleet, instance)["offers_assigned"].value == 0


def test_news_is_told_in_the_asset_and_to_the_webhook_once(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    synced(fleet, "acme")
    refreshed(fleet, instance)
    fleet.serve("acme", listing(*CHAT_MODELS, "gpt-5", price="0.000001"))
    synced(fleet, "acme")
    metadata = refreshed(fleet, instance)
    assert (metadata["appeared"].value, metadata["undercut"].value) == (1, len(CHAT_MODELS))
    assert "new, first at acme" in metadata["news"].value
    assert refreshed(fleet, instance)["appeared"].value == 0
    with fleet.database.session() as session:
        told = {each.kind: each.payload for each in catalog.notifications.find(session)}
    assert told["models_appeared"]["total"] == 1
    assert told["models_appeared"]["models"][0]["model_id"] == "gpt-5"
    assert told["models_undercut"]["total"] == len(CHAT_MODELS)
    assert json.dumps(told["models_undercut"]["models"][0]["prices"]["input"])
    assert "models_ended" not in told


def test_the_sensor_asks_for_one_run_after_each_change(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    synced(fleet, "acme")
    first = tick(catalog_outputs_sensor, fleet, instance)
    assert len(first.run_requests) == 1
    assert tick(catalog_outputs_sensor, fleet, instance, first.cursor).skip_message == "no model changed"
    synced(fleet, "acme")
    assert tick(catalog_outputs_sensor, fleet, instance, first.cursor).skip_message == "no model changed"
    fleet.serve("acme", listing(*CHAT_MODELS, price="0.000001"))
    synced(fleet, "acme")
    second = tick(catalog_outputs_sensor, fleet, instance, first.cursor)
    assert len(second.run_requests) == 1
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.model_overrides.put(session, provider_id, "gpt-4o", "canonical_id", "acme/gpt-4o", reason="ours")
        session.commit()
    assert len(tick(catalog_outputs_sensor, fleet, instance, second.cursor).run_requests) == 1


def test_the_sensor_waits_for_the_end_of_a_fleet_run(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing(*CHAT_MODELS))
    defs = definitions(fleet.database.url)
    assert run_fleet(defs, instance).success
    job = defs.resolve_job_def("sync_all_providers_job")
    run = instance.create_run_for_job(job, tags={LAUNCH: "fleet"}, status=dg.DagsterRunStatus.STARTED)
    waiting = tick(catalog_outputs_sensor, fleet, instance)
    assert waiting.skip_message == "waits for the end of a fleet run, or of the last run for outputs"
    instance.report_run_canceled(run)
    assert len(tick(catalog_outputs_sensor, fleet, instance).run_requests) == 1


def test_a_failed_read_of_the_catalogue_is_no_silence(fleet: Fleet, instance: dg.DagsterInstance):
    with fleet.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE provider_model_change RENAME TO elsewhere"))
    try:
        tick(catalog_outputs_sensor, fleet, instance)
    except Exception as error:  # noqa: BLE001 - any failure of the tick will do
        assert "provider_model_change" in str(error)
    else:
        raise AssertionError("the tick went on")


def test_the_queries_of_the_page_find_the_offers(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme", listing("gpt-4o"))
    fleet.add("router", listing("openai/gpt-4o-2024-08-06"))
    synced(fleet, "acme", "router")
    refreshed(fleet, instance)
    page = (Path(__file__).parents[2] / "docs" / "identity.md").read_text(encoding="utf-8")
    offers, models = re.findall(r"```sql\n(.+?)```", page, flags=re.DOTALL)
    with fleet.database.session() as session:
        assert {row.slug for row in session.execute(text(offers))} == {"acme", "router"}
        assert [(row.id, row.offers) for row in session.execute(text(models))] == [("openai/gpt-4o", 2)]
