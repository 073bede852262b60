"""What is worth telling outside, and how it is told.

Here: one function for each kind of event; what is told goes into the outbox in the transaction of the event itself. Not
here: sending (`webhook.py`) and the table (`catalog.notifications`). An event's key names it for ever, so that it is
taken in once however often it is reported.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.sync.outcome import SyncOutcome

MODELS_CHANGED = "models_changed"
LISTING_BLOCKED = "listing_blocked"
RULE_REPAIRED = "rule_repaired"
TASK_NEEDS_REVIEW = "task_needs_review"
DAILY_DIGEST = "daily_digest"


def models_changed(provider_id: int, outcome: SyncOutcome, *, now: datetime) -> catalog.notifications.News:
    """A sync wrote other rows than there were: how many, and the first of them."""
    return catalog.notifications.News(
        f"{MODELS_CHANGED}:{outcome.slug}:{now.isoformat()}",
        MODELS_CHANGED,
        {
            **{name: value for name, value in outcome.summary().items() if name != "issues"},
            "total_changes": outcome.total_changes,
            "changes": [vars(change) for change in outcome.changes],
        },
        provider_id,
    )


def listing_blocked(
    session: Session,
    task: catalog.tasks.TaskRef,
    slug: str,
    provider_id: int,
    issues: list[dict[str, Any]],
    now: datetime,
) -> None:
    """A listing is held, and a task asks for a rule or a decision."""
    payload = {"provider": slug, "task": task.id, "issues": issues}
    news = catalog.notifications.News(f"{LISTING_BLOCKED}:task-{task.id}", LISTING_BLOCKED, payload, provider_id)
    catalog.notifications.enqueue(session, [news], now=now)


def task_answered(
    session: Session, task: catalog.tasks.Task, kind: str, result: Mapping[str, Any], *, now: datetime
) -> None:
    """A task was answered: the rule is repaired, or a person must decide about this response."""
    key = f"{kind}:task-{task.id}:raw-{result.get('raw_response_id')}"
    payload = {"provider": task.slug, "task": task.id, **result}
    catalog.notifications.enqueue(session, [catalog.notifications.News(key, kind, payload, task.provider_id)], now=now)


def daily_digest(session: Session, digest: catalog.digest.ChangeDigest, *, now: datetime) -> bool:
    """A day's changes; told once, however often the day is looked at again."""
    news = catalog.notifications.News(
        f"{DAILY_DIGEST}:{digest.start.date().isoformat()}", DAILY_DIGEST, digest.to_json()
    )
    return bool(catalog.notifications.enqueue(session, [news], now=now))
