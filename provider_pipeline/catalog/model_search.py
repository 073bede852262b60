"""Searches models with filters, sorting and keyset pagination, now or at a past moment.

A page starts after the key of the previous page's last model: all pages cost the same, and new models shift nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, REGCLASS, aggregate_order_by
from sqlalchemy.orm import Session

from provider_pipeline import rules
from provider_pipeline.catalog.history import models_at, successor_is_listed
from provider_pipeline.catalog.known_values import require_known
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.tables import provider_model
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS, Sorting

_MAX_DIGESTED: Final = 10_000
"""Providers up to which a digest of their states precedes a page of all models: a tenth of a second."""
_SHOWN: Final = ("provider", *SHOWN_COLUMNS, "last_seen_at", "successor_is_listed")


@dataclass(frozen=True)
class ModelKey:
    """A model's position in a sorted list.

    Attributes:
        value: The sorting column's value as PostgreSQL writes it; None if the model has none, or when sorting by id.
    """

    value: str | None
    provider_id: int
    model_id: str


@dataclass(frozen=True)
class ModelQuery:
    """Filters and sorting of a search.

    Attributes:
        as_of: A past moment; None for now.
        text: A part of the id or of the display name, in any case.
        status: active, missing or removed; None for all.
        capabilities: All of these, known to be true.
        modality: Accepted or produced.
        min_context: In tokens; models with an unknown window are left out.
        max_input_price: In USD per million tokens; models with an unknown price are left out.
        max_output_price: As `max_input_price`.
        priced: Components that all have a known price.
        max_prices: Components with the largest amount in USD per their usual unit, below the first tier; models with an
            unknown price, or one in another unit or currency, are left out.
        retires_before: Models that end before this day; those without a known end are left out.
        sort: Models without a value come last in either direction, by provider and id. Ties are sorted by provider and
            model id in the database's collation, in the sort's direction, so that a page is a range of one index.
    """

    provider: Provider | None = None
    as_of: datetime | None = None
    text: str | None = None
    status: str | None = None
    capabilities: tuple[str, ...] = ()
    family: str | None = None
    modality: str | None = None
    min_context: int | None = None
    max_input_price: float | None = None
    max_output_price: float | None = None
    priced: tuple[str, ...] = ()
    max_prices: tuple[tuple[str, float], ...] = ()
    retires_before: date | None = None
    sort: Sorting = "model_id"

    @property
    def order(self) -> str:
        """The column to sort by."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")


@dataclass(frozen=True)
class ModelPage:
    """One page of models.

    Attributes:
        models: `provider`, `SHOWN_COLUMNS`, `last_seen_at`, which is None for the past, and `successor_is_listed`.
        last: The key to continue after; None on the last page.
    """

    models: list[dict[str, Any]]
    last: ModelKey | None


def search(session: Session, query: ModelQuery, *, limit: int | None, after: ModelKey | None = None) -> ModelPage:
    """One page of models, starting after the key `after`; all of them without a limit.

    Raises:
        UnknownValueError: A filter names a capability, modality, family or price component that nothing has.
    """
    priced = (*query.priced, *(component for component, _ in query.max_prices))
    modalities = [] if query.modality is None else [query.modality]
    require_known(
        session, capabilities=query.capabilities, components=priced, modalities=modalities, family=query.family
    )
    source = models_at(query.as_of, None if query.provider is None else query.provider.slug)
    ordered = source.c[query.order]
    shown = [source.c.slug, *(source.c[name] for name in _SHOWN[1:-1]), successor_is_listed(source.c)]
    value = cast(None if query.order == "model_id" else ordered, Text)
    statement = select(*shown, source.c.provider_id.label("key_provider_id"), value.label("key_value")).where(
        *_conditions(query, source.c)
    )
    rows: list[Row[Any]] = []
    for part in _parts(query, source.c, after):
        rest = None if limit is None else limit + 1 - len(rows)
        if rest != 0:
            rows += session.execute(statement.where(*part.conditions).order_by(*part.ordering).limit(rest))
    models = [dict(zip(_SHOWN, row, strict=False)) for row in rows[:limit]]
    if limit is None or len(rows) <= limit:
        return ModelPage(models, None)
    last = rows[limit - 1]
    return ModelPage(models, ModelKey(last.key_value, last.key_provider_id, last.model_id))


