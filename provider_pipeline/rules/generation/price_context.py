"""Data of the search for prices: columns, choices, and the texts around them."""

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.generation.price_words import (
    PriceName,
    counted_of,
    currency_in_unit,
    is_about_money,
    is_unit,
    price_name,
    scale_of,
)
from provider_pipeline.rules.generation.shape import Column
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, snake
from provider_pipeline.rules.money import DOLLAR, currency_code, money_in
from provider_pipeline.rules.prices import CURRENCY_FIELD, USD
from provider_pipeline.rules.values import Unit, number

_SIDES: Final = ("input", "output")


@dataclass(frozen=True)
class PriceChoice:
    """A path that may be a price; `why` is the evidence for its unit, `column` holds the amounts."""

    expression: str
    score: float
    fill: float
    unit: Unit
    why: str
    column: Column

    @property
    def written_unit(self) -> Any:
        """The unit, as written in a rule document."""
        return self.unit if isinstance(self.unit, str) else self.unit.model_dump()

    def repeats(self, other: "PriceChoice") -> bool:
        """Whether it gives the same result as another one."""
        amounts = other.column.by_owner
        return self.unit == other.unit and all(
            math.isclose(number(value) or 0, number(amounts.get(owner)) or 0, rel_tol=1e-6)
            for owner, value in self.column.by_owner.items()
        )

    def summary(self) -> dict[str, Any]:
        """The choice, for the evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "unit": self.written_unit,
            "unit_from": self.why,
        }


@dataclass
class ListingPrices:
    """The price fields of a rule.

    Args:
        choices: The possible paths of each price, by the rule's field, the best first.
        tiers: Expressions by field.
        stated_currency: JMESPath to the text that names the currency of an item's prices.
        currency: The currency of all prices, if the answer or the prices' names state one.
        others: Other currencies of prices than USD, as written in the listing.
        listed: The amounts in lists, read or not.
    """

    choices: dict[str, list[PriceChoice]] = field(default_factory=dict)
    tiers: dict[str, str] = field(default_factory=dict)
    stated_currency: str | None = None
    currency: str | None = None
    others: list[str] = field(default_factory=list)
    listed: Mapping[Path, Column] = field(default_factory=dict)

    def fields(self) -> dict[str, str]:
        """The expressions by field, for a rule."""
        found = {name: each[0].expression for name, each in self.choices.items()} | self.tiers
        return found | ({CURRENCY_FIELD: self.stated_currency} if self.stated_currency and found else {})


@dataclass(frozen=True)
class Priced:
    """A column of prices, with the meaning of its name."""

    column: Column
    name: PriceName
    score: float

    @property
    def group(self) -> Path:
        """The path of the object that holds all prices of the model."""
        return self.column.path[: self.name.own]

    @cached_property
    def amounts(self) -> dict[int, float]:
        """Amounts above zero by item."""
        numbers = ((owner, number(value)) for owner, value in self.column.by_owner.items())
        return {owner: amount for owner, amount in numbers if amount is not None and amount > 0}


@dataclass(frozen=True)
class MainPrices:
    """The group of the input and the output price, with their unit."""

    group: Path
    unit: Unit | None
    sides: Mapping[str, Priced]
    choices: Mapping[str, list[PriceChoice]]

    @property
    def first(self) -> Column:
        """The input price, or else the output price."""
        return next(iter(self.sides.values())).column


def beside(column: Column, columns: dict[Path, Column], kind: str, levels: int) -> Column | None:
    """The texts that name the prices' unit or currency, in the same object or an enclosing one.

    A unit may also be a whole number of tokens (`"per": 1000`), which a rule reads as a text.
    """
    table = read_table("fields.toml")["price"]
    around = [column.path[:-1][: len(column.path) - 1 - level] for level in range(min(levels, len(column.path)))]
    # If the name states the thing counted, a kind adds nothing.
    kinds = table["kind_keys"] if kind == "unit_keys" and not _says_unit(column) else ()
    for parent in around:
        for other in columns.values():
            if other.path[:-1] != parent:
                if kind == "currency_keys" and other.path[:-2] == parent and _is_currencys_code(other):
                    return _texts(other)
                continue
            if (other.leaf in table[kind] or _names_units(other, kinds)) and other.share(str) > 0.9:
                return _texts(other)
            if kind == "unit_keys" and is_count(other) and other.share(int) == 1:
                lookup = f"to_string({other.expression})"
                return Column(other.path, [str(value) for value in other.values], other.owners, lookup)
            if kind == "currency_keys" and other.leaf in table["sign_keys"] and is_about_money(parent):
                return _texts(other)
    return None


def is_count(column: Column) -> bool:
    """Whether a number is the count of units that an amount is for."""
    table = read_table("fields.toml")["price"]
    is_own = column.leaf in table["own_count_keys"] and is_about_money(column.path[:-1])
    return is_own or column.leaf in table["count_keys"]


def _texts(column: Column) -> Column:
    texts = {owner: text for owner, text in column.by_owner.items() if isinstance(text, str)}
    return Column(column.path, [*texts.values()], [*texts], column.lookup)


def _is_currencys_code(column: Column) -> bool:
    table = read_table("fields.toml")["price"]
    return column.parent in table["currency_keys"] and column.leaf in table["code_keys"] and column.share(str) > 0.9


def _says_unit(column: Column) -> bool:
    words = price_name(column.path).words
    return counted_of(words) is not None or scale_of(words) is not None


def _names_units(column: Column, kinds: Container[str]) -> bool:
    """Whether a price's kind is its unit, such as `characters_1m`, not the kind of its model."""
    if column.leaf not in kinds or not is_about_money(column.path):
        return False
    modalities = read_table("fields.toml")["modality"]["values"]
    texts = {text for text in column.values if isinstance(text, str)}
    return not texts & {*modalities} and any(is_unit(text) for text in texts)


