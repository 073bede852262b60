"""Which prices of a model can be true, beside its other prices and what it is for."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.prices import TOKENS, OnSetAside, Price, Prices, field_name
from provider_pipeline.rules.values import BadValueError


@functools.cache
def _words(table: str) -> Mapping[str, frozenset[str]]:
    """The lists of a table of `data/prices.toml`, by name."""
    return {name: frozenset(words) for name, words in read_table("prices.toml")[table].items()}


@functools.cache
def _renamed() -> Mapping[str, Mapping[str, str]]:
    """Other names of components, by what a model is for."""
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
    """The prices that can be true of a model, sorted by component.

    Zero means free only where text tokens are billed; elsewhere listings write it for "does not apply", which is left
    out, and so is the price of a second of a medium that the model does not handle, and one price alone of a model
    for sound, images or video, which could be of something else than tokens. A price that contradicts another
    one of the model goes to `set_aside`.

    Args:
        prices: As read.
        row: The model's row with its capabilities and modalities.
        purposes: The capabilities that say what a model is for.
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
    """Whether a model is known to take or give a medium."""
    held = row["capabilities"]
    names = (name for name, has in held.items() if has)
    return any(medium in (row[side] or ()) for side in ("input_modalities", "output_modalities")) or any(
        name.startswith(f"{medium}_") or (medium == "audio" and name == "text_to_speech") for name in names
    )


def _fitting(prices: Prices, held: set[str]) -> Prices:
    """The prices under the names that fit what the model is for, without one that could be in another unit."""
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
    # A reranker priced by the request is not free because its tokens are.
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
                    continue  # it may write text
                if held & free["writes"]:
                    error = BadValueError("implausible_price", "an output price of 0 beside an input price")
                    set_aside(error, field_name(component), 0)
                    continue
        kept[component] = price
    return kept
