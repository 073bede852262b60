"""Changed prices by component and tier, for people and programs: rows hold all prices of a model in one column."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from provider_pipeline.rules.model_columns import PRICE_COLUMNS
from provider_pipeline.rules.prices import Price, Prices, component_of, is_usual, usd_per_million_tokens

Pair = Sequence[Any]
"""An old and a new value; None is unknown."""

_COLUMNS: Final = {(component_of(column), 0): column for column in PRICE_COLUMNS}


def price_parts(prices: Prices) -> dict[tuple[str, int], Price]:
    """Amount, unit and currency by component and the prompt size above which they hold; 0 is below the first tier."""
    found: dict[tuple[str, int], Price] = {}
    for component, price in prices.items():
        found[component, 0] = base = {name: price[name] for name in ("amount", "unit", "currency")}
        for tier in price.get("tiers", ()):
            found[component, tier["above"]] = {**base, "amount": tier["amount"]}
    return found


def flat_changes(changed: Mapping[str, Pair]) -> dict[str, Pair]:
    """A change's old and new values by column, with `prices` replaced by its parts that changed.

    Prices of input and output in USD per million tokens stay numbers under the names of their columns. Every other part
    is an object with amount, unit and currency.

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
    """The name of a part in changes, such as `prices.cache_read` or `prices.input.above_200000`."""
    return f"prices.{component}" + (f".above_{above}" if above else "")


def is_price(name: str) -> bool:
    """Whether a name in `flat_changes` is that of a price."""
    return name in PRICE_COLUMNS or name.startswith("prices.")


def as_price(value: Any) -> Price:
    """A price of `flat_changes` as an object."""
    return dict(value) if isinstance(value, Mapping) else usd_per_million_tokens(value)


def percent(old: Any, new: Any) -> float | None:
    """The change between two prices of `flat_changes` in percent; None if they cannot be compared."""
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
    """What an amount is in, such as `USD per million tokens`."""
    return f"{price['currency']} per {price['unit'].replace('_', ' ')}"


def price_text(value: Any) -> str:
    """A price of `flat_changes`; its unit is left out if it is USD per million tokens."""
    if value is None:
        return "unknown"
    price = as_price(value)
    return amount_text(price["amount"]) + ("" if is_usual(price) else f" {unit_text(price)}")
