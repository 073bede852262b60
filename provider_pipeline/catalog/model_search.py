"""Searches models with filters, sorting and keyset pagination, now or at a past moment.

A page starts after the key of the previous page's last model, so every page costs the same and models that come and go
shift nothing. Ties are sorted by provider and model id in the database's own collation, the order of the unique index.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, any_, cast, column, func, literal, or_, select, table, tuple_
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from provider_pipeline.catalog.history import models_at, successor_is_listed
from provider_pipeline.catalog.known_values import require_known
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS, Sorting
from provider_pipeline.rules.price_components import usual_unit
from provider_pipeline.rules.prices import USD

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
        order: Models without a value come last in either direction.
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
    statement = (
        select(*shown, source.c.provider_id.label("key_provider_id"), value.label("key_value"))
        .where(*_conditions(query, source.c))
        .order_by(*_ordering(query, source.c))
        .limit(None if limit is None else limit + 1)
    )
    if after is not None:
        statement = statement.where(_beyond(query, source.c, after))
    rows = session.execute(statement).all()
    models = [dict(zip(_SHOWN, row, strict=False)) for row in rows[:limit]]
    if limit is None or len(rows) <= limit:
        return ModelPage(models, None)
    last = rows[limit - 1]
    return ModelPage(models, ModelKey(last.key_value, last.key_provider_id, last.model_id))


def models_state(session: Session, provider: Provider | None) -> str:
    """A cheap digest that changes whenever a provider's models, or any models, may have changed.

    It covers `provider_sync`, whose row every sync writes in the transaction that writes the models.
    """
    state = table("provider_sync", column("provider_id"), column("last_success_at"), column("xmin"))
    one = func.concat_ws(":", state.c.provider_id, cast(state.c.xmin, Text), state.c.last_success_at)
    every = func.string_agg(one, aggregate_order_by(literal(","), state.c.provider_id))
    query = select(func.md5(func.coalesce(every, "")))
    if provider is not None:
        query = query.where(state.c.provider_id == provider.id)
    return str(session.scalar(query))


def _conditions(query: ModelQuery, model: Any) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.provider is not None:
        conditions.append(model.provider_id == query.provider.id)
    if query.text is not None:
        conditions.append(
            or_(*(each.icontains(query.text, autoescape=True) for each in (model.model_id, model.display_name)))
        )
    if query.capabilities:
        wanted = dict.fromkeys(query.capabilities, True)
        conditions.append(model.capabilities.contains(cast(wanted, JSONB)))
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
        usual = {component: {"unit": usual_unit(component), "currency": USD}}
        conditions.append(and_(model.prices.contains(cast(usual, JSONB)), price["amount"].as_float() <= largest))
    for given, compared in ((query.family, model.family), (query.status, model.status)):
        if given is not None:
            conditions.append(compared == given)
    return conditions


def _ordering(query: ModelQuery, model: Any) -> list[ColumnElement[Any]]:
    keys = [model.model_id] if query.provider is not None else [model.provider_id, model.model_id]
    if query.order == "model_id":
        return [key.desc() if query.descending else key for key in keys]
    ordered = model[query.order]
    return [ordered.desc().nulls_last() if query.descending else ordered.asc().nulls_last(), *keys]


def _beyond(query: ModelQuery, model: Any, after: ModelKey) -> ColumnElement[bool]:
    mine = tuple_(model.provider_id, model.model_id)
    theirs = tuple_(literal(after.provider_id), literal(after.model_id))
    if query.order == "model_id":
        return mine < theirs if query.descending else mine > theirs
    ordered = model[query.order]
    if after.value is None:
        return and_(ordered.is_(None), mine > theirs)
    value = cast(literal(after.value, Text()), ordered.type)
    further = ordered < value if query.descending else ordered > value
    return or_(further, and_(ordered == value, mine > theirs), ordered.is_(None))
