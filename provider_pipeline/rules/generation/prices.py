"""Find the prices of a listing's items: what each is charged for, its unit, its tiers and its currency.

Prices in one object share scale and currency unless their own words say otherwise. A doubtful price is not read,
because a price wrong by a factor is worse than a missing one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from provider_pipeline.rules.generation.price_context import (
    ListingPrices,
    MainPrices,
    PriceChoice,
    Priced,
    amounts_in_texts,
    beside,
    is_count,
    prices_currency,
    stated_currency,
    text_around,
)
from provider_pipeline.rules.generation.price_lists import ListedPrices, listed_prices
from provider_pipeline.rules.generation.price_units import (
    components_by_unit,
    counted_unit,
    is_plausible,
    median,
    own_token_unit,
    positive,
    rows_where,
    token_unit,
)
from provider_pipeline.rules.generation.price_words import (
    counted_of,
    is_about_money,
    is_per_token,
    means_of,
    price_name,
    without_sizes,
)
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.generation.special_prices import (
    ratio_choices,
    split_expression,
    variant_choices,
    variants_among,
)
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, words_of
from provider_pipeline.rules.money import currency_code
from provider_pipeline.rules.prices import TOKENS, USD, field_name
from provider_pipeline.rules.values import Unit, UnitByRow, number, unit_scales

_MIN_NUMBERS: Final = 0.7
_MAX_ALTERNATIVES: Final = 6
_MAX_TIERS: Final = 24
_SIDES: Final = ("input", "output")


def find_prices(shape: Shape, answer: Any, listing: Path) -> ListingPrices:
    """The prices of a listing's items; the answer around the listing may name their currency."""
    lists = listed_prices(shape) if shape.nested else ListedPrices()
    texts = amounts_in_texts({path: column for path, column in shape.columns.items() if not column.lookup})
    columns = texts.columns | lists.columns
    variants = [*variants_among(columns), *lists.variants.values()]
    taken = {variant.column.path for variant in variants}
    priced = list(_priced({path: column for path, column in columns.items() if path not in taken}, shape))
    around = text_around(answer, listing, "currency_keys")
    listed = lists.columns | lists.conditional | {(name,): each.column for name, each in lists.variants.items()}
    found = ListingPrices(currency=around and currency_code(around), listed=listed, others=[*texts.unknown])
    if around and found.currency != USD:
        found.others = [around]
    if texts.unknown or (around and found.currency is None):
        return found
    if ratios := {name: [choice] for name, choice in ratio_choices(shape, named_like_prices=True)}:
        found.choices = ratios
        return found
    unit = text_around(answer, listing, "around_unit_keys")
    by_unit = list(_by_unit(columns, shape))
    currency = prices_currency(priced, [choice.column for _, choice in by_unit], columns, unit)
    if currency.unknown:
        return ListingPrices(others=[*currency.unknown], listed=listed)
    priced = currency.priced
    main = _main_group(priced, columns, shape, currency.code or texts.code or found.currency, unit)
    if main is not None:
        found.choices |= main.choices
    others = [*(one.column for one in priced), *(choice.column for _, choice in by_unit)]
    first = main.first if main is not None else next(iter(others), None)
    _add_currency(found, stated_currency(first, columns) if first is not None else None, currency.code, texts.code)
    if found.others and found.currency is None and found.stated_currency is None:
        return ListingPrices(others=found.others, listed=listed)
    for component in read_table("prices.toml")["component"]:
        if component not in _SIDES and (choice := _component(component, priced, columns, shape, main)) is not None:
            found.choices[field_name(component)] = [choice]
    for name, choice in by_unit:
        found.choices.setdefault(name, [choice])
    for name, choice in variant_choices(variants, columns, shape, main):
        found.choices.setdefault(name, [choice])
    _add_firsts(found, lists, main)
    _add_tiers(found, priced, lists, main)
    if main is None:
        found.choices |= {name: [choice] for name, choice in ratio_choices(shape, named_like_prices=False)}
    if not found.choices:
        found.stated_currency = None
    return found


