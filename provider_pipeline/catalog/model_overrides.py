"""`provider_model_override`: values that people set for fields of models, one by one or in whole sets.

A set is all that a file, a folder or a peer's price list states, applied in one statement. Syncs read what is in force
with `sync_state`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ARRAY, BigInteger, Select, Text, delete, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.known_values import require_overridable
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_model, provider_model_override
from provider_pipeline.catalog.tables.models import OVERRIDE_ORDER, OVERRIDE_SINCE
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.overrides import PERSON, Match, checked_value


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
    """Set a field's value, which wins over the listing and any set; replaces an earlier single override.

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


def _overrides(slug: str | None) -> Select[Any]:
    table = provider_model_override.c
    columns = [table[name] for name in Override.__dataclass_fields__ if name != "slug"]
    query = select(provider.c.slug, *columns).join(provider, provider.c.id == table.provider_id)
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    return query.order_by(provider.c.slug, table.model_id.collate("C"), table.field.collate("C"), *OVERRIDE_ORDER)


@dataclass(frozen=True)
class StatedOverride:
    """One value that a set states; the columns of `provider_model_override`."""

    provider_id: int
    model_id: str
    match: Match
    field: str
    value: Any
    reason: str
    source_url: str | None = None
    fills_gaps: bool = False
    valid_from: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class OverrideChange:
    """One override that applying a set adds, changes or removes.

    Attributes:
        was: The earlier value; None if it is new.
        value: The new value; None if it is removed.
    """

    slug: str
    action: Literal["set", "changed", "removed"]
    model_id: str
    match: Match
    field: str
    valid_from: datetime | None
    was: Any
    value: Any


def unlisted(session: Session, stated: Iterable[StatedOverride]) -> list[tuple[str, str]]:
    """The provider and id of each model that a set names and the provider has not listed so far."""
    named = sorted({(each.provider_id, each.model_id) for each in stated if each.match == "model"})
    wanted = (
        select(func.unnest(literal([each for each, _ in named], ARRAY(BigInteger))).label("provider_id"))
        .add_columns(func.unnest(literal([each for _, each in named], ARRAY(Text))).label("model_id"))
        .subquery()
    )
    listed = exists().where(
        provider_model.c.provider_id == wanted.c.provider_id, provider_model.c.model_id == wanted.c.model_id
    )
    query = select(provider.c.slug, wanted.c.model_id).join(wanted, wanted.c.provider_id == provider.c.id)
    return [(slug, model_id) for slug, model_id in session.execute(query.where(~listed).order_by("slug", "model_id"))]


def apply_set(
    session: Session,
    source: str,
    stated: Iterable[StatedOverride],
    *,
    prune: bool = False,
    created_by_id: int | None = None,
) -> list[OverrideChange]:
    """Store a set's overrides and return what changed; roll the transaction back for a dry run.

    They take effect with the providers' next syncs. Applying the same set again touches no row.

    Args:
        source: The set's name. Overrides of other sets, and single ones, are never touched.
        stated: Its overrides; at most one for each provider, model or pattern, field and date.
        prune: Whether to remove what the set stated before and no longer does.

    Raises:
        CatalogError: The name is the one of single overrides.
    """
    if source == PERSON:
        raise CatalogError(f"a set of overrides cannot be named {source!r}", hint="that names single overrides")
    found = session.execute(
        statement("apply_override_set"),
        {
            "stated": json.dumps([asdict(each) for each in stated], default=datetime.isoformat),
            "source": source,
            "prune": prune,
            "created_by_id": created_by_id,
        },
    )
    return [OverrideChange(**row) for row in found.mappings()]
