"""Models by what they can do, page by page, now or at a past moment.

Here: filters, orders and pages, as SQL. Not here: how a place in a list is written down for people who turn the page
(`provider_pipeline.api`), and whole lists (`history.py`).

A page begins after the last model of the one before, by that model's key, so that a page costs the same wherever it is,
and models that come and go shift nothing. Equal values are ordered by provider and model id, in the database's own
collation: its unique index has that order.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Text, and_, any_, cast, column, func, literal, or_, select, table, tuple_
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from provider_pipeline.catalog.history import models_at
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS

Order = Literal["model_id", "context_length", "input_price", "output_price", "first_seen_at"]
ORDERS: Final[tuple[Order, ...]] = get_args(Order)

_SHOWN: Final = ("provider", *SHOWN_COLUMNS, "last_seen_at")


@dataclass(frozen=True)
class ModelKey:
    """A model's place in a list.

    Attributes:
        value: What the list is ordered by, as PostgreSQL writes it; None where the model has no such value, or the
            order is the model ids'.
        provider_id: The provider.
        model_id: The model.
    """

    value: str | None
    provider_id: int
    model_id: str


@dataclass(frozen=True)
class ModelQuery:
    """Which models, in which order.

    Attributes:
        provider: Only this provider's.
        as_of: As they were at this moment; None for now.
        status: active, missing or removed; None for all.
        capabilities: All of these, known to be true.
        family: Of this family.
        modality: Accepted or produced.
        min_context: Context window of at least so many tokens, known to be.
        max_input_price: At most so many USD per million input tokens, known to be.
        max_output_price: The same for output tokens.
        order: What they are ordered by; models without a value come last either way.
        descending: Largest first.
    """

    provider: Provider | None = None
    as_of: datetime | None = None
    status: str | None = None
    capabilities: tuple[str, ...] = ()
    family: str | None = None
    modality: str | None = None
    min_context: int | None = None
    max_input_price: float | None = None
    max_output_price: float | None = None
    order: Order = "model_id"
    descending: bool = False


@dataclass(frozen=True)
class ModelPage:
    """Some of the models.

    Attributes:
        models: The columns of `SHOWN_COLUMNS`, after `provider`; and `last_seen_at`, None for the past.
        last: Where the next page begins after; None if this is the last one.
    """

    models: list[dict[str, Any]]
    last: ModelKey | None


def search(session: Session, query: ModelQuery, *, limit: int, after: ModelKey | None = None) -> ModelPage:
    """One page of the models.

    Args:
        session: Session to read with.
        query: Which, in which order.
        limit: How many at most.
        after: Where the page before ended.
    """
    source = models_at(query.as_of, None if query.provider is None else query.provider.slug)
    ordered = source.c[query.order]
    shown = [source.c.slug, *(source.c[name] for name in _SHOWN[1:])]
    value = cast(None if query.order == "model_id" else ordered, Text)
    statement = (
        select(*shown, source.c.provider_id.label("key_provider_id"), value.label("key_value"))
        .where(*_conditions(query, source.c))
        .order_by(*_ordering(query, source.c))
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(_beyond(query, source.c, after))
    rows = session.execute(statement).all()
    models = [dict(zip(_SHOWN, row, strict=False)) for row in rows[:limit]]
    if len(rows) <= limit:
        return ModelPage(models, None)
    last = rows[limit - 1]
    return ModelPage(models, ModelKey(last.key_value, last.key_provider_id, last.model_id))


def models_state(session: Session, provider: Provider | None) -> str:
    """A digest that differs whenever the models of a provider, or of all, may differ; cheap.

    Every sync writes its provider's row of `provider_sync` in the transaction that writes the models.
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
    if query.capabilities:
        wanted = dict.fromkeys(query.capabilities, True)
        conditions.append(model.capabilities.contains(cast(wanted, JSONB)))
    if query.modality is not None:
        either = (model.input_modalities, model.output_modalities)
        conditions.append(or_(*(literal(query.modality) == any_(modalities) for modalities in either)))
    if query.min_context is not None:
        conditions.append(model.context_length >= query.min_context)
    for most, price in ((query.max_input_price, model.input_price), (query.max_output_price, model.output_price)):
        if most is not None:
            conditions.append(price <= most)
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