def _priced(columns: Mapping[Path, Column], shape: Shape) -> Iterator[Priced]:
    table = read_table("fields.toml")["price"]
    contradicting = {
        meaning for entry in read_table("prices.toml")["component"].values() for meaning in _contradicting(entry)
    }
    for column in columns.values():
        if not (set(table["money"]) & set(column.words) or _has_scale(column.words, table["scales"])):
            continue
        name = price_name(column.path)
        if not name.components and name.meaning not in contradicting:
            continue
        numbers = sum(number(value) is not None for value in column.values)
        if _is_quantity(column) or is_count(column) or not numbers or numbers < _MIN_NUMBERS * len(column.values):
            continue
        score = math.sqrt(shape.fill(column)) * 0.9 ** (len(column.path) - 1) * 0.8**name.unknown
        yield Priced(column, name, score)


def _is_quantity(column: Column) -> bool:
    """Whether the amounts are numbers of tokens, such as those of an estimate, not prices."""
    table = read_table("prices.toml")["quantity"]
    words = words_of(column.path[-1])
    if words[-1:] == () or words[-1] not in table["ends"] or is_about_money(column.path[-1:]):
        return False
    amounts = [amount for value in column.values if (amount := number(value))]
    is_example = not set(column.words).isdisjoint(table["examples"])
    return is_example or all(amount.is_integer() and amount >= table["at_least"] for amount in amounts)


def _contradicting(entry: Mapping[str, Any]) -> set[frozenset[str]]:
    """The meanings that make a component's own name ambiguous if both occur."""
    return {frozenset(text.split()) for text in entry.get("not_beside", ())}


def _has_scale(words: tuple[str, ...], scales: Iterable[str]) -> bool:
    return "per" in words and not set(words).isdisjoint(scales)


def _main_group(
    priced: list[Priced], columns: dict[Path, Column], shape: Shape, currency: str | None, around: str | None
) -> MainPrices | None:
    """The best pair of input and output price with a certain unit; None if two different pairs are equally good."""
    groups: dict[Path, dict[str, list[Priced]]] = {}
    for one in priced:
        for side in set(one.name.components[:1]).intersection(_SIDES):
            if one.name.above is None:
                groups.setdefault(one.group, {}).setdefault(side, []).append(one)
    found: list[tuple[float, int, Path, MainPrices]] = []
    for group, held in sorted(groups.items()):
        sides = {side: min(each, key=lambda one: (-one.score, one.column.path)) for side, each in held.items()}
        if any(_are_several(sides[side], each) for side, each in held.items()):
            continue
        main = _group(group, sides, columns, shape, currency, around)
        if main is not None:
            total = sum(one.score for one in main.sides.values())
            found.append((-total, next(iter(main.sides.values())).name.around, group, main))
    if not found:
        return None
    found.sort(key=lambda one: one[:3])
    best = found[0][-1]
    if any(each[:2] == found[0][:2] and _differ(each[-1], best) for each in found[1:]):
        return None
    choices = {
        name: [*own, *(choice for *_, other in found[1:_MAX_ALTERNATIVES] for choice in other.choices.get(name, ()))]
        for name, own in best.choices.items()
    }
    return replace(best, choices=choices)


def _are_several(best: Priced, held: list[Priced]) -> bool:
    """Whether equally good choices differ, such as a price with and without tax, or for a prompt size."""
    others = [one for one in held if one.amounts != best.amounts]
    plain = tuple(word for word in best.name.words if word not in ("1k", "1m"))
    return any(one.score == best.score or without_sizes(one.name.words) == plain for one in others)


