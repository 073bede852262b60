"""What is to be told outside: an outbox, written in the transaction of the event and emptied by whoever delivers.

Here: the rows of `notification`. Not here: how a notification is sent, and which events there are. An event is taken in
once; it is delivered at least once, and again only if a worker died between the delivery and `mark_delivered`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import notification

MOST_ATTEMPTS = 10
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=6)
_LONGEST_ERROR = 1000


@dataclass(frozen=True)
class Notification:
    """A notification as stored; see the comments on the table for what each column means."""

    id: int
    event_key: str
    kind: str
    provider_id: int | None
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: a minute, then twice as long each time, up to six hours."""
    doublings: int = min(attempts - 1, 20)
    return min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)


@dataclass(frozen=True)
class News:
    """Something that is to be told.

    Attributes:
        event_key: Names the event.
        kind: What kind of event.
        payload: What is told, as plain JSON.
        provider_id: The provider it is about.
    """

    event_key: str
    kind: str
    payload: Mapping[str, Any]
    provider_id: int | None = None


def enqueue(session: Session, news: Sequence[News], *, now: datetime) -> set[str]:
    """Note that something is to be told, unless it was noted before.

    Args:
        session: Session to write with; the notifications exist if and only if its transaction is committed.
        news: What.
        now: When it happened; it is due at once.

    Returns:
        The keys of those events that are new.
    """
    if not news:
        return set()
    told = json.dumps([vars(each) for each in news])
    return set(session.scalars(statement("add_notifications"), {"news": told, "now": now}))


def claim_due(
    session: Session, *, now: datetime, lease: timedelta = timedelta(minutes=5), limit: int = 20
) -> list[Notification]:
    """Take notifications that are due, oldest first, so that nobody else takes them while the lease lasts.

    Commit before delivering. One that was begun `MOST_ATTEMPTS` times and never ended is given up instead.

    Args:
        session: Session to write with.
        now: The time.
        lease: How long they are the caller's; after that they are due again.
        limit: How many at most.
    """
    table = notification.c
    exhausted = table.attempts >= MOST_ATTEMPTS
    session.execute(
        update(notification)
        .where(table.next_attempt_at <= now, exhausted)
        .values(next_attempt_at=None, last_error=func.coalesce(table.last_error, "no attempt ever ended"))
    )
    due = (
        select(table.id)
        .where(table.next_attempt_at <= now, ~exhausted)
        .order_by(table.next_attempt_at, table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claimed = session.execute(
        update(notification)
        .where(table.id == due.c.id)
        .values(attempts=table.attempts + 1, next_attempt_at=now + lease)
        .returning(*notification.c)
    )
    return sorted((Notification(**row) for row in claimed.mappings()), key=lambda each: each.id)


def mark_delivered(session: Session, notification_id: int, *, now: datetime) -> None:
    """Note that a notification arrived."""
    session.execute(
        update(notification)
        .where(notification.c.id == notification_id, notification.c.delivered_at.is_(None))
        .values(delivered_at=now, next_attempt_at=None)
    )


def mark_failed(session: Session, claimed: Notification, error: str, *, now: datetime) -> bool:
    """Note that a delivery failed: it is tried again after a pause, or given up after `MOST_ATTEMPTS`.

    Nothing happens if the claim ran out and somebody else has taken it up since.

    Args:
        session: Session to write with.
        claimed: The notification, as claimed.
        error: Why, in one line without secrets; a longer text is cut.
        now: The time.

    Returns:
        Whether it will be tried again.
    """
    again = claimed.attempts < MOST_ATTEMPTS
    session.execute(
        update(notification)
        .where(
            notification.c.id == claimed.id,
            notification.c.attempts == claimed.attempts,
            notification.c.delivered_at.is_(None),
        )
        .values(
            next_attempt_at=now + pause_after(claimed.attempts) if again else None,
            last_error=" ".join(error.split())[:_LONGEST_ERROR],
        )
    )
    return again


def find(session: Session, *, undelivered_only: bool = False, limit: int = 100) -> list[Notification]:
    """Notifications, newest first."""
    query = select(*notification.c).order_by(notification.c.id.desc()).limit(limit)
    if undelivered_only:
        query = query.where(notification.c.delivered_at.is_(None))
    return [Notification(**row) for row in session.execute(query).mappings()]


def forget(session: Session, *, before: datetime, waiting_too: bool) -> int:
    """Delete old notifications that were delivered or given up.

    Args:
        session: Session to write with.
        before: Only those that happened earlier.
        waiting_too: Those that wait as well: nobody will deliver them.

    Returns:
        How many were deleted.
    """
    table = notification.c
    statement = delete(notification).where(table.created_at < before)
    if not waiting_too:
        statement = statement.where(table.next_attempt_at.is_(None))
    deleted = statement.returning(table.id).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()
