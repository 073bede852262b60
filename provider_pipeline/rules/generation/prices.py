"""Find price fields and infer their units."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Path, Shape, snake, squashed, words_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.values import Unit, UnitByRow, number, unit_factors


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


_NUMBER = re.compile(r"\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
_TYPICAL: Final = 0.6
"""About the middle of what a million tokens cost, in USD."""
_PLAUSIBLE: Final = (0.0005, 600.0)
_BY_MAGNITUDE: Final = (
    "usd_per_token",
    "usd_per_thousand_tokens",
    "usd_per_million_tokens",
    "cents_per_100_million_tokens",
)
_FRACTIONS: Final = {
    "token": ("cents_per_token", "micro_usd_per_token", "nano_usd_per_token"),
    "thousand": ("cents_per_thousand_tokens", "milli_usd_per_thousand_tokens", "micro_usd_per_thousand_tokens"),
    "million": ("cents_per_million_tokens", "cents_per_100_million_tokens", "micro_usd_per_million_tokens"),
}
"""What whole numbers count where the words name the amount of tokens: integers avoid fractions of a dollar."""
_SCALE_WORDS: Final = (
    ("million", ({"million"}, {"1m"}, {"mtok"}, {"per", "m"}, {"m", "tokens"}, {"1000000"}, {"mtokens"}, {"millions"})),
    ("thousand", ({"thousand"}, {"1k"}, {"per", "k"}, {"k", "tokens"}, {"1000"}, {"ktok"}, {"ktokens"})),
    ("token", ({"per", "token"},)),
)


def infer_unit(column: Column, partners: list[Column], shape: Shape) -> tuple[Unit | None, str]:
    """The unit of a price: named by each row, by the words of the path, or told by the magnitude of the values.

    Args:
        column: The prices.
        partners: Prices beside them, of the other direction.
        shape: The shape of the items, for texts beside the prices.

    Returns:
        The unit, None where the prices are no token prices in USD, and what tells so.
    """
    columns = [column, *partners[:1]]
    currency = _beside(column, shape, "currency_keys", levels=len(column.path))
    if currency is not None:
        usd = _usd_texts(currency)
        if not usd:
            return None, f"the currency at {currency.expression} is not USD"
        if any(text not in usd for text in currency.values):
            unit, why = _one_unit([_rows_where(one, currency, usd) for one in columns])
            if unit is None:
                return None, why
            values = dict.fromkeys(sorted(usd), unit)
            return UnitByRow(by=currency.expression, values=values), f"{why}, where {currency.expression} is USD"
    named = _beside(column, shape, "unit_keys", levels=2)
    if named is not None:
        by_row = _unit_by_row(columns, named)
        if by_row is not None:
            return by_row, f"the text at {named.expression}"
        if all(_counts_no_tokens(text) for text in named.values):
            return None, f"the text at {named.expression} speaks of no tokens"
    return _one_unit(columns)


def billed_otherwise(sample: Any, listing: Path) -> str | None:
    """The currency that an answer names beside or around its listing, where it is not USD."""
    table = read_table("fields.toml")["price"]
    node = sample
    for key in (*listing, None):
        if not isinstance(node, dict):
            return None
        for name, value in node.items():
            if snake(name) in table["currency_keys"] and isinstance(value, str):
                return None if value.strip().lower() in table["usd"] else value
        node = node.get(key)
    return None


def _usd_texts(currency: Column) -> set[str]:
    known = set(read_table("fields.toml")["price"]["usd"])
    return {text for text in currency.values if isinstance(text, str) and text.strip().lower() in known}


def _one_unit(columns: list[Column]) -> tuple[str | None, str]:
    amounts = _positive(columns)
    for words, why in (
        (columns[0].words, "the words in the path"),
        (_value_words(columns[0]), "the words of the values"),
    ):
        scale = _scale_of(words)
        unit = _unit_of_scale(scale, words, amounts) if scale else None
        if unit is not None:
            return unit, why
    if not amounts:
        return "usd_per_million_tokens", "no price above zero"
    unit = _unit_by_magnitude(amounts, _BY_MAGNITUDE)
    return unit, "the magnitude of the prices" if unit else "no plausible unit"


def _beside(column: Column, shape: Shape, kind: str, levels: int) -> Column | None:
    """The texts beside the prices, or in an object around them, that say what they count."""
    keys = set(read_table("fields.toml")["price"][kind])
    around = [column.path[:-1][: len(column.path) - 1 - level] for level in range(min(levels, len(column.path)))]
    for parent in around:
        for other in shape.columns.values():
            if other.path[:-1] == parent and other.leaf in keys and other.share(str) > 0.9:
                return _texts(other)
    return None


def _texts(column: Column) -> Column:
    pairs = [pair for pair in zip(column.owners, column.values, strict=True) if isinstance(pair[1], str)]
    return Column(column.path, [value for _, value in pairs], [owner for owner, _ in pairs], column.lookup)


def _rows_where(column: Column, texts: Column, wanted: set[str]) -> Column:
    held = dict(zip(texts.owners, texts.values, strict=True))
    pairs = [pair for pair in zip(column.owners, column.values, strict=True) if held.get(pair[0]) in wanted]
    return Column(column.path, [value for _, value in pairs], [owner for owner, _ in pairs])


def _unit_by_row(columns: list[Column], named: Column) -> UnitByRow | None:
    values: dict[str, str] = {}
    for text, _ in sorted(Counter(text for text in named.values if isinstance(text, str) and text).items()):
        rows = [_rows_where(one, named, {text}) for one in columns]
        unit = _unit_by_text(text, _positive(rows), columns[0].words)
        if unit is not None:
            values[text] = unit
    return UnitByRow(by=named.expression, values=values) if values else None


def _counts_no_tokens(text: object) -> bool:
    plain = squashed(str(text))
    return any(word in plain for word in read_table("fields.toml")["price"]["not_tokens"])


def _unit_by_text(text: str, amounts: list[float], words: tuple[str, ...]) -> str | None:
    if _counts_no_tokens(text):
        return None
    plain = squashed(text)
    scale = next((name for name, entry in read_table("units.toml")["unit"].items() if plain in entry["text"]), None)
    if scale is None and (amount := _scale_of(words_of(text))):
        scale = f"usd_per_{amount}" if amount == "token" else f"usd_per_{amount}_tokens"
    if scale is not None and {"pennies", "cents"} & {*words, *words_of(text)}:
        scale = scale.replace("usd_", "cents_")
    if scale in unit_factors() and (not amounts or _is_plausible(amounts, str(scale))):
        return scale
    if scale is None and "token" not in plain:
        return None
    return _unit_by_magnitude(amounts, _BY_MAGNITUDE) if amounts else scale


def _scale_of(words: tuple[str, ...]) -> str | None:
    held = set(words)
    return next((name for name, rows in _SCALE_WORDS if any(needed <= held for needed in rows)), None)


def _unit_of_scale(scale: str, words: tuple[str, ...], amounts: list[float]) -> str | None:
    money = "cents" if {"pennies", "cents", "cent"} & set(words) else "usd"
    unit = f"{money}_per_token" if scale == "token" else f"{money}_per_{scale}_tokens"
    if not amounts or _is_plausible(amounts, unit):
        return unit
    whole = all(amount == int(amount) for amount in amounts)
    return _unit_by_magnitude(amounts, _FRACTIONS[scale]) if whole else None


def _value_words(column: Column) -> tuple[str, ...]:
    """The words after the number in prices that are texts, where all of them have the same."""
    told = {words_of(_NUMBER.sub("", value, count=1)) for value in column.values if isinstance(value, str)}
    return told.pop() if len(told) == 1 else ()


def _positive(columns: list[Column]) -> list[float]:
    return [amount for one in columns for value in one.values if (amount := number(value)) is not None and amount > 0]


def _is_plausible(amounts: list[float], unit: str) -> bool:
    return _PLAUSIBLE[0] <= _middle(amounts) * unit_factors()[unit] <= _PLAUSIBLE[1]


def _unit_by_magnitude(amounts: list[float], units: tuple[str, ...]) -> str | None:
    middle = _middle(amounts)
    distances = {unit: abs(math.log10(middle * unit_factors()[unit] / _TYPICAL)) for unit in units}
    unit = min(units, key=lambda name: distances[name])
    return unit if _is_plausible(amounts, unit) else None


def _middle(amounts: list[float]) -> float:
    ordered = sorted(amounts)
    return ordered[len(ordered) // 2]
