"""Notices of models whose end is near."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.events import MODEL_RETIRING, retiring_models
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    fleet.add("acme", listing(*CHAT_MODELS[:3]))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    return fleet


def ends_on(fleet: Fleet, day: str | None) -> None:
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider_model SET retires_on = :day WHERE model_id = 'gpt-4o'"), {"day": day})
        session.commit()


def notices(fleet: Fleet, day: int) -> list[tuple[int, int]]:
    """What is new on a day, counted from `NOON`: the days left and the notice's own."""
    with fleet.database.session() as session:
        known = {each.event_key for each in catalog.notifications.find(session)}
        now = NOON + timedelta(days=day)
        retiring_models(session, now=now)
        catalog.notifications.forget(session, before=now - timedelta(days=30), waiting_too=True)
        session.commit()
        found = catalog.notifications.find(session)
    new = [each.payload for each in found if each.event_key not in known and each.kind == MODEL_RETIRING]
    return [(each["days_left"], each["notice_days"]) for each in new]


def test_the_end_of_a_model_is_told_once_at_90_30_and_7_days(acme: Fleet):
    ends_on(acme, "2027-03-01")
    told = {day: found for day in range(130) if (found := notices(acme, day))}
    assert told == {30: [(90, 90)], 90: [(30, 30)], 113: [(7, 7)]}


def test_an_end_that_is_listed_late_is_told_at_once_and_a_moved_one_again(acme: Fleet):
    ends_on(acme, "2026-11-21")
    assert notices(acme, 0) == [(20, 30)]
    ends_on(acme, "2026-11-25")
    assert notices(acme, 1) == [(23, 30)]
    assert notices(acme, 2) == []


def test_models_without_an_end_ahead_are_not_told(acme: Fleet):
    assert notices(acme, 0) == []
    ends_on(acme, "2026-11-01")
    assert notices(acme, 0) == []


def test_a_notice_says_which_model_ends_when_and_what_follows(acme: Fleet):
    ends_on(acme, "2026-11-08")
    notices(acme, 0)
    with acme.database.session() as session:
        (notice,) = [each for each in catalog.notifications.find(session) if each.kind == MODEL_RETIRING]
    assert notice.payload == {
        "provider": "acme",
        "model_id": "gpt-4o",
        "retires_on": "2026-11-08",
        "days_left": 7,
        "notice_days": 7,
        "successor_model_id": None,
        "canonical_id": None,
        "other_providers": None,
    }
    assert notice.event_key.isascii()


def test_a_notice_counts_the_other_providers_that_still_offer_the_model_then(acme: Fleet):
    for slug in ("early", "late", "open"):
        acme.add(slug, listing("openai/gpt-4o"))
    with acme.database.session() as session:
        for slug in ("early", "late", "open"):
            ModelSyncer(session).sync_provider_models(slug)
        ends = text(
            "UPDATE provider_model SET retires_on = :day FROM provider"
            " WHERE provider.id = provider_id AND slug = :slug AND model_id LIKE '%gpt-4o'"
        )
        for slug, day in {"acme": "2026-11-08", "early": "2026-11-05", "late": "2027-11-08"}.items():
            session.execute(ends, {"slug": slug, "day": day})
        catalog.canonical.refresh(session)
        found = {end.slug: end for end in catalog.notifications.retirements(session, until=date(2028, 1, 1))}
    assert {end.canonical_id for end in found.values() if end.model_id.endswith("gpt-4o")} == {"openai/gpt-4o"}
    assert {slug: end.other_providers for slug, end in found.items()} == {"early": 3, "acme": 2, "late": 1}


def synced(fleet: Fleet, notice_days: int) -> tuple[str, ...] | None:
    with fleet.database.session() as session:
        thresholds = json.dumps({"retirement_notice_days": notice_days})
        session.execute(text("UPDATE provider SET thresholds = CAST(:given AS jsonb)"), {"given": thresholds})
        session.commit()
        outcome = attempt_sync(session, "acme", client=ListingClient())
        assert outcome.status == "synced"
        return outcome.retiring


def test_a_sync_names_the_models_that_end_within_the_providers_notice_though_the_listing_is_the_same(acme: Fleet):
    day = datetime.now(UTC).date() + timedelta(days=20)
    assert synced(acme, 0) is None
    assert synced(acme, 30) == ()
    ends_on(acme, day.isoformat())
    assert synced(acme, 30) == (f"gpt-4o on {day}",)
    assert synced(acme, 5) == ()
    assert synced(acme, 0) is None