class ReadTexts(NamedTuple):
    """Columns, with amounts in place of texts that name their currency.

    Attributes:
        columns: The columns by path.
        code: The ISO 4217 code of the texts, if they name one other than USD.
        unknown: The codes, if they name several.
    """

    columns: dict[Path, Column]
    code: str | None = None
    unknown: Iterable[str] = ()


def amounts_in_texts(columns: dict[Path, Column]) -> ReadTexts:
    """The columns with the amounts of texts such as `2.50 EUR`, as long as all name one currency."""
    found: dict[Path, Column] = {}
    codes: set[str] = set()
    for path, column in columns.items():
        money = [money_in(value) for value in column.values if isinstance(value, str) and value]
        named = {each.currency for each in money if each is not None} - {DOLLAR, USD}
        if named and None not in money:
            codes |= named
            texts = [each.text if (each := money_in(value)) else value for value in column.values]
            found[path] = Column(path, texts, column.owners, column.lookup)
    if len(codes) > 1:
        return ReadTexts(columns, None, sorted(codes))
    return ReadTexts(columns | found, *codes) if codes else ReadTexts(columns)


def stated_currency(column: Column, columns: dict[Path, Column]) -> Column | None:
    """The texts that name a price's currency: the nearest enclosing ones, else the item's only ones."""
    nearest = beside(column, columns, "currency_keys", levels=len(column.path))
    if nearest is not None:
        return nearest
    keys = read_table("fields.toml")["price"]["currency_keys"]
    others = [other for other in columns.values() if other.leaf in keys and not other.lookup and other.share(str) == 1]
    is_sure = len(others) == 1 and all(currency_code(text) for text in others[0].values)
    return _texts(others[0]) if is_sure else None


class PricesCurrency(NamedTuple):
    """The currency of prices by their own names and units.

    Attributes:
        priced: The prices in it.
        code: ISO 4217; None if none is stated, which may mean USD.
        unknown: The text stated in place of a single known currency.
    """

    priced: list[Priced]
    code: str | None = None
    unknown: Iterable[str] = ()


def prices_currency(
    priced: list[Priced], units: Iterable[Column], columns: dict[Path, Column], around: str | None
) -> PricesCurrency:
    """The currency of prices by their own names, else by their units.

    Args:
        priced: The prices of known components.
        units: Further prices, whose components only their units explain.
        columns: The columns of the items.
        around: The answer's text that names the unit of all models' prices.
    """
    priced, code = _by_names(priced)
    sides = [one.column for one in priced if not set(one.name.components).isdisjoint(_SIDES)]
    held = [*sides, *units]
    if code is not None or any(stated_currency(column, columns) is not None for column in held[:1]):
        return PricesCurrency(priced, code)
    named = (beside(column, columns, "unit_keys", levels=2) for column in held)
    texts = {text for column in named if column is not None for text in column.values} | ({around} - {None})
    codes = {currency_in_unit(text) for text in texts if text is not None}
    if codes <= {USD}:
        return PricesCurrency(priced)
    code = currency_code(min(codes)) if len(codes) == 1 else None
    return PricesCurrency(priced, code, () if code else sorted(codes))


def _by_names(priced: list[Priced]) -> tuple[list[Priced], str | None]:
    """The prices of one currency if names distinguish several (`usd`, `cny`); USD if it is among them."""
    named = {one.name.currency for one in priced if one.name.currency}
    if not named or USD in named:
        return [one for one in priced if one.name.currency in (None, USD)], None
    plain = [one for one in priced if one.name.currency is None and not set(one.name.components).isdisjoint(_SIDES)]
    if plain or len(named) > 1:
        return [one for one in priced if one.name.currency is None], None
    return priced, named.pop()


def text_around(answer: Any, listing: Path, kind: str) -> str | None:
    """The text of a unit or currency beside or around an answer's listing, if any."""
    keys = read_table("fields.toml")["price"][kind]
    node = answer
    for key in (*listing, None):
        if not isinstance(node, dict):
            return None
        inside = [value for name, value in node.items() if name != key and isinstance(value, dict) and _is_around(name)]
        for text in (_text_in(held, keys) for held in (node, *inside)):
            if text is not None:
                return text
        node = node.get(key)
    return None


def _is_around(name: str) -> bool:
    return snake(name) in read_table("fields.toml")["price"]["around"] or is_about_money((name,))


def _text_in(node: Mapping[str, Any], keys: Container[str]) -> str | None:
    texts = (value.strip() for name, value in node.items() if isinstance(value, str) and snake(name) in keys)
    return next(filter(None, texts), None)
