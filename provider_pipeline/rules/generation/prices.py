"""Which paths are the token prices.

Here: price paths from the words in them. Not here: their unit (`price_units.py`) and conversion (`../units.py`).
The words are data (`data/fields.toml`).
"""

import math
from dataclasses import dataclass
from typing import Any

from provider_pipeline.rules.generation.price_units import infer_unit
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.units import Unit, UnitByRow, number


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
    money = set(words) & set(table["money"]) or ("per" in words and set(words) & set(table["scales"]))
    if not money or not set(words) & wanted:
        return 0
    if set(words) & (set(table["others"]) | unwanted):
        return 0
    numbers = [amount for value in column.values if (amount := number(value)) is not None]
    if len(numbers) < 0.7 * len(column.values) or not numbers:
        return 0
    extra = sum(word not in wanted and word not in table["neutral"] for word in words)
    return math.sqrt(shape.fill(column)) * 0.9 ** (len(column.path) - 1) * 0.8**extra
