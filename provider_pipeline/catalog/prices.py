"""Prices by model, component and tier: now, at a past moment, and over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnClause,
    DateTime,
    Numeric,
    Select,
    Text,
    cast,
    column,
    func,
    literal,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from provider_pipeline.catalog.history import models_at

_TYPES: Mapping[str, TypeEngine[Any]] = {
    "component": Text(),
    "above": BigInteger(),
    "amount": Numeric(asdecimal=False),
    "unit": Text(),
    "currency": Text(),
    "valid_from": DateTime(timezone=True),
    "valid_to": DateTime(timezone=True),
}
_PRICE = ("component", "above", "amount", "unit", "currency")


@dataclass(frozen=True)
class ModelPrice:
    """A row of the view `model_price`; its columns are explained by the view's comments."""

    slug: str
    model_id: str
    status: str
    component: str
    above: int
    amount: float
    unit: str
    currency: str
    is_overridden: bool


@dataclass(frozen=True)
class PriceSpan:
    """A row of the view `model_price_history`; its columns are explained by the view's comments."""

    slug: str
    model_id: str
    component: str
    above: int
    amount: float
    unit: str
    currency: str
    valid_from: datetime
    valid_to: datetime | None
    cause: str


_Row = type[ModelPrice] | type[PriceSpan]


def list_prices(
    session: Session,
    *,
    slug: str | None = None,
    model_id: str | None = None,
    component: str | None = None,
    as_of: datetime | None = None,
) -> list[ModelPrice]:
    """Prices by provider, model, component and tier.

    Args:
        component: Only prices of this component.
        as_of: A past moment; None for now.
    """
    if as_of is None:
        source: Any = _view("model_price", ModelPrice)
    else:
        past = models_at(as_of, slug)
        price = func.price_rows(past.c.prices).table_valued(*map(_column, _PRICE), name="price")
        names = array([literal("prices.").concat(price.c.component), price.c.component.concat("_price")])
        overridden = past.c.overridden_fields.bool_op("&&")(cast(names, ARRAY(Text)))
        source = (
            select(past.c.slug, past.c.model_id, past.c.status, *price.c, overridden.label("is_overridden"))
            .join_from(past, price, true())
            .subquery("model_price_then")
        )
    query = _narrowed(source, ModelPrice, slug=slug, model_id=model_id, component=component)
    return [ModelPrice(**row) for row in session.execute(query).mappings()]


def price_history(
    session: Session, *, slug: str | None = None, model_id: str | None = None, component: str | None = None
) -> list[PriceSpan]:
    """What models cost when, by provider, model, component, tier and time."""
    source = _view("model_price_history", PriceSpan)
    query = _narrowed(source, PriceSpan, slug=slug, model_id=model_id, component=component)
    return [PriceSpan(**row) for row in session.execute(query.order_by(source.c.valid_from)).mappings()]


def _column(name: str) -> ColumnClause[Any]:
    return column(name, _TYPES.get(name))


def _view(name: str, row: _Row) -> Any:
    return table(name, *map(_column, row.__dataclass_fields__))


def _narrowed(source: Any, row: _Row, **wanted: str | None) -> Select[Any]:
    query = select(*(source.c[name] for name in row.__dataclass_fields__))
    for name, value in wanted.items():
        if value is not None:
            query = query.where(source.c[name] == value)
    columns = source.c
    return query.order_by(columns.slug, columns.model_id.collate("C"), columns.component.collate("C"), columns.above)
