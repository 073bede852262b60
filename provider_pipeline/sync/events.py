"""The kinds of events that are reported outside; an event is enqueued in the transaction that causes it.

Its key is unique for ever, so that an event reported twice is enqueued once. `webhook.py` sends what is enqueued.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from provider_pipeline import catalog

MODELS_CHANGED = "models_changed"
"""A sync wrote rows."""
LISTING_BLOCKED = "listing_blocked"
"""A listing is held, and a task asks for a rule or a decision."""
RULE_REPAIRED = "rule_repaired"
"""A task was answered with a rule that is now active."""
TASK_NEEDS_REVIEW = "task_needs_review"
"""A task was answered, and a person must decide."""
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
