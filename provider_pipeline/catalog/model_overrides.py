"""`provider_model_override`: values that people set for fields of models; whole sets: `override_sets`."""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.known_values import require_overridable
from provider_pipeline.catalog.providers import is_one_of_providers
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_model_override
from provider_pipeline.catalog.tables.models import OVERRIDE_SINCE
from provider_pipeline.rules.overrides import CANONICAL_ID, PERSON, Match, OverrideSet, StatedValue, checked_value


@dataclass(frozen=True)
class Override:
    """A row of `provider_model_override`; its columns are explained by the table's comments."""

    slug: str
    model_id: str
    field: str
    override_value: Any
    reason: str
    created_by_id: int | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    listed_value: Any
    listed_at: datetime | None
    source: str
    match: Match
    fills_gaps: bool
    valid_from: datetime | None
    source_url: str | None


def overrides(session: Session, provider_id: int, now: datetime) -> OverrideSet:
    """A provider's current overrides."""
    return by_provider(session, [provider_id], now).get(provider_id, OverrideSet())


def by_provider(session: Session, provider_ids: Iterable[int], now: datetime) -> dict[int, OverrideSet]:
    """The same for many providers; only those with overrides are included."""
    query = _values().where(
        is_one_of_providers(provider_model_override.c.provider_id), provider_model_override.c.field != CANONICAL_ID
    )
    return _sets(session, query, {"provider_ids": list(provider_ids), "now": now})


def canonical_ids(session: Session, now: datetime) -> dict[int, OverrideSet]:
    """The current overrides of `canonical_id`, which are no part of a row, by provider."""
    query = _values().where(provider_model_override.c.field == CANONICAL_ID)
    return _sets(session, query, {"now": now})


def _sets(session: Session, query: Select[Any], parameters: Mapping[str, Any]) -> dict[int, OverrideSet]:
    found: dict[int, list[StatedValue]] = {}
    for row in session.execute(query, parameters):
        since = "" if row.valid_from is None else row.valid_from.astimezone(UTC).isoformat()
        stated = StatedValue(row.match, row.model_id, row.field, row.override_value, row.source, row.fills_gaps, since)
        found.setdefault(row.provider_id, []).append(stated)
    return {provider_id: OverrideSet(tuple(stated)) for provider_id, stated in found.items()}


_SET_ORDER = (
    provider_model_override.c.source.collate("C"),
    provider_model_override.c.match,
    provider_model_override.c.valid_from.nulls_first(),
)


@functools.cache
def _values() -> Select[Any]:
    table = provider_model_override.c
    return (
        select(
            *(table.provider_id, table.match, table.model_id, table.field, table.override_value),
            *(table.source, table.fills_gaps, table.valid_from),
        )
        .where(
            or_(table.valid_from.is_(None), table.valid_from <= bindparam("now")),
            or_(table.expires_at.is_(None), table.expires_at > bindparam("now")),
        )
        .order_by(table.provider_id, table.model_id.collate("C"), table.field.collate("C"), *_SET_ORDER)
    )


def list_overrides(session: Session, *, slug: str | None = None, model_id: str | None = None) -> list[Override]:
    """Overrides by provider, model and field, including expired ones."""
    query = _overrides(slug)
    if model_id is not None:
        query = query.where(provider_model_override.c.model_id == model_id)
    return [Override(**row) for row in session.execute(query).mappings()]


def caught_up(session: Session, slug: str | None = None) -> list[Override]:
    """Overrides that are no longer needed: the provider now lists the same value."""
    table = provider_model_override.c
    query = _overrides(slug).where(table.listed_value == table.override_value, ~table.fills_gaps)
    return [Override(**row) for row in session.execute(query).mappings()]


def put(
    session: Session,
    provider_id: int,
    model_id: str,
    field: str,
    value: Any,
    *,
    reason: str,
    created_by_id: int | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Set a field's value, whatever the listing and any set say; replaces an earlier single override.

    Takes effect with the provider's next sync; `canonical_id` with the next refresh of `canonical`. Setting the same
    value again touches no row.

    Args:
        model_id: The model; it need not be listed yet.
        field: A column, `capabilities.NAME`, `prices.NAME` or `metadata_json.NAME`, or `canonical_id`.
        value: None marks it as unknown.
        reason: Why the listing is not right about it.
        expires_at: When the listing counts again; None for never.

    Raises:
        InvalidRuleError: The field cannot have this value.
        UnknownValueError: There is no such field, capability, price component or modality.
    """
    checked = checked_value(field, value)
    require_overridable(session, field, checked)
    said: dict[str, Any] = {
        "override_value": checked,
        "reason": reason,
        "created_by_id": created_by_id,
        "expires_at": expires_at,
    }
    adding = insert(provider_model_override).values(provider_id=provider_id, model_id=model_id, field=field, **said)
    new, old = adding.excluded, provider_model_override.c
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["provider_id", "model_id", "field", "source", "match", OVERRIDE_SINCE],
            set_={**{name: new[name] for name in said}, "updated_at": func.now()},
            where=or_(*(old[name].is_distinct_from(new[name]) for name in said)),
        )
    )


def remove(session: Session, provider_id: int, model_id: str, field: str) -> bool:
    """Remove a single override from the next sync on; returns whether there was one. Those of sets stay."""
    table = provider_model_override
    removed = session.scalar(
        delete(table)
        .where(
            table.c.provider_id == provider_id,
            table.c.model_id == model_id,
            table.c.field == field,
            table.c.source == PERSON,
        )
        .returning(table.c.field)
    )
    return removed is not None


def note_listed_values(
    session: Session, listed: Mapping[int, Mapping[str, Mapping[str, Any]]], *, now: datetime
) -> None:
    """Record the listed values of overridden fields; only differences are written.

    Args:
        listed: The value without the override, by provider, model id and field.
        now: When the listings were fetched.
    """
    said = [
        {"provider_id": provider_id, "model_id": model_id, "field": field, "value": value}
        for provider_id, models in listed.items()
        for model_id, fields in models.items()
        for field, value in fields.items()
    ]
    if said:
        session.execute(statement("note_listed_values"), {"listed": json.dumps(said), "now": now})


def _overrides(slug: str | None) -> Select[Any]:
    table = provider_model_override.c
    columns = [table[name] for name in Override.__dataclass_fields__ if name != "slug"]
    query = select(provider.c.slug, *columns).join(provider, provider.c.id == table.provider_id)
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    return query.order_by(provider.c.slug, table.model_id.collate("C"), table.field.collate("C"), *_SET_ORDER)