def _group(
    group: Path,
    sides: dict[str, Priced],
    columns: dict[Path, Column],
    shape: Shape,
    currency: str | None,
    around: str | None,
) -> MainPrices | None:
    """One group with its unit, inferred from both prices together; None if uncertain."""
    named = {side: beside(one.column, columns, "unit_keys", levels=2) for side, one in sides.items()}
    first, *others = (side for side in _SIDES if side in sides)
    stated = stated_currency(sides[first].column, columns)
    codes = {currency_code(text) for text in stated.values} - {None} if stated is not None else set[str | None]()
    currency = codes.pop() if len(codes) == 1 else currency
    unit, why = token_unit([sides[side].column for side in (first, *others)], named[first], currency, around)
    if unit is None:
        return None
    units: dict[str, Unit] = {first: unit}
    for side in others:
        if (own := own_token_unit(sides[side].column, named[side], unit, sides[first].column)) is not None:
            units[side] = own
    held = {side: sides[side].column for side in units}
    return MainPrices(
        group,
        unit,
        {side: sides[side] for side in units},
        {
            field_name(side): [
                PriceChoice(column.expression, sides[side].score, shape.fill(column), units[side], why, column)
            ]
            for side, column in held.items()
        },
    )


def _differ(first: MainPrices, second: MainPrices) -> bool:
    return any(
        first.sides[side].amounts != second.sides[side].amounts for side in first.sides.keys() & second.sides.keys()
    )


def _component(
    component: str, priced: list[Priced], columns: dict[Path, Column], shape: Shape, main: MainPrices | None
) -> PriceChoice | None:
    """The best price of a component other than input and output, if its unit is certain."""
    entry = read_table("prices.toml")["component"][component]
    meanings = means_of(component)
    if any(one.name.meaning in _contradicting(entry) for one in priced):
        return None
    candidates = [
        one for one in priced if component in one.name.components and one.name.above is None and not one.name.unknown
    ]
    candidates.sort(key=lambda one: (meanings.index(one.name.meaning), -one.score, one.column.path))
    for one in candidates:
        related = main is not None and _are_related(one.group, main.group)
        if not one.amounts:
            continue  # zero for every model: a placeholder
        named = beside(one.column, columns, "unit_keys", levels=2 if one.column.lookup else 1)
        shared = main.unit if main is not None and related else None
        if entry["unit"] == TOKENS:
            if _counts_something_else(one, named):
                continue
            unit = own_token_unit(one.column, named, shared, main.first if main is not None and related else None)
        elif _may_count(one, entry["unit"], named, main if related else None):
            unit = counted_unit(one.column, entry["unit"], named, shared)
        else:
            continue
        expression = split_expression(component, one, main if related else None, is_named=named is not None)
        if unit is None or expression is None or not _fits(one, unit, main, entry, expression):
            continue
        why = "the words, and the prices beside it"
        return PriceChoice(expression, one.score, shape.fill(one.column), unit, why, one.column)
    return None


def _by_unit(columns: dict[Path, Column], shape: Shape) -> Iterator[tuple[str, PriceChoice]]:
    """Prices whose component follows from the unit beside them (images, seconds, characters ...), row by row."""
    for column in columns.values():
        if not is_about_money(column.path) or not all(number(value) is not None for value in column.values):
            continue
        named = beside(column, columns, "unit_keys", levels=2)
        if named is None or counted_of(price_name(column.path).words) is not None:
            continue
        found: dict[str, dict[str, str]] = {}
        for text in sorted(set(named.values)):
            amounts = positive([rows_where(column, named, {text})])
            for component, unit in components_by_unit(column, text):
                if amounts and is_plausible(amounts, unit):
                    found.setdefault(component, {})[text] = unit
        for component, units in found.items():
            by_row, why = UnitByRow(by=named.expression, values=units), f"the text at {named.expression}"
            yield field_name(component), PriceChoice(column.expression, 1.0, shape.fill(column), by_row, why, column)


def _are_related(first: Path, second: Path) -> bool:
    length = min(len(first), len(second))
    return first[:length] == second[:length]


def _counts_something_else(one: Priced, named: Column | None) -> bool:
    if named is not None:
        return False
    return counted_of(one.name.words) is not None


def _may_count(one: Priced, per: str, named: Column | None, main: MainPrices | None) -> bool:
    """Whether a price may be per image, request ...; names such as `image` leave it open."""
    if is_per_token(one.name.words) and per != "thousand_requests":
        return False
    if named is not None or per != "image" or counted_of(one.name.words) is not None:
        return True
    return main is not None and "input" in main.sides


