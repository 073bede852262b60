"""The asset of canonical models, and the sensor that launches what follows the table."""

import re
from pathlib import Path

import dagster as dg
from sqlalchemy import text

from provider_pipeline.catalog.database import Database
from provider_pipeline.defs.canonical import canonical_model, catalog_outputs_sensor
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models
from provider_pipeline_tests.dagster_instance import definitions
from provider_pipeline_tests.fleet import Fleet

PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text(encoding="utf-8")


def two_offers(database: Database) -> None:
    with database.session() as session:
        for slug, model_id in (("acme", "gpt-4o"), ("router", "openai/gpt-4o-2024-08-06")):
            write_models(session, register(session, slug).id, [model(model_id)], now=hours_later(0), rule_version=1)
        session.commit()


def materialized(database: Database) -> dict[str, object]:
    result = dg.materialize(
        [canonical_model], resources={"provider_database": CatalogResource(database_url=database.url)}
    )
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_the_asset_joins_the_offers_of_a_model_and_counts_them(database: Database):
    two_offers(database)
    first = materialized(database)
    assert (first["offers"], first["models"], first["ambiguous_offers"], first["offers_assigned"]) == (2, 1, 0, 2)
    assert materialized(database)["offers_assigned"] == 0


def test_the_queries_of_the_page_find_the_offers(database: Database):
    two_offers(database)
    materialized(database)
    offers, models = re.findall(r"```sql\n(.+?)```", PAGE, flags=re.DOTALL)
    with database.session() as session:
        assert {row.slug for row in session.execute(text(offers))} == {"acme", "router"}
        assert [(row.id, row.offers) for row in session.execute(text(models))] == [("openai/gpt-4o", 2)]


def test_the_sensor_asks_once_for_each_change(fleet: Fleet, instance: dg.DagsterInstance):
    fleet.add("acme")
    defs = definitions(fleet.database.url)
    resource = CatalogResource(database_url=fleet.database.url)

    def tick(cursor: str | None) -> tuple[object, str | None]:
        with dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            repository_def=defs.get_repository_def(),
            resources={"provider_database": resource},
        ) as context:
            return catalog_outputs_sensor(context), context.cursor

    asked, cursor = tick(None)
    assert isinstance(asked, dg.RunRequest)
    skipped, cursor = tick(cursor)
    assert isinstance(skipped, dg.SkipReason)
    two_offers(fleet.database)
    assert isinstance(tick(cursor)[0], dg.RunRequest)
