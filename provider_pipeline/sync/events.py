"""What is worth telling outside, and how it is told.

Here: one function for each kind of event, which puts a notification into the outbox in the transaction of the event
itself. Not here: sending (`webhook.py`) and the table (`catalog.notifications`). An event's key names it for ever, so
that it is taken in once however often it is reported.
"""

from collections.abc import Mapping
from dataclasses import asdict
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


def models_changed(session: Session, provider_id: int, outcome: SyncOutcome, *, now: datetime) -> None:
    """A sync wrote other rows than there were: how many, and the first of them."""
    catalog.enqueue_notification(
        session,
        f"{MODELS_CHANGED}:{outcome.slug}:{now.isoformat()}",
        MODELS_CHANGED,
        {
            **{name: value for name, value in outcome.summary().items() if name != "issues"},
            "total_changes": outcome.total_changes,
            "changes": [asdict(change) for change in outcome.changes],
        },
        now=now,
        provider_id=provider_id,
    )


def listing_blocked(
    session: Session, task: catalog.TaskRef, slug: str, provider_id: int, issues: list[dict[str, Any]], now: datetime
) -> None:
    """A listing is held, and a task asks for a rule or a decision."""
    catalog.enqueue_notification(
        session,
        f"{LISTING_BLOCKED}:task-{task.id}",
        LISTING_BLOCKED,
        {"provider": slug, "task": task.id, "issues": issues},
        now=now,
        provider_id=provider_id,
    )


def task_answered(session: Session, task: catalog.Task, kind: str, result: Mapping[str, Any], *, now: datetime) -> None:
    """A task was answered: the rule is repaired, or a person must decide about this response."""
    catalog.enqueue_notification(
        session,
        f"{kind}:task-{task.id}:raw-{result.get('raw_response_id')}",
        kind,
        {"provider": task.slug, "task": task.id, **result},
        now=now,
        provider_id=task.provider_id,
    )


def daily_digest(session: Session, digest: catalog.ChangeDigest, *, now: datetime) -> bool:
    """A day's changes; told once, however often the day is looked at again."""
    return catalog.enqueue_notification(
        session, f"{DAILY_DIGEST}:{digest.start.date().isoformat()}", DAILY_DIGEST, digest.to_json(), now=now
    )
