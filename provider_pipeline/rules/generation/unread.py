"""Fields of a sample that speak of prices, limits, dates or capabilities, and that the rule does not read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape, words_of
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compiled
from provider_pipeline.rules.values import number

_MAX_FIELDS: Final = 50
_MAX_NAMED: Final = 6


@dataclass(frozen=True)
class UnreadField:
    """A field that no expression of the rule reads; `kind` (price, limit, date, capability) is what it speaks of."""

    expression: str
    kind: str

    @property
    def reason(self) -> str:
        """Why it is worth a look."""
        return f"speaks of a {self.kind}; no field or predicate reads it"


def unread_fields(shape: Shape, expressions: Iterable[str], left_out: Iterable[str]) -> list[UnreadField]:
    """The fields of the items that no expression reads, prices first.

    Args:
        shape: The sample's items.
        expressions: The rule's fields, units and predicates.
        left_out: Fields that were left out for a reason.
    """
    texts = {*expressions, *left_out}
    read = {path for text in texts for path in compiled(text).paths}
    whole = " ".join(texts)
    kinds: Mapping[str, Sequence[str]] = read_table("fields.toml")["unread"]["kinds"]
    found = []
    for column in shape.columns.values():
        kind = _kind(column, kinds)
        if kind is None or any(column.path[: len(path)] == path for path in read if path):
            continue
        if column.lookup is None or column.lookup not in whole:
            found.append(UnreadField(column.expression, kind))
    order = list(kinds)
    return sorted(found, key=lambda one: (order.index(one.kind), one.expression))[:_MAX_FIELDS]


def other_currencies(shape: Shape) -> list[str]:
    """The currencies other than USD that the items name for their prices."""
    table = read_table("fields.toml")["price"]
    named = {
        text.strip()
        for column in shape.columns.values()
        if column.leaf in table["currency_keys"]
        for text in column.values
        if isinstance(text, str)
    }
    return sorted(text for text in named if text and text.lower() not in table["usd"])


def unread_issue(found: Sequence[UnreadField], currencies: Sequence[str], *, priced: bool) -> list[dict[str, Any]]:
    """The issue that names them; a warning if prices are in another currency, or none is read though there are some.

    Args:
        found: The fields.
        currencies: The currencies other than USD that the answer names.
        priced: Whether the rule reads any price.
    """
    if not found and not currencies:
        return []
    prices = sum(one.kind == "price" for one in found)
    unread = [one.expression for one in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        unread.append(f"{len(found) - _MAX_NAMED} more")
    parts = [f"prices in {', '.join(currencies)}"] if currencies else []
    return [
        issue(
            "unread_fields",
            "warning" if currencies or (prices and not priced) else "info",
            f"the rule does not read {', '.join([*parts, *unread])}",
            expected="fields that speak of prices in USD, limits, dates or capabilities to be read",
            actual=f"{len(found)} unread, {prices} of them about prices",
            sample=[f"{one.expression}: {one.kind}" for one in found],
            recovery="Look at these fields in the sample, and add those that matter to the rule's fields by hand.",
        )
    ]


def _kind(column: Column, kinds: Mapping[str, Sequence[str]]) -> str | None:
    values = [value for value in column.values if value not in ("", [], {}) and not isinstance(value, dict)]
    if not values:
        return None
    own = set(words_of(column.path[-1]))
    words = set(column.words)
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
        return any(number(value) not in (None, 0) for value in values)
    if kind == "date":
        return any(isinstance(value, str) or number(value) for value in values)
    return any(isinstance(value, (bool, list)) for value in values)
