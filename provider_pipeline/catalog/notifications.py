"""Notifications: events pending for the webhook, and announced ends of models.

`notification` is a transactional outbox. Each event is stored once and delivered at least once; it is delivered again
only if a worker dies between the delivery and `mark_delivered`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, distinct, func, or_, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import model_identity, notification, provider, provider_model

MAX_ATTEMPTS = 10
_FIRST_PAUSE = timedelta(minutes=1)
_MAX_PAUSE = timedelta(hours=6)
_MAX_ERROR = 1000


@dataclass(frozen=True)
class Notification:
    """A row of `notification`; its columns are explained by the table's comments."""

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
    """Exponential backoff after failed attempts: from a minute to six hours."""
    doublings: int = min(attempts - 1, 20)
    return min(_FIRST_PAUSE * (1 << doublings), _MAX_PAUSE)


@dataclass(frozen=True)
class News:
    """An event to deliver.

    Attributes:
        event_key: Identifies the event: a second one with the same key is dropped.
        payload: Plain JSON.
        provider_id: The provider it is about, if any.
    """

    event_key: str
    kind: str
    payload: Mapping[str, Any]
    provider_id: int | None = None


def enqueue(session: Session, news: Sequence[News], *, now: datetime) -> set[str]:
    """Add events to the outbox in the session's transaction, due at once; returns the keys of the new ones."""
    if not news:
        return set()
    told = json.dumps([vars(each) for each in news])
    return set(session.scalars(statement("add_notifications"), {"news": told, "now": now}))


def claim_due(
    session: Session, *, now: datetime, lease: timedelta = timedelta(minutes=5), limit: int = 20
) -> list[Notification]:
    """Claim due notifications, oldest first; commit before delivering them.

    They are due again when the lease ends. A notification attempted `MAX_ATTEMPTS` times without a result is given up.
    """
    table = notification.c
    exhausted = table.attempts >= MAX_ATTEMPTS
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
    """Record that a notification was delivered."""
    session.execute(
        update(notification)
        .where(notification.c.id == notification_id, notification.c.delivered_at.is_(None))
        .values(delivered_at=now, next_attempt_at=None)
    )


def mark_failed(session: Session, claimed: Notification, error: str, *, now: datetime) -> bool:
    """Record a failed delivery: retried after a pause, or given up after `MAX_ATTEMPTS`.

    Has no effect if the claim expired and another worker took it over.

    Args:
        claimed: The notification as claimed.
        error: Why, without secrets; a longer text is cut.

    Returns:
        Whether it will be retried.
    """
    again = claimed.attempts < MAX_ATTEMPTS
    session.execute(
        update(notification)
        .where(
            notification.c.id == claimed.id,
            notification.c.attempts == claimed.attempts,
            notification.c.delivered_at.is_(None),
        )
        .values(
            next_attempt_at=now + pause_after(claimed.attempts) if again else None,
            last_error=" ".join(error.split())[:_MAX_ERROR],
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
    """Delete notifications created before a time that were delivered or given up; returns their number.

    One about a day (`retires_on` in its payload) stays until that is as long ago: else it would be news again.

    Args:
        waiting_too: Also undelivered ones, where no webhook is configured.
    """
    table = notification.c
    about = func.coalesce(table.payload["retires_on"].astext, "")
    statement = delete(notification).where(table.created_at < before, about < before.date().isoformat())
    if not waiting_too:
        statement = statement.where(table.next_attempt_at.is_(None))
    deleted = statement.returning(table.id).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()


@dataclass(frozen=True)
class Retirement:
    """The end of a listed model.

    Attributes:
        retires_on: The first day on which it is no longer served, as `YYYY-MM-DD`.
        successor_model_id: What the provider advises instead, if it says.
        canonical_id: Which model it is; None if unknown.
        other_providers: How many other providers still offer that model on that day; None if the model is unknown.
    """

    provider_id: int
    slug: str
    model_id: str
    retires_on: str
    successor_model_id: str | None
    canonical_id: str | None
    other_providers: int | None


def retirements(
    session: Session, *, until: date, after: date | None = None, slugs: Collection[str] | None = None
) -> list[Retirement]:
    """The ends of models that enabled providers list now, by date, provider and model.

    Args:
        until: The last day.
        after: Only ends after this day; None also gives those that are past.
        slugs: Only of these providers; None for all.
    """
    model, identity = provider_model.c, model_identity.c
    other, other_identity = provider_model.alias("other"), model_identity.alias("other_identity")
    others = (
        select(func.count(distinct(other.c.provider_id)))
        .join(other_identity, other_identity.c.provider_model_id == other.c.id)
        .where(
            other_identity.c.canonical_id == identity.canonical_id,
            other_identity.c.is_counted,
            other.c.provider_id != model.provider_id,
            or_(other.c.retires_on.is_(None), other.c.retires_on > model.retires_on),
        )
        .correlate(provider_model, model_identity)
        .scalar_subquery()
    )
    query = (
        select(
            *(model.provider_id, provider.c.slug, model.model_id, model.retires_on, model.successor_model_id),
            identity.canonical_id,
            case((identity.canonical_id.is_not(None), others)).label("other_providers"),
        )
        .select_from(provider_model)
        .join(provider, provider.c.id == model.provider_id)
        .outerjoin(model_identity, identity.provider_model_id == model.id)
        .where(provider.c.enabled, model.status == "active", model.retires_on <= until.isoformat())
        .order_by(model.retires_on, provider.c.slug, model.model_id.collate("C"))
    )
    if after is not None:
        query = query.where(model.retires_on > after.isoformat())
    if slugs is not None:
        query = query.where(provider.c.slug.in_(slugs))
    return [Retirement(**row) for row in session.execute(query).mappings()]


def within_notice(session: Session, notice_days: Mapping[str, int], *, today: date) -> dict[str, tuple[str, ...]]:
    """What ends within each provider's own number of days, as `model on day`, by slug; ends that are past as well."""
    found: dict[str, list[str]] = {slug: [] for slug in notice_days}
    if notice_days:
        until = today + timedelta(days=max(notice_days.values()))
        for end in retirements(session, until=until, slugs=notice_days):
            if date.fromisoformat(end.retires_on) <= today + timedelta(days=notice_days[end.slug]):
                found[end.slug].append(f"{end.model_id} on {end.retires_on}")
    return {slug: tuple(ends) for slug, ends in found.items()}
