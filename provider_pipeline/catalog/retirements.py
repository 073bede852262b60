"""Models whose end is near: listed now, by the dates that their providers state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import case, distinct, func, or_, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import model_identity, provider, provider_model


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