def models_state(session: Session, provider: Provider | None) -> str:
    """A cheap digest that changes whenever a provider's models, or any models, may have changed.

    It covers `provider_sync`, whose row every sync writes in the transaction that writes the models.
    """
    query = _digest()
    if provider is not None:
        query = query.where(_STATE.c.provider_id == provider.id)
    return str(session.scalar(query))


def page_state(session: Session, provider: Provider | None) -> str:
    """The state behind a page's ETag: `models_state`, unless its digest would take longer than the page.

    With more than 10,000 providers it is the database's snapshot. It changes with every transaction that writes
    anything; while it stays, every statement sees the same rows.
    """
    if provider is not None:
        return models_state(session, provider)
    relation = table("pg_class", column("oid"), column("reltuples"))
    providers = select(relation.c.reltuples).where(relation.c.oid == cast(literal(_STATE.name), REGCLASS))
    snapshot = func.md5(cast(func.pg_current_snapshot(), Text))
    is_large = providers.scalar_subquery() > _MAX_DIGESTED
    return str(session.scalar(select(case((is_large, snapshot), else_=_digest().scalar_subquery()))))


_STATE: Final = table("provider_sync", column("provider_id"), column("last_success_at"), column("xmin"))


def _digest() -> Select[tuple[str]]:
    one = func.concat_ws(":", _STATE.c.provider_id, cast(_STATE.c.xmin, Text), _STATE.c.last_success_at)
    every = func.string_agg(one, aggregate_order_by(literal(","), _STATE.c.provider_id))
    return select(func.md5(func.coalesce(every, "")))


def _conditions(query: ModelQuery, model: Any) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.provider is not None:
        conditions.append(model.provider_id == query.provider.id)
    if query.text is not None:
        conditions.append(
            or_(*(each.icontains(query.text, autoescape=True) for each in (model.model_id, model.display_name)))
        )
    # One by one: an index of models with one of them serves only a condition that is its own.
    conditions += [model.capabilities.contains(cast({name: True}, JSONB)) for name in query.capabilities]
    if query.modality is not None:
        either = (model.input_modalities, model.output_modalities)
        conditions.append(or_(*(literal(query.modality) == any_(modalities) for modalities in either)))
    if query.min_context is not None:
        conditions.append(model.context_length >= query.min_context)
    if query.retires_before is not None:
        conditions.append(model.retires_on < query.retires_before.isoformat())
    for most, price in ((query.max_input_price, model.input_price), (query.max_output_price, model.output_price)):
        if most is not None:
            conditions.append(price <= most)
    conditions += [model.prices.has_key(component) for component in query.priced]
    for component, largest in query.max_prices:
        price = model.prices[component]
        usual = {component: {"unit": rules.prices.usual_unit(component), "currency": rules.prices.USD}}
        conditions.append(and_(model.prices.contains(cast(usual, JSONB)), price["amount"].as_float() <= largest))
    for given, compared in ((query.family, model.family), (query.status, model.status)):
        if given is not None:
            conditions.append(compared == given)
    return conditions


@dataclass(frozen=True)
class _Part:
    """A part of a sorted list, in the order of an index."""

    conditions: Sequence[ColumnElement[bool]]
    ordering: Sequence[ColumnElement[Any]]


def _parts(query: ModelQuery, model: Any, after: ModelKey | None) -> Iterator[_Part]:
    """The rest of the list: models with a value to sort by, then those without.

    In one statement, `value > x OR value IS NULL` is not an index range: every page would read from the beginning.
    """
    keys = [model.provider_id, model.model_id]
    key = [] if after is None else [literal(after.provider_id), literal(after.model_id)]
    if query.order == "model_id":
        yield _part(keys, key, [], descending=query.descending)
        return
    ordered = model[query.order]
    if after is None or after.value is not None:
        first = [] if after is None else [cast(literal(after.value, Text()), ordered.type), *key]
        yield _part([ordered, *keys], first, [ordered.is_not(None)], descending=query.descending)
    if provider_model.c[query.order].nullable:
        key = key if after is not None and after.value is None else []
        yield _part(keys, key, [ordered.is_(None)], descending=False)


def _part(columns: list[Any], after: list[Any], conditions: list[ColumnElement[bool]], *, descending: bool) -> _Part:
    if after:
        mine, theirs = tuple_(*columns), tuple_(*after)
        conditions = [*conditions, mine < theirs if descending else mine > theirs]
    return _Part(conditions, [column.desc() if descending else column for column in columns])
