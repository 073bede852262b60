"""Offers of models at several providers, and the canonical models that a refresh makes of them."""

from sqlalchemy import text

from provider_pipeline.catalog import canonical, model_overrides, providers
from provider_pipeline.rules.identity import canonical_of
from provider_pipeline_tests.catalog.builders import hours_later

GPT_4O = canonical_of("gpt-4o").id


EVIDENCE = {"capabilities": {"tools": True}, "capability_sources": {"tools": "evidence"}}


def refreshed(session, *, hour=0):
    report = canonical.refresh(session, now=hours_later(hour))
    session.commit()
    return report


def canonical_rows(session):
    query = text("SELECT * FROM canonical_model ORDER BY id")
    return {row["id"]: dict(row) for row in session.execute(query).mappings()}


def offer_rows(session):
    query = text("SELECT * FROM model_offer ORDER BY slug, model_id")
    return {(row["slug"], row["model_id"]): dict(row) for row in session.execute(query).mappings()}


def override(session, slug, model_id, value):
    provider_id = providers.get(session, slug).id
    model_overrides.put(session, provider_id, model_id, "canonical_id", value, reason="we know")
    session.commit()
