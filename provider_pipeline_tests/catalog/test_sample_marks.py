"""Who reads the catalogue in SQL, or is sent its news, is told which models are the demo's."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.sync.events import daily_digest
from provider_pipeline_tests.catalog.builders import FULL, NOON, enqueue_notification, model, register, write_models

VIEWS = ("provider_model_current", "model_flat", "model_offer", "model_price", "model_price_history")
PAST = "provider_models_as_of(now())"


@pytest.mark.parametrize("is_sample", [True, False])
@pytest.mark.parametrize("view", [*VIEWS, PAST])
def test_each_view_of_models_says_whose_they_are(session: Session, view: str, is_sample: bool):
    provider = register(session, is_sample=is_sample)
    write_models(session, provider.id, [model("gpt-4o", **FULL)], now=NOON, rule_version=1)
    assert set(session.scalars(text(f"SELECT is_sample FROM {view}"))) == {is_sample}


def test_every_view_with_a_providers_short_name_has_the_mark_and_a_comment_on_it(session: Session):
    marks = session.execute(
        text("""
            SELECT shown.table_name, col_description(shown.table_name::regclass, mark.ordinal_position)
            FROM information_schema.columns AS shown
            JOIN information_schema.views USING (table_schema, table_name)
            LEFT JOIN information_schema.columns AS mark
                ON mark.table_schema = shown.table_schema AND mark.table_name = shown.table_name
                AND mark.column_name = 'is_sample'
            WHERE shown.table_schema = current_schema() AND shown.column_name = 'slug'
        """)
    ).all()
    assert {view for view, _ in marks} == set(VIEWS)
    assert {comment for _, comment in marks} == {"Whether the provider is a sample provider of the demo."}


def payloads(session: Session) -> list[dict[str, Any]]:
    return [each.payload for each in catalog.notifications.find(session)]


def test_a_notification_about_a_sample_provider_says_so(session: Session):
    provider = register(session, is_sample=True)
    enqueue_notification(session, "e", "models_changed", {"added": 1}, provider_id=provider.id, now=NOON)
    assert payloads(session) == [{"added": 1, "sample": True}]


def test_a_notification_about_a_real_provider_is_as_it_was(session: Session):
    provider = register(session)
    enqueue_notification(session, "e", "models_changed", {"added": 1}, provider_id=provider.id, now=NOON)
    assert payloads(session) == [{"added": 1}]


@pytest.mark.parametrize("is_sample", [True, False])
def test_a_digest_of_the_demos_catalogue_says_so(session: Session, is_sample: bool):
    register(session, is_sample=is_sample)
    digest = catalog.digest.change_digest(session, NOON, NOON.replace(hour=13))
    assert daily_digest(session, digest, now=NOON)
    assert [each.get("sample", False) for each in payloads(session)] == [is_sample]
