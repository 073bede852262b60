"""A model's prices together: their plausibility given each other and the model's purpose, and their changes.

Rows hold all prices in one column; changes name them by component and tier.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.model_columns import PRICE_COLUMNS
from provider_pipeline.rules.prices import (
    TOKENS,
    OnSetAside,
    Price,
    Prices,
    component_of,
    field_name,
    is_usual,
    usd_per_million_tokens,
)
from provider_pipeline.rules.values import BadValueError

Pair = Sequence[Any]
"""An old and a new value; None is unknown."""
_COLUMNS: Final = {(component_of(column), 0): column for column in PRICE_COLUMNS}


@functools.cache
def _words(table: str) -> Mapping[str, frozenset[str]]:
    """The lists of a table of `data/prices.toml`, by name."""
    return {name: frozenset(words) for name, words in read_table("prices.toml")[table].items()}


@functools.cache
def _renamed() -> Mapping[str, Mapping[str, str]]:
    """Other names of components, by the model's purpose."""
    components = read_table("prices.toml")["component"]
    return {name: entry["renamed"] for name, entry in components.items() if "renamed" in entry}


@functools.cache
def _needs() -> Mapping[str, Sequence[str]]:
    components = read_table("prices.toml")["component"]
    return {name: entry["needs"] for name, entry in components.items() if "needs" in entry}


@functools.cache
def _ratios() -> Sequence[tuple[str, str, float]]:
    return [(name, each["of"], float(each["most"])) for name, each in read_table("prices.toml")["ratio"].items()]


def plausible_prices(prices: Prices, row: Mapping[str, Any], purposes: Iterable[str], set_aside: OnSetAside) -> Prices:
    """The plausible prices of a model, sorted by component.

    Zero means free only if text tokens are billed; elsewhere listings write it for "does not apply", and it is left
    out. Also left out are the price of a second of a medium that the model does not handle, and the only price of a
    model for sound, images or video, which may not be per token. A price that contradicts another one of the model goes
    to `set_aside`.

    Args:
        prices: The prices read by the rule.
        row: The model's row with its capabilities and modalities.
        purposes: The capabilities that are purposes.
        set_aside: Called with the error, the rule's field and the value.
    """
    needs = _needs()
    for component in [name for name in prices if name in needs]:
        if not any(_handles(row, medium) for medium in needs[component]):
            prices = {name: each for name, each in prices.items() if name != component}
    has_zero = 0 in [price["amount"] for price in prices.values()]
    if has_zero or len(prices) == 1 or not prices.keys().isdisjoint(_renamed()):
        held = {name for name in purposes if row["capabilities"].get(name)}
        prices = _fitting(prices, held)
        if has_zero:
            prices = _without_false_zeros(prices, row, held, set_aside)
    for component, other, most in _ratios():
        if (price := prices.get(component)) is None or (base := prices.get(other)) is None:
            continue
        if price["unit"] == base["unit"] and price["amount"] > most * base["amount"]:
            detail = f"the price is more than {most:g} times that of {other}"
            set_aside(BadValueError("implausible_price", detail), field_name(component), price["amount"])
            prices = {name: each for name, each in prices.items() if name != component}
    return dict(sorted(prices.items())) if len(prices) > 1 else prices


def _handles(row: Mapping[str, Any], medium: str) -> bool:
    """Whether a medium is among a model's modalities, or implied by its capabilities."""
    held = row["capabilities"]
    names = (name for name, has in held.items() if has)
    return any(medium in (row[side] or ()) for side in ("input_modalities", "output_modalities")) or any(
        name.startswith(f"{medium}_") or (medium == "audio" and name == "text_to_speech") for name in names
    )


def _fitting(prices: Prices, held: set[str]) -> Prices:
    """The prices, renamed for the model's purpose, without one whose unit is ambiguous."""
    unsure = _words("unsure")
    if len(held) != 1:
        return prices
    if held <= unsure["purposes"] and prices.keys() <= unsure["sides"]:
        is_one_sided = sum(price["amount"] > 0 for price in prices.values()) == 1
        return {} if is_one_sided else prices
    (purpose,), renamed = held, _renamed()
    return {renamed.get(name, {}).get(purpose, name): price for name, price in prices.items()}


def _is_billed_otherwise(price: Price) -> bool:
    return bool(price["unit"] != TOKENS and price["amount"] > 0)


