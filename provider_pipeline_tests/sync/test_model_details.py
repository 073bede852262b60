"""All that is known of one model, and where each fact comes from."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import NoSuchEntryError
from provider_pipeline.sync.model_details import MAX_CHANGES, FactSource, ModelDetails, model_details
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models
from provider_pipeline_tests.fleet import Fleet, listing


def details(session: Session, slug: str, model_id: str) -> ModelDetails:
    """A model's details."""
    return model_details(session, catalog.providers.get(session, slug), model_id)


def test_each_known_fact_has_the_fields_that_the_models_rule_reads(fleet: Fleet):
    fleet.add("acme", listing("gpt-4o", "gpt-4.1", "claude-sonnet-4-5"))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        found = details(session, "acme", "gpt-4o")
    assert found.sources["context_length"] == FactSource("listing", ("context_length",))
    assert found.sources["input_price"] == found.sources["prices.input"] == FactSource("listing", ("pricing.prompt",))
    assert found.sources["metadata_json.owned_by"].source == "listing"
    assert "display_name" not in found.sources


def test_an_override_is_the_source_of_its_fact_alone(fleet: Fleet):
    fleet.add("acme", listing("gpt-4o", "gpt-4.1", "claude-sonnet-4-5"))
    with fleet.database.session() as session:
        acme = catalog.providers.get(session, "acme")
        ModelSyncer(session).sync_provider_models("acme")
        catalog.model_overrides.put(session, acme.id, "gpt-4o", "output_price", 8, reason="we asked")
        session.commit()
        ModelSyncer(session).sync_provider_models("acme")
        found = details(session, "acme", "gpt-4o")
    assert found.model["output_price"] == 8
    assert found.sources["output_price"] == found.sources["prices.output"] == FactSource("override", ())
    assert found.sources["input_price"].source == "listing"
    assert [(each.field, each.reason) for each in found.overrides] == [("output_price", "we asked")]


def test_a_capability_says_how_it_was_learnt(database: Database):
    learnt = {"chat": "evidence", "vision": "regex"}
    with database.session() as session:
        acme = register(session, "acme")
        written(session, acme.id, 0, capabilities={"chat": True, "vision": False}, capability_sources=learnt)
        found = details(session, "acme", "gpt-4o")
    assert {name: found.sources[f"capabilities.{name}"].source for name in learnt} == learnt


def test_only_the_latest_changes_are_kept_latest_first(database: Database):
    with database.session() as session:
        acme = register(session, "acme")
        for count in range(MAX_CHANGES + 2):
            written(session, acme.id, count, context_length=count + 1)
        changes = details(session, "acme", "gpt-4o").changes
    assert len(changes) == MAX_CHANGES
    assert changes[0].changed["context_length"] == [MAX_CHANGES + 1, MAX_CHANGES + 2]


def test_a_model_of_another_provider_is_refused(database: Database):
    with database.session() as session:
        written(session, register(session, "acme").id, 0)
        register(session, "beta")
        with pytest.raises(NoSuchEntryError, match="beta has no model 'gpt-4o'"):
            details(session, "beta", "gpt-4o")


def written(session: Session, provider_id: int, hour: int, **columns: Any) -> None:
    """Writes a listing of one model."""
    write_models(session, provider_id, [model("gpt-4o", **columns)], now=hours_later(hour), rule_version=1)
    session.commit()
