"""Fields of a sample that speak of prices, limits, dates or capabilities, and that the rule does not read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.price_context import ListingPrices
from provider_pipeline.rules.generation.price_units import positive, rows_where
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compiled, path_expression, quote_key, words_of
from provider_pipeline.rules.prices import OTHER_CURRENCY, currency_code, is_size
from provider_pipeline.rules.values import UnitByRow, number

_MAX_FIELDS: Final = 50
_MAX_NAMED: Final = 6
_MAX_AMOUNT: Final = 80
_AMOUNT: Final = re.compile(r"[$€£¥￥]\s*\d|\d\s*(?:¢|usd|eur|gbp|cny|rmb|元|credits)|\d\.\d+\s*-\s*\d", re.IGNORECASE)


@dataclass(frozen=True)
class UnreadField:
    """A field that no expression of the rule reads; `kind` (price, limit, date, capability) is what it speaks of."""

    expression: str
    kind: str

    @property
    def reason(self) -> str:
        """Why it is worth a look."""
        return f"speaks of a {self.kind}; no field or predicate reads it"


def unread_fields(
    shape: Shape, prices: ListingPrices, expressions: Iterable[str], left_out: Iterable[str]
) -> list[UnreadField]:
    """The fields of the items that no expression reads, prices first.

    Args:
        shape: The sample's items.
        prices: The prices that the rule reads, and those in lists of the items.
        expressions: The rule's fields, units and predicates.
        left_out: Fields that were left out for a reason.
    """
    texts = {*expressions, *left_out}
    read = {path for text in texts for path in compiled(text).paths}
    whole = " ".join(texts)
    kinds: Mapping[str, Sequence[str]] = read_table("fields.toml")["unread"]["kinds"]
    found: dict[str, str] = {}
    for column in (*shape.columns.values(), *prices.listed.values()):
        # Looked at before the values, as nearly all fields are read.
        if column.path not in prices.listed and any(column.path[: len(path)] == path for path in read if path):
            continue
        if (column.lookup is None or column.lookup not in whole) and (kind := _kind(column, kinds)) is not None:
            found.setdefault(column.expression, kind)
    for column in shape.nested.values():
        base = path_expression(column.path[:-1])
        if column.path[:-1] not in read and f"{base}[" not in whole and _kind(column, kinds) == "price":
            found.setdefault(f"{base}[].{quote_key(column.path[-1])}", "price")
    found |= dict.fromkeys(_in_other_units(shape, prices), "price")
    order = list(kinds)
    named = sorted(found.items(), key=lambda one: (order.index(one[1]), one[0]))
    return [UnreadField(*one) for one in named[:_MAX_FIELDS]]


def _in_other_units(shape: Shape, prices: ListingPrices) -> Iterator[str]:
    """The prices in units that are not kept, of fields whose rows name their units."""
    kept: dict[tuple[str, str], set[str]] = {}
    columns = {one.expression: one for one in (*shape.columns.values(), *prices.listed.values())}
    for one, *_ in prices.choices.values():
        if isinstance(one.unit, UnitByRow):
            kept.setdefault((one.column.expression, one.unit.by), set()).update(one.unit.values)
    for (expression, by), texts in sorted(kept.items()):
        named = columns.get(by)
        for text in sorted({*named.values} - texts) if named is not None and expression in columns else ():
            if named is not None and positive([rows_where(columns[expression], named, {text})]):
                yield f"{expression} (where {by} is {text!r})"


def unread_issue(found: Sequence[UnreadField], *, priced: bool) -> list[dict[str, Any]]:
    """The issue that names the fields; a warning if no price is read though there are some.

    Args:
        found: The fields.
        priced: Whether the rule reads any price.
    """
    if not found:
        return []
    prices = sum(one.kind == "price" for one in found)
    unread = [one.expression for one in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        unread.append(f"{len(found) - _MAX_NAMED} more")
    return [
        issue(
            "unread_fields",
            "warning" if prices and not priced else "info",
            f"the rule does not read {', '.join(unread)}",
            expected="fields that speak of prices, limits, dates or capabilities to be read",
            actual=f"{len(found)} unread, {prices} of them about prices",
            sample=[f"{one.expression}: {one.kind}" for one in found],
            recovery="Look at these fields in the sample, and add those that matter to the rule's fields by hand.",
        )
    ]


def currency_issue(prices: ListingPrices) -> list[dict[str, Any]]:
    """The issue that names the currencies other than USD in which a listing has prices."""
    if not prices.others:
        return []
    kept = [text for text in prices.others if prices.choices and currency_code(text)]
    left = [text for text in prices.others if text not in kept]
    parts = [f"prices in {', '.join(kept)} are kept so, and input_price and output_price stay empty"] if kept else []
    parts += [f"prices in {', '.join(left)} are not read"] if left else []
    return [
        issue(
            OTHER_CURRENCY,
            "warning",
            "; ".join(parts),
            expected="prices in USD; nothing is converted",
            actual=", ".join(prices.others),
            recovery="Look at `prices` for amounts in their own currency, or state prices in USD as overrides.",
        )
    ]


def _kind(column: Column, kinds: Mapping[str, Sequence[str]]) -> str | None:
    values = [value for value in column.values if value not in ("", [], {}) and not isinstance(value, dict)]
    if not values:
        return None
    own = set(words_of(column.path[-1]))
    words = set(column.words)
    if is_size(column.path[-1]) and any((amount := number(value)) is not None and amount % 1 for value in values):
        return "price"  # though no word says so
    for kind, about in kinds.items():
        # A price may be named by what is around it (`pricing.image`); the others by their own key.
        near = words if kind in ("price", "capability") else own
        if any(word.startswith(tuple(about)) if kind == "price" else word in about for word in near) and _fits(
            kind, values
        ):
            return kind
    return None


def _fits(kind: str, values: Sequence[Any]) -> bool:
    if kind in ("price", "limit"):
        amounts = (each for value in values for each in (value if isinstance(value, list) else [value]))
        return any(number(amount) not in (None, 0) or _is_amount(amount) for amount in amounts)
    if kind == "date":
        return any(isinstance(value, str) or number(value) for value in values)
    return any(isinstance(value, (bool, list)) for value in values)


def _is_amount(value: Any) -> bool:
    """Whether a text is an amount of money that is not read as a number, such as one in yuan."""
    return isinstance(value, str) and len(value) <= _MAX_AMOUNT and _AMOUNT.search(value) is not None