def _without_false_zeros(prices: Prices, row: Mapping[str, Any], held: set[str], set_aside: OnSetAside) -> Prices:
    free = _words("free")
    outputs = row["output_modalities"]
    is_text = bool(held & free["purposes"]) if held else outputs is None or not free["modalities"].isdisjoint(outputs)
    # A reranker that charges per request is not free, although its tokens cost 0.
    is_text = is_text and (bool(held & free["writes"]) or not any(map(_is_billed_otherwise, prices.values())))
    is_text = is_text and not any(
        _is_billed_otherwise(each) for name, each in prices.items() if name in free["instead"]
    )
    kept: Prices = {}
    for component, price in prices.items():
        if price["amount"] == 0:
            if price["unit"] != TOKENS or not is_text:
                continue
            side = "output" if component in ("output", "reasoning") or component.startswith("output_") else "input"
            if component not in _words("unsure")["sides"] and prices.get(side, price)["amount"] != 0:
                continue
            if component == "output" and prices.get("input", price)["amount"] != 0:
                if not held and (outputs is None or "text" in outputs):
                    continue  # it may produce text
                if held & free["writes"]:
                    error = BadValueError("implausible_price", "an output price of 0 beside an input price")
                    set_aside(error, field_name(component), 0)
                    continue
        kept[component] = price
    return kept


def price_parts(prices: Prices) -> dict[tuple[str, int], Price]:
    """Amount, unit and currency by component and prompt size above which they apply; 0 is below the first tier."""
    found: dict[tuple[str, int], Price] = {}
    for component, price in prices.items():
        found[component, 0] = base = {name: price[name] for name in ("amount", "unit", "currency")}
        for tier in price.get("tiers", ()):
            found[component, tier["above"]] = {**base, "amount": tier["amount"]}
    return found


def flat_changes(changed: Mapping[str, Pair]) -> dict[str, Pair]:
    """A change's old and new values by column, with `prices` split into its changed parts.

    Input and output prices in USD per million tokens remain numbers under their columns' names. Every other part is an
    object with amount, unit and currency.

    Example:
        >>> cents = {"amount": 0.04, "unit": "image", "currency": "USD"}
        >>> flat_changes({"family": ["a", "b"], "prices": [{}, {"image": cents}]})
        {'family': ['a', 'b'], 'prices.image': [None, {'amount': 0.04, 'unit': 'image', 'currency': 'USD'}]}
    """
    if "prices" not in changed:
        return dict(changed)
    flat = {name: pair for name, pair in changed.items() if name != "prices" and name not in PRICE_COLUMNS}
    old, new = map(price_parts, changed["prices"])
    for part in sorted({*old, *new}):
        pair = [old.get(part), new.get(part)]
        if pair[0] == pair[1]:
            continue
        column = _COLUMNS.get(part)
        if column is not None and all(price is None or is_usual(price) for price in pair):
            flat[column] = [price and price["amount"] for price in pair]
        else:
            flat[part_name(*part)] = pair
    return flat


def part_name(component: str, above: int) -> str:
    """A part's name in changes, such as `prices.cache_read` or `prices.input.above_200000`."""
    return f"prices.{component}" + (f".above_{above}" if above else "")


def is_price(name: str) -> bool:
    """Whether a name in `flat_changes` names a price."""
    return name in PRICE_COLUMNS or name.startswith("prices.")


def as_price(value: Any) -> Price:
    """A price of `flat_changes` as an object."""
    return dict(value) if isinstance(value, Mapping) else usd_per_million_tokens(value)


def percent(old: Any, new: Any) -> float | None:
    """The change between two prices of `flat_changes` in percent; None if not comparable."""
    if old is None or new is None:
        return None
    before, after = as_price(old), as_price(new)
    if before["amount"] == 0 or unit_text(before) != unit_text(after):
        return None
    return float((after["amount"] - before["amount"]) / before["amount"] * 100)


def amount_text(amount: float) -> str:
    """An amount with thousands separators and all its digits, never in scientific notation."""
    return f"{Decimal(str(amount)).normalize():,f}"


def unit_text(price: Price) -> str:
    """Currency and unit of a price, such as `USD per million tokens`."""
    return f"{price['currency']} per {price['unit'].replace('_', ' ')}"


def price_text(value: Any) -> str:
    """A price of `flat_changes`; its unit is left out if it is USD per million tokens."""
    if value is None:
        return "unknown"
    price = as_price(value)
    return amount_text(price["amount"]) + ("" if is_usual(price) else f" {unit_text(price)}")
