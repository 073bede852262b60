"""What is known of the prices of a listing while a rule is written: columns with their names, groups, and choices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provider_pipeline.rules.generation.price_words import PriceName
from provider_pipeline.rules.generation.shape import Column
from provider_pipeline.rules.language import Path
from provider_pipeline.rules.prices import CURRENCY_FIELD
from provider_pipeline.rules.values import Unit, number


@dataclass(frozen=True)
class PriceChoice:
    """A path that could be a price; `why` says what its unit was inferred from, `column` has the amounts."""

    expression: str
    score: float
    fill: float
    unit: Unit
    why: str
    column: Column

    @property
    def written_unit(self) -> Any:
        """The unit as a rule document has it."""
        return self.unit if isinstance(self.unit, str) else self.unit.model_dump()

    def repeats(self, other: "PriceChoice") -> bool:
        """Whether it says nothing else than another one."""
        amounts = other.column.by_owner
        return self.unit == other.unit and all(
            math.isclose(number(value) or 0, number(amounts.get(owner)) or 0, rel_tol=1e-6)
            for owner, value in self.column.by_owner.items()
        )

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
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
        choices: The paths that could be each price, by the rule's field, the best first.
        tiers: Expressions by field.
        stated_currency: JMESPath to the text that names the currency of an item's prices.
        currency: The currency of all prices, if the answer names one around its items, or the prices' names do.
        others: Currencies other than USD in which prices are, as the listing writes them.
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
    """A column of prices, with what its name says."""

    column: Column
    name: PriceName
    score: float

    @property
    def group(self) -> Path:
        """The path of what is around all prices of the model."""
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
        """The input price, or the output price if there is no other."""
        return next(iter(self.sides.values())).column
