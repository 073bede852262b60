"""Which paths are the token prices, and in which unit they are.

Here: price paths from the words in them, and the unit from words, from a text each row holds, and from magnitudes.
Not here: converting a price (`units.py`). The words are data (`data/fields.toml`, `data/units.toml`).
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.generation.words import squashed
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.units import Unit, UnitByRow, number, unit_factors

_TYPICAL: Final = 0.6
"""About the middle of what a million tokens cost, in USD."""
_PLAUSIBLE: Final = (0.0005, 600.0)
_BY_MAGNITUDE: Final = (
    "usd_per_token",
    "usd_per_thousand_tokens",
    "usd_per_million_tokens",
    "cents_per_100_million_tokens",
)
_SCALE_WORDS: Final = (
    ("million", ({"million"}, {"1m"}, {"mtok"}, {"per", "m"}, {"1000000"}, {"mtokens"})),
    ("thousand", ({"thousand"}, {"1k"}, {"per", "k"}, {"1000"}, {"ktok"})),
    ("token", ({"per", "token"},)),
)


@dataclass(frozen=True)
class PriceChoice:
    """A path that could be a token price.

    Args:
        expression: JMESPath on the item.
        score: Higher is likelier.
        fill: The share of the items that have a value.
        unit: The unit of its values.
        why: What the unit was inferred from.
        column: The values.
    """

    expression: str
    score: float
    fill: float
    unit: Unit
    why: str
    column: Column

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        unit = self.unit.model_dump() if isinstance(self.unit, UnitByRow) else self.unit
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "unit": unit,
            "unit_from": self.why,
        }


def price_choices(shape: Shape) -> dict[str, list[PriceChoice]]:
    """The paths that could be the input and the output price, the best first; both sides share one unit."""
    sides: dict[str, list[tuple[float, Column]]] = {"input_price": [], "output_price": []}
    for column in shape.columns.values():
        for side, scored in sides.items():
            score = _score(column, shape, side)
            if score > 0:
                scored.append((score, column))
    found: dict[str, list[PriceChoice]] = {}
    for side, scored in sides.items():
        scored.sort(key=lambda entry: (-entry[0], entry[1].path))
        other = sides["output_price" if side == "input_price" else "input_price"]
        chosen = []
        for score, column in scored[:6]:
            partners = [theirs for _, theirs in other if theirs.path[:-1] == column.path[:-1]]
            unit, why = infer_unit(column, partners, shape)
            if unit is not None:
                chosen.append(PriceChoice(column.expression, score, shape.fill(column), unit, why, column))
        found[side] = chosen
    return found


def _score(column: Column, shape: Shape, side: str) -> float:
    words = column.words
    table = read_table("fields.toml")["price"]
    wanted = set(table["input" if side == "input_price" else "output"])
    unwanted = set(table["output" if side == "input_price" else "input"]) - set(table["neutral"])
    if not set(words) & set(table["money"]) or not set(words) & wanted:
        return 0
    if set(words) & (set(table["others"]) | unwanted):
        return 0
    numbers = [amount for value in column.values if (amount := number(value)) is not None]
    if len(numbers) < 0.7 * len(column.values) or not numbers:
        return 0
    extra = sum(word not in wanted and word not in table["neutral"] for word in words)
    return math.sqrt(shape.fill(column)) * 0.9 ** (len(column.path) - 1) * 0.8**extra


def infer_unit(column: Column, partners: list[Column], shape: Shape) -> tuple[Unit | None, str]:
    """The unit of a price: named by each row, by the words of the path, or told by the magnitude of the values."""
    named = _unit_column(column, shape)
    columns = [column, *partners[:1]]
    if named is not None:
        by_row = _unit_by_row(columns, named)
        if by_row is not None:
            return by_row, f"the text at {named.expression}"
    amounts = _positive(columns)
    unit = _unit_by_words(column.words)
    if unit is not None and (not amounts or _is_plausible(amounts, unit)):
        return unit, "the words in the path"
    if not amounts:
        return "usd_per_million_tokens", "no price above zero"
    unit = _unit_by_magnitude(amounts)
    return unit, "the magnitude of the prices" if unit else "no plausible unit"


def _unit_column(column: Column, shape: Shape) -> Column | None:
    keys = set(read_table("fields.toml")["price"]["unit_keys"])
    for other in shape.columns.values():
        near = other.path[:-1] == column.path[:-1] or other.path[:-1] == column.path[:-2]
        if near and other.leaf in keys and other.share(str) > 0.9:
            return other
    return None


def _unit_by_row(columns: list[Column], named: Column) -> UnitByRow | None:
    texts = dict(zip(named.owners, named.values, strict=True))
    values: dict[str, str] = {}
    for text, _ in sorted(Counter(text for text in named.values if text).items()):
        rows = [
            Column(
                one.path,
                [value for owner, value in zip(one.owners, one.values, strict=True) if texts.get(owner) == text],
            )
            for one in columns
        ]
        unit = _unit_by_text(text, _positive(rows), columns[0].words)
        if unit is not None:
            values[text] = unit
    return UnitByRow(by=named.expression, values=values) if values else None


def _unit_by_text(text: str, amounts: list[float], words: tuple[str, ...]) -> str | None:
    plain = squashed(text)
    if any(word in plain for word in read_table("fields.toml")["price"]["not_tokens"]):
        return None
    scale = next((name for name, entry in read_table("units.toml")["unit"].items() if plain in entry["text"]), None)
    if scale is not None and {"pennies", "cents"} & set(words):
        scale = scale.replace("usd_", "cents_")
    if scale in unit_factors() and (not amounts or _is_plausible(amounts, str(scale))):
        return scale
    if scale is None and "token" not in plain:
        return None
    return _unit_by_magnitude(amounts) if amounts else scale


def _unit_by_words(words: tuple[str, ...]) -> str | None:
    held = set(words)
    money = "cents" if {"pennies", "cents"} & held else "usd"
    for scale, alternatives in _SCALE_WORDS:
        if any(needed <= held for needed in alternatives):
            return f"{money}_per_token" if scale == "token" else f"{money}_per_{scale}_tokens"
    return None


def _positive(columns: list[Column]) -> list[float]:
    return [amount for one in columns for value in one.values if (amount := number(value)) is not None and amount > 0]


def _is_plausible(amounts: list[float], unit: str) -> bool:
    return _PLAUSIBLE[0] <= _middle(amounts) * unit_factors()[unit] <= _PLAUSIBLE[1]


def _unit_by_magnitude(amounts: list[float]) -> str | None:
    middle = _middle(amounts)
    distances = {unit: abs(math.log10(middle * unit_factors()[unit] / _TYPICAL)) for unit in _BY_MAGNITUDE}
    unit = min(_BY_MAGNITUDE, key=lambda name: distances[name])
    return unit if _is_plausible(amounts, unit) else None


def _middle(amounts: list[float]) -> float:
    ordered = sorted(amounts)
    return ordered[len(ordered) // 2]
