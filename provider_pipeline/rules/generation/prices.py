"""Find price fields and infer their units."""

import math
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Path, Shape, snake, squashed, words_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.values import Unit, UnitByRow, number, unit_factors

_NUMBER = re.compile(r"\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
_TYPICAL: Final = 0.6
"""A middling price of a million tokens, in USD."""
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
"""Units of whole numbers whose scale is named: integers are used to avoid fractions of a dollar."""
_ZEROS: Final = ("0", "0.0", "0.00", "0.000000")
_SCALE_WORDS: Final = (
    ("million", ({"million"}, {"1m"}, {"mtok"}, {"per", "m"}, {"m", "tokens"}, {"1000000"}, {"mtokens"}, {"millions"})),
    ("thousand", ({"thousand"}, {"1k"}, {"per", "k"}, {"k", "tokens"}, {"1000"}, {"ktok"}, {"ktokens"})),
    ("token", ({"per", "token"},)),
)


@dataclass(frozen=True)
class PriceChoice:
    """A path that could be a token price; `why` says what its unit was inferred from."""

    expression: str
    score: float
    fill: float
    unit: Unit
    why: str

    @property
    def written_unit(self) -> Any:
        """The unit as a rule document has it."""
        return self.unit.model_dump() if isinstance(self.unit, UnitByRow) else self.unit

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "unit": self.written_unit,
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
        found[side] = []
        for score, column in scored[:6]:
            partners = [theirs for _, theirs in other if theirs.path[:-1] == column.path[:-1]]
            unit, why = _infer_unit(column, partners, shape)
            if unit is not None:
                found[side].append(PriceChoice(column.expression, score, shape.fill(column), unit, why))
    return found


def foreign_currency(sample: Any, listing: Path) -> str | None:
    """The currency other than USD that an answer names beside or around its listing, if any."""
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


def _infer_unit(column: Column, partners: list[Column], shape: Shape) -> tuple[Unit | None, str]:
    """The unit of a price: named in each row or by the words of the path, or guessed from the magnitude.

    The partners are prices of the other direction beside it. The unit is None if these are not token prices in USD; the
    text says what it was inferred from.
    """
    columns = [column, *partners[:1]]
    currency = _beside(column, shape, "currency_keys", levels=len(column.path))
    if currency is not None:
        known = set(read_table("fields.toml")["price"]["usd"])
        usd = {text for text in currency.values if text.strip().lower() in known}
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
    unit, why = _one_unit(columns)
    return (unit, why) if unit or _positive(columns) else (_only_zero(column.expression), why)


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
        return None, "no price above zero"
    unit = _unit_by_magnitude(amounts, _BY_MAGNITUDE)
    return unit, "the magnitude of the prices" if unit else "no plausible unit"


def _only_zero(expression: str) -> UnitByRow:
    """The unit of prices that are all zero: a later price above zero is unknown, not off by a million."""
    return UnitByRow(by=f"to_string({expression})", values=dict.fromkeys(_ZEROS, "usd_per_million_tokens"))


def _beside(column: Column, shape: Shape, kind: str, levels: int) -> Column | None:
    """The texts that name the prices' unit or currency, in the same object or in one around it."""
    keys = set(read_table("fields.toml")["price"][kind])
    around = [column.path[:-1][: len(column.path) - 1 - level] for level in range(min(levels, len(column.path)))]
    for parent in around:
        for other in shape.columns.values():
            if other.path[:-1] == parent and other.leaf in keys and other.share(str) > 0.9:
                texts = {owner: text for owner, text in other.by_owner.items() if isinstance(text, str)}
                return Column(other.path, [*texts.values()], [*texts], other.lookup)
    return None


def _rows_where(column: Column, texts: Column, wanted: Container[str]) -> Column:
    """The column's values in those rows whose text is a wanted one."""
    held = texts.by_owner
    rows = {owner: value for owner, value in column.by_owner.items() if held.get(owner) in wanted}
    return Column(column.path, [*rows.values()], [*rows])


def _unit_by_row(columns: list[Column], named: Column) -> UnitByRow | None:
    values: dict[str, str] = {}
    for text in sorted({text for text in named.values if text}):
        rows = [_rows_where(one, named, {text}) for one in columns]
        unit = _unit_by_text(text, _positive(rows), columns[0].words)
        if unit is not None:
            values[text] = unit
    return UnitByRow(by=named.expression, values=values) if values else None


def _counts_no_tokens(text: str) -> bool:
    plain = squashed(text)
    return any(word in plain for word in read_table("fields.toml")["price"]["not_tokens"])


def _unit_by_text(text: str, amounts: list[float], words: tuple[str, ...]) -> str | None:
    if _counts_no_tokens(text):
        return None
    plain = squashed(text)
    unit = next((name for name, entry in read_table("units.toml")["unit"].items() if plain in entry["text"]), None)
    if unit is None and (scale := _scale_of(words_of(text))):
        unit = _unit_name("usd", scale)
    if unit is not None and {"pennies", "cents"} & {*words, *words_of(text)}:
        unit = unit.replace("usd_", "cents_")
    if unit in unit_factors() and (not amounts or _is_plausible(amounts, str(unit))):
        return unit
    if unit is None and "token" not in plain:
        return None
    return _unit_by_magnitude(amounts, _BY_MAGNITUDE) if amounts else unit


def _scale_of(words: tuple[str, ...]) -> str | None:
    held = set(words)
    return next((name for name, rows in _SCALE_WORDS if any(needed <= held for needed in rows)), None)


def _unit_name(money: str, scale: str) -> str:
    return f"{money}_per_token" if scale == "token" else f"{money}_per_{scale}_tokens"


def _unit_of_scale(scale: str, words: tuple[str, ...], amounts: list[float]) -> str | None:
    unit = _unit_name("cents" if {"pennies", "cents", "cent"} & set(words) else "usd", scale)
    if not amounts or _is_plausible(amounts, unit):
        return unit
    whole = all(amount == int(amount) for amount in amounts)
    return _unit_by_magnitude(amounts, _FRACTIONS[scale]) if whole else None


def _value_words(column: Column) -> tuple[str, ...]:
    """The words after the number in prices written as texts, if all have the same."""
    found = {words_of(_NUMBER.sub("", value, count=1)) for value in column.values if isinstance(value, str)}
    return found.pop() if len(found) == 1 else ()


def _positive(columns: list[Column]) -> list[float]:
    return [amount for one in columns for value in one.values if (amount := number(value)) is not None and amount > 0]


def _is_plausible(amounts: list[float], unit: str) -> bool:
    return _PLAUSIBLE[0] <= _median(amounts) * unit_factors()[unit] <= _PLAUSIBLE[1]


def _unit_by_magnitude(amounts: list[float], units: tuple[str, ...]) -> str | None:
    median = _median(amounts)
    unit = min(units, key=lambda name: abs(math.log10(median * unit_factors()[name] / _TYPICAL)))
    return unit if _is_plausible(amounts, unit) else None


def _median(amounts: list[float]) -> float:
    ordered = sorted(amounts)
    return ordered[len(ordered) // 2]
