"""Models now or at a past moment, and their recorded changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    RowMapping,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.orm import Session

from provider_pipeline import rules
from provider_pipeline.catalog.tables import provider, provider_model, provider_model_change
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS, Cause

if TYPE_CHECKING:
    from provider_pipeline.rules.model_prices import Pair


def models_at(moment: datetime | None, slug: str | None) -> Any:
    """A selectable with `slug`, `provider_id`, `SHOWN_COLUMNS` and `last_seen_at`, which is None in the past.

    Args:
        moment: None for now.
        slug: Limits the reconstruction of the past to this provider; the caller still filters by slug. None for all.
    """
    columns = [
        column("slug", Text()),
        *(column(name, provider_model.c[name].type) for name in ("provider_id", *SHOWN_COLUMNS)),
    ]
    seen = DateTime(timezone=True)
    if moment is None:
        return table("provider_model_current", *columns, column("last_seen_at", seen))
    past = func.provider_models_as_of(moment, cast(slug, Text)).table_valued(*columns, name="past")
    return select(past, cast(None, seen).label("last_seen_at")).subquery("past_models")


def successor_is_listed(model: Any) -> ColumnElement[bool | None]:
    """Whether the provider itself lists the successor that it advises now; NULL without a successor.

    Args:
        model: The columns of `models_at`.
    """
    successor = provider_model.alias("successor")
    is_listed = exists().where(
        successor.c.provider_id == model.provider_id,
        successor.c.model_id == model.successor_model_id,
        successor.c.status == "active",
    )
    return case((model.successor_model_id.is_(None), null()), else_=is_listed).label("successor_is_listed")


@dataclass(frozen=True)
class RecordedChange:
    """A row of `provider_model_change`; its columns are explained by the table's comments.

    Attributes:
        changed: Old and new values, with prices by component and tier: see `rules.model_prices.flat_changes`.
    """

    id: int
    slug: str
    model_id: str
    kind: str
    changed: dict[str, Pair]
    cause: Cause
    rule_version: int
    raw_response_id: int | None
    changed_at: datetime


def list_models(
    session: Session,
    *,
    slug: str | None = None,
    model_id: str | None = None,
    as_of: datetime | None = None,
    status: str | None = None,
    capability: str | None = None,
    retires_before: date | None = None,
) -> list[dict[str, Any]]:
    """Models by provider and id, now or at a past moment.

    Args:
        as_of: None for now; only then rows have `last_seen_at`.
        status: active, missing or removed.
        capability: Only models known to have it.
        retires_before: Only models that are known to end before this day.
    """
    source = models_at(as_of, slug)
    shown = ["slug", *SHOWN_COLUMNS, *(["last_seen_at"] if as_of is None else [])]
    columns = [*(source.c[name] for name in shown), successor_is_listed(source.c)]
    query = select(*columns).order_by(source.c.slug, source.c.model_id.collate("C"))
    if slug is not None:
        query = query.where(source.c.slug == slug)
    if model_id is not None:
        query = query.where(source.c.model_id == model_id)
    if status is not None:
        query = query.where(source.c.status == status)
    if capability is not None:
        query = query.where(source.c.capabilities[capability].as_boolean())
    if retires_before is not None:
        query = query.where(source.c.retires_on < retires_before.isoformat())
    return [dict(row) for row in session.execute(query).mappings().all()]


def list_changes(
    session: Session,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    slug: str | None = None,
    model_id: str | None = None,
    field: str | None = None,
    kind: str | None = None,
    cause: str | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int | None = None,
) -> list[RecordedChange]:
    """Changes, newest first.

    Args:
        since: Inclusive.
        until: Exclusive.
        field: A column, or a key of one as `capabilities.NAME` or `prices.NAME`; only changes of it.
        kind: added, renamed, updated, missing, removed or restored.
        cause: provider, rule or override.
        before: Continue after the change with this time and key.
    """
    change = provider_model_change.c
    query = _changes(since=since, until=until).order_by(change.changed_at.desc(), change.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(change.changed_at, change.id) < tuple_(*map(literal, before)))
    wanted = ((slug, provider.c.slug), (model_id, change.model_id), (kind, change.kind), (cause, change.cause))
    for given, compared in wanted:
        if given is not None:
            query = query.where(compared == given)
    if field is not None:
        name, _, key = field.partition(".")
        pair = change.changed[name]
        query = query.where(pair[0][key].is_distinct_from(pair[1][key]) if key else change.changed.has_key(name))
    return [_recorded(row) for row in session.execute(query).mappings()]


def stream_changes(session: Session, *, since: datetime, until: datetime) -> Iterator[RecordedChange]:
    """The changes of a period by provider and model, read in batches of 1,000.

    Leaves out the removal of renamed ids: the rename already reported it.
    """
    change, model = provider_model_change.c, provider_model.c
    query = (
        _changes(since=since, until=until)
        .join(provider_model, and_(model.provider_id == change.provider_id, model.model_id == change.model_id))
        .where(or_(change.kind != "removed", model.renamed_to.is_(None)))
        .order_by(provider.c.slug, change.model_id.collate("C"), change.id)
    )
    for row in session.execute(query, execution_options={"yield_per": 1000}).mappings():
        yield _recorded(row)


def _recorded(row: RowMapping) -> RecordedChange:
    return RecordedChange(**{**row, "changed": rules.model_prices.flat_changes(row["changed"])})


def _changes(*, since: datetime | None, until: datetime | None) -> Select[Any]:
    change = provider_model_change.c
    columns = [change[name] for name in RecordedChange.__dataclass_fields__ if name != "slug"]
    query = select(provider.c.slug, *columns).join(provider, provider.c.id == change.provider_id)
    if since is not None:
        query = query.where(change.changed_at >= since)
    if until is not None:
        query = query.where(change.changed_at < until)
    return query