def _fits(one: Priced, unit: Unit, main: MainPrices | None, entry: Mapping[str, Any], expression: str) -> bool:
    """Whether the amounts are plausible in the unit, given the same models' input price."""
    if not isinstance(unit, str):
        return True
    amounts = one.amounts
    inputs = main.sides["input"].amounts if main is not None and "input" in main.sides else {}
    if expression != one.column.expression:
        same = entry["unit"] == TOKENS
        amounts = {owner: each for owner, each in amounts.items() if (each == inputs.get(owner)) is same}
    low, high = entry.get("plausible", (0, math.inf))
    if not is_plausible([*amounts.values()], unit):
        return False
    if not low <= median([*amounts.values()]) * unit_scales()[unit].factor <= high:
        return False
    bounds = entry.get("ratio")
    if bounds is None or main is None or not isinstance(main.unit, str):
        return True
    factor = unit_scales()[unit].factor / unit_scales()[main.unit].factor
    ratios = [amount * factor / inputs[owner] for owner, amount in amounts.items() if owner in inputs]
    return not ratios or bool(bounds[0] <= median(ratios) <= bounds[1])


def _add_firsts(found: ListingPrices, lists: ListedPrices, main: MainPrices | None) -> None:
    """Add the first price of a list by prompt size, for models without another price."""
    for path, column in lists.columns.items():
        component = next(iter(price_name(path).components), None) if path in lists.tiers else None
        name = field_name(component) if component else ""
        if main is None or name not in found.choices or not _are_related(path[: len(main.group)], main.group):
            continue
        first, *others = found.choices[name]
        if first.expression != column.expression and own_token_unit(column, None, main.unit, main.first) == first.unit:
            either = replace(first, expression=f"{first.expression} || {column.expression}")
            found.choices[name] = [either, *others]


def _add_tiers(found: ListingPrices, priced: list[Priced], lists: ListedPrices, main: MainPrices | None) -> None:
    """Add prices above a prompt size, for components with a base price."""
    if main is None:
        return
    for column in sorted(lists.tiers.values(), key=lambda one: one.path):
        component = next(iter(price_name(column.path).components), None)
        name = field_name(component) if component else ""
        if component and name in found.choices and _are_related(column.path[: len(main.group)], main.group):
            found.tiers.setdefault(f"price.{component}.tiers", column.expression)
    for one in sorted(priced, key=lambda one: (-one.score, one.column.path)):
        component = next(iter(one.name.components), None)
        if one.name.above is None or component is None or one.name.unknown or not one.amounts:
            continue
        choices = found.choices.get(field_name(component))
        listed = f"price.{component}.tiers" in found.tiers
        if choices and not listed and len(found.tiers) < _MAX_TIERS and _is_tier_of(one, choices[0], main):
            found.tiers.setdefault(f"price.{component}.above_{one.name.above}", one.column.expression)


def _is_tier_of(one: Priced, base: PriceChoice, main: MainPrices) -> bool:
    """Whether the price is in its component's unit, as a tier must be."""
    if not _are_related(one.group, main.group):
        return False
    return own_token_unit(one.column, None, base.unit, main.first) == base.unit


def _add_currency(found: ListingPrices, stated: Column | None, coin: str | None, written: str | None) -> None:
    """Add the currency: stated nearest to the prices, else around them, else by names, units or texts."""
    if stated is not None and written is not None and {currency_code(text) for text in stated.values} != {written}:
        found.others = sorted({*stated.values, written})  # they contradict each other
        found.choices.clear()
        return
    coin = coin or written
    if stated is None:
        if found.currency is None and coin:
            found.currency, found.others = coin, [coin]
        return
    texts = sorted({text.strip() for text in stated.values if text.strip()})
    found.others = [text for text in texts if currency_code(text) != USD]
    if any(currency_code(text) for text in texts):
        found.stated_currency = stated.expression
    elif texts:
        found.choices.clear()
