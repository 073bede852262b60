"""Models whose end is near: listed now, by the dates that their providers state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_model


@dataclass(frozen=True)
class Retirement:
    """The end of a listed model.

    Attributes:
        retires_on: The first day on which it is no longer served, as `YYYY-MM-DD`.
        successor_model_id: What the provider advises instead, if it says.
    """

    provider_id: int
    slug: str
    model_id: str
    retires_on: str
    successor_model_id: str | None


def retirements(
    session: Session, *, until: date, after: date | None = None, slugs: Collection[str] | None = None
) -> list[Retirement]:
    """The ends of models that enabled providers list now, by date, provider and model.

    Args:
        until: The last day.
        after: Only ends after this day; None also gives those that are past.
        slugs: Only of these providers; None for all.
    """
    model = provider_model.c
    columns = [model.provider_id, provider.c.slug, model.model_id, model.retires_on, model.successor_model_id]
    query = (
        select(*columns)
        .join(provider, provider.c.id == model.provider_id)
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
