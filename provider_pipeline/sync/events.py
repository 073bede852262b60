"""The kinds of events that are reported outside; an event is enqueued in the transaction that causes it.

Its key is unique for ever, so that an event reported twice is enqueued once. `webhook.py` sends what is enqueued.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.gc_tuning import relaxed_gc
from provider_pipeline.rules.rows import digest_of

MODELS_CHANGED = "models_changed"
"""A sync wrote rows."""
LISTING_BLOCKED = "listing_blocked"
"""A listing is held, and a task asks for a rule or a decision."""
RULE_REPAIRED = "rule_repaired"
"""A task was answered with a rule that is now active."""
TASK_NEEDS_REVIEW = "task_needs_review"
"""A task was answered, and a person must decide."""
MODEL_RETIRING = "model_retiring"
"""A model that is listed has `NOTICE_DAYS` or fewer days left."""
NOTICE_DAYS: Final = (7, 30, 90)
MODELS_APPEARED = "models_appeared"
"""Models that no provider offered before."""
MODELS_UNDERCUT = "models_undercut"
"""Prices below the cheapest offer so far."""
MODELS_ENDED = "models_ended"
"""Models that the last of their providers removed."""
_OF_CANONICAL: Final = {"appeared": MODELS_APPEARED, "undercut": MODELS_UNDERCUT, "ended": MODELS_ENDED}
_MAX_MODELS: Final = 50
DAILY_DIGEST = "daily_digest"
"""The changes of a day."""


def daily_digest(session: Session, digest: catalog.digest.ChangeDigest, *, now: datetime) -> bool:
    """Enqueues a day's changes; False if that day is enqueued already."""
    key = f"{DAILY_DIGEST}:{digest.start.date().isoformat()}"
    return bool(
        catalog.notifications.enqueue(
            session, [catalog.notifications.News(key, DAILY_DIGEST, digest.to_json())], now=now
        )
    )


def refresh_canonical_models(session: Session, *, now: datetime) -> catalog.canonical.RefreshReport:
    """Refreshes the canonical models and enqueues the news: one notification of each kind, with the first 50 models."""
    with relaxed_gc():
        report = catalog.canonical.refresh(session, now=now)
    news = []
    for kind, named in _OF_CANONICAL.items():
        events = [event for event in report.events if event.kind == kind]
        if events:
            models = [
                {"id": event.canonical_id, "provider": event.slug, "model_id": event.model_id, "prices": event.detail}
                for event in events[:_MAX_MODELS]
            ]
            key = f"{named}:{events[0].id}"
            news.append(catalog.notifications.News(key, named, {"total": len(events), "models": models}))
    catalog.notifications.enqueue(session, news, now=now)
    return report


def retiring_models(session: Session, *, now: datetime) -> int:
    """Enqueues a notice for each listed model whose end is near, once per date and number of days; returns how many.

    A date that a provider moves gives new notices.
    """
    today = now.date()
    near = catalog.notifications.retirements(session, after=today, until=today + timedelta(days=max(NOTICE_DAYS)))
    news = []
    for end in near:
        days = (date.fromisoformat(end.retires_on) - today).days
        notice = min(each for each in NOTICE_DAYS if days <= each)
        # A digest, as the key is sent in a header, and ids hold any character.
        what = digest_of([end.model_id, end.retires_on])[:16]
        payload = {
            "provider": end.slug,
            "model_id": end.model_id,
            "retires_on": end.retires_on,
            "days_left": days,
            "notice_days": notice,
            "successor_model_id": end.successor_model_id,
            "canonical_id": end.canonical_id,
            "other_providers": end.other_providers,
        }
        key = f"{MODEL_RETIRING}:{end.slug}:{what}:{notice}"
        news.append(catalog.notifications.News(key, MODEL_RETIRING, payload, end.provider_id))
    return len(catalog.notifications.enqueue(session, news, now=now))
