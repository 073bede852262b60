"""Infer the units of prices: from texts beside them, from the words of their names, or from their magnitude."""

import math
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final

from provider_pipeline.rules.generation.price_words import (
    components_of,
    counted_of,
    is_other_unit,
    meaning_with,
    money_of,
    price_name,
    scale_of,
    time_of,
    unit_text,
)
from provider_pipeline.rules.generation.shape import Column
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import squashed, words_of
from provider_pipeline.rules.prices import TOKENS, USD, usual_unit
from provider_pipeline.rules.values import Unit, UnitByRow, number, unit_factors, unit_scales

_NUMBER = re.compile(r"\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
_TYPICAL: Final = 0.6
"""A typical median price of a million tokens, in USD."""
_PLAUSIBLE: Final = (0.0005, 600.0)
_LIKELY: Final = (0.005, 120.0)
"""Range of the median price of a million tokens, in USD, where only the magnitude indicates the unit."""
_POSSIBLE: Final = (0.004, 700.0)
"""The lowest and the highest plausible price of a million tokens, in USD."""
_DEAR: Final = 60.0
_CLEAR: Final = 1.2
_CLEAR_OF_A_THOUSAND: Final = 2.0
"""Powers of ten by which a unit must fit a magnitude better than any other possible unit: a price per thousand tokens
is usually stated as such."""
_SEVERAL: Final = 6
"""With at least this many prices, a median above `_LIKELY` refutes a unit."""
_ZEROS: Final = ("0", "0.0", "0.00", "0.000000")
_OF_TOKENS: Final = ("usd_per_token", "usd_per_million_tokens")
"""Candidate units if a name mentions tokens but no thousand."""
_BY_MAGNITUDE: Final = ("usd_per_token", "usd_per_thousand_tokens", "usd_per_million_tokens")
_HUNDRED_MILLIONS: Final = "cents_per_100_million_tokens"
_RATE: Final = {"rate", "rates"}
_OF_WHOLE_TOKENS: Final = (_HUNDRED_MILLIONS, "cents_per_million_tokens")
_FRACTIONS: Final = {
    "token": ("cents_per_token", "micro_usd_per_token", "nano_usd_per_token"),
    "thousand": ("cents_per_thousand_tokens", "milli_usd_per_thousand_tokens", "micro_usd_per_thousand_tokens"),
    "million": ("cents_per_million_tokens", "cents_per_100_million_tokens", "micro_usd_per_million_tokens"),
    "billion": (),
}
"""Units of whole amounts with a named scale: integers avoid fractions of a dollar."""
_MIN_WHOLE: Final = 100
_ONLY_OF_A_TOKEN: Final = 1e-5
"""Below this, in USD, an amount must be per token: it is too small for a thousand tokens or an image."""

_COUNTED_BY: Final = {
    "image": "image",
    "time": "second",
    "character": "million_characters",
    "request": "thousand_requests",
    "page": "page",
}
"""Stored units by the thing counted."""

Columns = Iterable[Column]


def token_unit(
    columns: list[Column], named: Column | None, currency: str | None, around: str | None = None
) -> tuple[Unit | None, str]:
    """The unit of token prices, and the evidence for it.

    Args:
        columns: The input price, and the output price beside it, if any; they are judged together.
        named: Texts beside the prices that name their unit.
        currency: The prices' currency, if known.
        around: The answer's text that names the unit of all models' prices.
    """
    value_words = _value_words(columns[0])
    if (worth := currency_worth(currency)) != 1:
        columns = [_divided(column, worth) for column in columns]
    if named is not None:
        by_row = _unit_by_row(columns, named)
        if by_row is not None:
            return by_row, f"the text at {named.expression}"
        if all(map(is_other_unit, named.values)):
            return None, f"the text at {named.expression} speaks of no known number of tokens"
    amounts = positive(columns)
    if named is None and around is not None:
        return _unit_by_text(around, amounts, columns[0].words), "the text around the models"
    for words, why in (
        (columns[0].words, "the words in the path"),
        (value_words, "the words of the values"),
    ):
        scale = scale_of(words)
        unit = _unit_of_scale(scale, words, amounts) if scale else None
        if scale:
            return unit, why
    if not amounts:
        return _only_zero(columns[0].expression), "no price above zero"
    # One side alone is ambiguous: embeddings at 0.02 per million look like images at 0.02 each. An amount so small
    # that it can only be per token is an exception.
    paired = len(columns) > 1 and all(positive([column]) for column in columns)
    is_certain = paired or max(amounts) < _ONLY_OF_A_TOKEN
    return (_likely_unit(amounts, columns[0].words) if is_certain else None), "the magnitude of the prices"


def _only_zero(expression: str) -> UnitByRow:
    """The unit of prices that are all zero: a later price above zero is unknown, not off by a million."""
    return UnitByRow(by=f"to_string({expression})", values=dict.fromkeys(_ZEROS, "usd_per_million_tokens"))


def currency_worth(currency: str | None) -> float:
    """Rough exchange rate to the dollar, only to judge plausibility; no price is converted."""
    most = float(read_table("prices.toml")["known_currency"].get(currency or USD, 1))
    return 1.0 if most == 1 else 0.7 * most


def _divided(column: Column, worth: float) -> Column:
    amounts = [value if (amount := number(value)) is None else amount / worth for value in column.values]
    return Column(column.path, amounts, column.owners, column.lookup)


def own_token_unit(column: Column, named: Column | None, shared: Unit | None, like: Column | None) -> Unit | None:
    """The unit of another token price: from its own texts or words, else the unit of the price beside it.

    Args:
        column: The price.
        named: The texts that name its unit.
        shared: The unit of the price beside it.
        like: The price beside it.
    """
    if named is not None:
        by_row = _unit_by_row([column], named)
        if by_row is not None or all(map(is_other_unit, named.values)):
            return by_row
    words = price_name(column.path).words
    scale, money = scale_of(words), money_of(words)
    if scale is None:
        return shared if money is None else _with_money(shared, money)
    if money is None and like is not None and scale == scale_of(like.words):
        return shared
    unit = _known(f"{money or 'usd'}_per_{_scale_name(scale)}")
    amounts = positive([column])
    return unit if unit is not None and (not amounts or is_plausible(amounts, unit)) else None


def _with_money(shared: Unit | None, money: str) -> str | None:
    return _known(f"{money}_per_{_scale_part(shared)}") if isinstance(shared, str) else None


def counted_unit(column: Column, per: str, named: Column | None, shared: Unit | None) -> Unit | None:
    """The unit of a price of images, seconds, requests ...: of a single one unless its words state a number.

    An item uses one unit of money: that of the token prices beside it.
    """
    name = price_name(column.path)
    if named is not None:
        values = {
            text: unit
            for text in sorted({text for text in named.values if isinstance(text, str)})
            if (unit := _counted_by_text(text, name.words, per)) is not None
        }
        return UnitByRow(by=named.expression, values=values) if values else None
    return _counted(per, name.words, money_of(column.words) or _money_part(shared), shared)


def _counted_by_text(text: str, words: Sequence[str], per: str) -> str | None:
    text = unit_text(text)
    plain, money = squashed(text), money_of([*words, *words_of(text)])
    for name, entry in read_table("units.toml")["unit"].items():
        if plain in entry["text"] and entry["per"] == per:
            return name if money is None else _known(name.replace("usd_", f"{money}_", 1))
    named = ("per", *words_of(text))
    if (counted := counted_of(named)) in _COUNTED_BY and _COUNTED_BY[counted] == per:
        return _counted(per, named, money or "usd", None)
    return None


def components_by_unit(column: Column, text: str) -> Iterator[tuple[str, str]]:
    """Possible components, with the unit, of a price that only its unit explains: `unit_price` beside `image`."""
    name = price_name(column.path)
    for counted, per in _COUNTED_BY.items():
        unit = _counted_by_text(text, name.words, per)
        meaning = None if unit is None else meaning_with(name, unit_text(text), counted)
        for component in components_of(meaning) if meaning else ():
            if unit is not None and usual_unit(component) == per:
                yield component, unit


def _counted(per: str, words: Sequence[str], money: str, shared: Unit | None) -> str | None:
    one, many = {
        "image": ("image", "images"),
        "second": (time_of(words), None),
        "million_characters": ("character", "characters"),
        "thousand_requests": ("request", "requests"),
        "page": ("page", "pages"),
    }[per]
    scale = scale_of([word for word in words if word not in ("tokens", "mtok")])
    if scale not in (None, "token"):
        return _known(f"{money}_per_{scale}_{many}")
    if shared == _HUNDRED_MILLIONS and money_of(words) is None:
        return _known(f"cents_per_100_million_{many}")
    return _known(f"{money}_per_{one}")


def _known(name: str) -> str | None:
    return name if name in unit_scales() else None


def _money_part(unit: Unit | None) -> str:
    names = {unit} if isinstance(unit, str) else {*unit.values.values()} if isinstance(unit, UnitByRow) else set[str]()
    moneys = {name.partition("_per_")[0] for name in names}
    return moneys.pop() if len(moneys) == 1 else "usd"


def _scale_part(unit: str) -> str:
    return unit.partition("_per_")[2]


def _scale_name(scale: str) -> str:
    return "token" if scale == "token" else f"{scale}_tokens"


def rows_where(column: Column, texts: Column, wanted: Container[str]) -> Column:
    """The column's values in rows with one of the wanted texts."""
    held = texts.by_owner
    rows = {owner: value for owner, value in column.by_owner.items() if held.get(owner) in wanted}
    return Column(column.path, [*rows.values()], [*rows])


def _unit_by_row(columns: list[Column], named: Column) -> UnitByRow | None:
    values: dict[str, str] = {}
    for text in sorted({text for text in named.values if text}):
        rows = [rows_where(one, named, {text}) for one in columns]
        unit = _unit_by_text(text, positive(rows), columns[0].words)
        if unit is not None:
            values[text] = unit
    return UnitByRow(by=named.expression, values=values) if values else None


def _unit_by_text(text: str, amounts: list[float], words: Sequence[str]) -> str | None:
    if is_other_unit(text):
        return None
    text = unit_text(text)
    plain, named = squashed(text), words_of(text)
    unit = next((name for name, entry in read_table("units.toml")["unit"].items() if plain in entry["text"]), None)
    # After a text such as "tokens", the names state the number.
    if unit is None and (scale := scale_of(named, is_unit=True) or ("token" in plain and scale_of(words))):
        unit = f"usd_per_{_scale_name(scale)}"
    if unit is not None and (money := money_of([*words, *named])):
        unit = unit.replace("usd_", f"{money}_", 1)
    if unit in unit_factors() and (not amounts or is_plausible(amounts, str(unit))):
        return unit
    if unit is None and "token" not in plain:
        return None
    return _unit_by_magnitude(amounts, _OF_TOKENS) if amounts else unit


def _unit_of_scale(scale: str, words: Sequence[str], amounts: list[float]) -> str | None:
    money = money_of(words)
    unit = _known(f"{money or 'usd'}_per_{_scale_name(scale)}")
    if unit is not None and (not amounts or is_plausible(amounts, unit)):
        return unit
    if money is not None or any(amount != int(amount) for amount in amounts):
        return None
    # Fractions differ only by a factor of a hundred, so all amounts must be plausible in exactly one of them.
    low, high = _POSSIBLE
    fitting = [
        name
        for name in _FRACTIONS.get(scale, ())
        if low <= min(amounts) * unit_factors()[name]
        and max(amounts) * unit_factors()[name] <= high
        and median(amounts) * unit_factors()[name] <= _DEAR
    ]
    return fitting[0] if len(fitting) == 1 else None


def _value_words(column: Column) -> tuple[str, ...]:
    """The words after the number in prices written as texts, if all are the same."""
    found = {words_of(_NUMBER.sub("", value, count=1)) for value in column.values if isinstance(value, str)}
    return found.pop() if len(found) == 1 else ()


def positive(columns: Columns) -> list[float]:
    """All amounts above zero."""
    return [amount for one in columns for value in one.values if (amount := number(value)) is not None and amount > 0]


def is_plausible(amounts: list[float], unit: str) -> bool:
    """Whether the median amount is plausible in a unit."""
    scale = unit_scales()[unit]
    middle = median(amounts) * scale.factor
    if scale.per != TOKENS:
        low, high = read_table("prices.toml")["plausible"][scale.per]
    else:
        low, high = _PLAUSIBLE if len(amounts) < _SEVERAL else (_PLAUSIBLE[0], _LIKELY[1])
    return bool(low <= middle <= high)


def _likely_unit(amounts: list[float], words: Sequence[str]) -> str | None:
    """The unit by magnitude alone; never per thousand tokens if a name mentions a token."""
    if min(amounts) >= _MIN_WHOLE and all(amount == int(amount) for amount in amounts):
        money = set(read_table("fields.toml")["price"]["money"]).intersection(words)
        # Tokens per minute are a rate, too.
        units: tuple[str, ...] = () if money and money <= _RATE else _OF_WHOLE_TOKENS
    elif max(amounts) < _ONLY_OF_A_TOKEN:
        units = _OF_TOKENS[:1]
    else:
        units = _OF_TOKENS if "token" in words else _BY_MAGNITUDE
    unit = _unit_by_magnitude(amounts, units) if units else None
    return unit if unit and _LIKELY[0] <= median(amounts) * unit_factors()[unit] <= _LIKELY[1] else None


def _unit_by_magnitude(amounts: list[float], units: tuple[str, ...]) -> str | None:
    """The unit in which the median amount is the most typical; None if another possible unit is nearly as typical.

    0.03 and 0.06 may be prices per million tokens of a small model, or per thousand tokens of a large one.
    """
    middle, (low, high) = median(amounts), _POSSIBLE
    far = {unit: abs(math.log10(middle * unit_factors()[unit] / _TYPICAL)) for unit in units}
    nearest = min(units, key=far.__getitem__)
    clear = _CLEAR_OF_A_THOUSAND if nearest == "usd_per_thousand_tokens" else _CLEAR
    usual = [unit for unit in units if unit == nearest or far[unit] - far[nearest] < clear]
    if len(usual) > 1:
        scales = {unit: unit_factors()[unit] for unit in usual}
        usual = [unit for unit in usual if low <= min(amounts) * scales[unit] and max(amounts) * scales[unit] <= high]
    return usual[0] if len(usual) == 1 and is_plausible(amounts, usual[0]) else None


def median(amounts: list[float]) -> float:
    """The median amount."""
    ordered = sorted(amounts)
    return ordered[len(ordered) // 2]
