"""The tables of `models show`: a model's facts with their sources, its prices and their history, and its changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table

from provider_pipeline import catalog, rules, sync
from provider_pipeline.cli.console import change_texts, iso, number, table
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS

_MAX_VALUE: Final = 200
_UNITS: Final = {
    "million_tokens": "M tokens",
    "million_characters": "M characters",
    "thousand_requests": "1,000 requests",
}
_LIFE: Final = (
    "status",
    "first_seen_at",
    "last_seen_at",
    "missing_since",
    "removed_at",
    "renamed_from",
    "renamed_to",
    "rule_version",
)


def details(title: str, found: sync.model_details.ModelDetails) -> Iterator[RenderableType]:
    """The tables of one model."""
    yield _facts(title, found)
    if found.prices:
        yield _prices(found)
    if found.price_history:
        yield _price_history(found.price_history)
    if found.overrides:
        yield table(
            "set by people",
            ("field", "value", "listed", "until", "reason"),
            (
                (
                    each.field,
                    _value(each.override_value),
                    _value(each.listed_value),
                    iso(each.expires_at),
                    each.reason,
                )
                for each in found.overrides
            ),
        )
    yield table(
        "changes",
        ("when", "kind", "cause", "what"),
        ((iso(each.changed_at), each.kind, each.cause, change_texts(each.changed)) for each in found.changes),
    )


def _facts(title: str, found: sync.model_details.ModelDetails) -> Table:
    rows: list[tuple[Any, ...]] = []
    for fact, source in found.sources.items():
        column, _, key = fact.partition(".")
        if column in ("model_id", "prices") or fact in PRICE_COLUMNS:
            continue
        held = found.model[column]
        value = number(held) if fact in LIMIT_COLUMNS else _value(held[key] if key else held)
        rows.append((fact.removeprefix("metadata_json."), value, source.source, ", ".join(source.read_from) or None))
    rows += [
        (name, iso(value) if isinstance(value, datetime) else str(value), None, None)
        for name in _LIFE
        if (value := found.model[name]) is not None
    ]
    return table(title, ("fact", "value", "source", "read from"), rows, spare=("read from",))


def _prices(found: sync.model_details.ModelDetails) -> Table:
    rows = (
        (
            _part(each),
            rules.model_prices.amount_text(each.amount),
            _unit(each),
            source.source,
            ", ".join(source.read_from) or None,
        )
        for each in found.prices
        for source in (found.sources[f"prices.{each.component}"],)
    )
    return _money_table("prices", ("component", "amount", "unit", "source", "read from"), rows)


def _price_history(spans: list[catalog.prices.PriceSpan]) -> Table:
    rows = (
        (
            *(_part(each), rules.model_prices.amount_text(each.amount), _unit(each)),
            *(iso(each.valid_from), iso(each.valid_to), each.cause),
        )
        for each in spans
    )
    columns = ("component", "amount", "unit", "from", "until", "cause")
    return _money_table("price history", columns, rows)


def _money_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    drawn = table(title, columns, rows, right=("amount",), spare=("read from",))
    drawn.columns[columns.index("amount")].no_wrap = True  # half a number would be read as a number
    return drawn


def _part(price: catalog.prices.ModelPrice | catalog.prices.PriceSpan) -> str:
    return price.component + (f" above {price.above:,}" if price.above else "")


def _unit(price: catalog.prices.ModelPrice | catalog.prices.PriceSpan) -> str:
    return f"{price.currency} / {_UNITS.get(price.unit, price.unit)}"


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        text = ", ".join(value)
    elif isinstance(value, Mapping) and "amount" in value:
        text = rules.model_prices.price_text(value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if text is None or len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
