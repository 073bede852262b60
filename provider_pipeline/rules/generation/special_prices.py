"""Infers unusual prices: by size or quality, of images mixed with image tokens, and as ratios.

Sizes, qualities and the forms of ratios are data (`data/prices.toml`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.generation.price_context import MainPrices, PriceChoice, Priced, beside
from provider_pipeline.rules.generation.price_units import counted_unit, is_plausible
from provider_pipeline.rules.generation.price_words import counted_of, is_per_token, price_name
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, literal, path_expression, quote_key, snake
from provider_pipeline.rules.prices import field_name, is_quality, is_size, price_field
from provider_pipeline.rules.values import Unit, UnitTimes, number, unit_scales

_MAX_VARIANTS: Final = 60
_WORDS: Final = re.compile(r"[^A-Za-z0-9]+")
_MIN_QUALITIES: Final = 2
_SAME: Final = (0.2, 5.0)
"""An image price whose ratio to the input token's price is in this range is per image token."""
_SAME_OUTPUT: Final = 150.0
_APART: Final = 20.0
_DEAR_IMAGE: Final = 1.0
_PER_TOKEN: Final = 1_000_000


def ratio_choices(shape: Shape, *, named_like_prices: bool) -> Iterator[tuple[str, PriceChoice]]:
    """Prices written as ratios, by field.

    Args:
        shape: The items.
        named_like_prices: Whether to return those in fields that other listings use for prices, or all others.
    """
    for form in read_table("prices.toml")["ratios"].values():
        if form.get("named_like_prices", False) is not named_like_prices:
            continue
        for base in shape.columns.values():
            if base.leaf != form["base"] or base.lookup or not _are_numbers(base):
                continue
            beside_it = {column.leaf: column for path, column in shape.columns.items() if path[:-1] == base.path[:-1]}
            if beside_it.keys() >= {*form.get("beside", ())}:
                yield from _choices_by_ratio(form, base, beside_it, shape)
                return


def _are_numbers(column: Column) -> bool:
    """Whether all are numbers, or all are texts of numbers."""
    is_text = column.share(str) == 1
    return (is_text or column.share((int, float)) == 1) and all(number(value) is not None for value in column.values)


def _choices_by_ratio(
    form: Mapping[str, Any], base: Column, beside_it: Mapping[str, Column], shape: Shape
) -> Iterator[tuple[str, PriceChoice]]:
    told = beside_it.get(form["kind"])

    def where(column: Column, kind: int | str) -> str:
        node, name = path_expression(column.path[:-1]), quote_key(column.path[-1])
        kind = str(kind) if told is not None and told.share(str) == 1 else kind
        wanted = f"[?{quote_key(told.path[-1])} == {literal(kind)}]" if told is not None else "[]"
        return f"([{node or '@'}]{wanted}.{name} | [0])"

    def choice(component: str, column: Column, kind: int | str, unit: Unit) -> tuple[str, PriceChoice]:
        found = PriceChoice(where(column, kind), 1.0, shape.fill(column), unit, "known ratios", column)
        return field_name(component), found

    by_tokens, unit = form["by_tokens"], form["unit"]
    yield choice("input", base, by_tokens, unit)
    for component, name in form.get("shared", {}).items():
        if name in beside_it:
            yield choice(component, beside_it[name], by_tokens, unit)
    for component, name in form.get("times", {}).items():
        if name in beside_it:
            yield choice(component, beside_it[name], by_tokens, UnitTimes(times=where(base, by_tokens), unit=unit))
    if form["request"] in beside_it and told is not None:
        yield choice("request", beside_it[form["request"]], form["by_request"], form["request_unit"])


class Variant(NamedTuple):
    """A price for a size or quality; `name` is the words for these, `path` its path without them."""

    path: Path
    name: str
    column: Column


def _split(path: Path) -> tuple[Path, list[str]]:
    """Split the words of a size or quality off a path."""
    rest: list[str] = []
    found: list[str] = []
    for key in path:
        words = [word for word in _WORDS.split(key) if word]
        told = [
            word
            for place, word in enumerate(words)
            # "per 1k images" is no size of an image.
            if (is_size(word) and words[:place][-1:] not in (["per"], ["Per"])) or is_quality(word)
        ]
        found += told
        if not told:
            rest.append(key)
        elif left := [word for word in words if word not in told]:
            rest.append("_".join(left))
    return tuple(rest), found


def component_by_size(path: Path) -> str | None:
    """The component at a path without its size, if it is priced by size."""
    name = price_name(path)
    if name.unknown or is_per_token(name.words):
        return None
    return next(
        (each for each in name.components if read_table("prices.toml")["component"][each].get("variants")), None
    )


def variants_among(columns: Mapping[Path, Column]) -> list[Variant]:
    """The prices with a size or quality in their paths."""
    groups: dict[Path, list[tuple[list[str], Column]]] = {}
    for column in columns.values():
        rest, words = _split(column.path)
        if words and rest and component_by_size(rest) and all(number(value) is not None for value in column.values):
            groups.setdefault(rest, []).append((words, column))
    return [
        Variant(path, snake(" ".join(words).lower()), column)
        for path, held in groups.items()
        if any(map(is_size, [word for words, _ in held for word in words]))
        or (len(held) >= _MIN_QUALITIES and counted_of(price_name(path).words))
        for words, column in held
    ]


def variant_choices(
    variants: Iterable[Variant], columns: dict[Path, Column], shape: Shape, main: MainPrices | None
) -> Iterator[tuple[str, PriceChoice]]:
    """The rule's fields of the prices with a certain unit."""
    for variant in list(variants)[:_MAX_VARIANTS]:
        component = component_by_size(variant.path)
        name = field_name(f"{component}_{variant.name}")
        one = Priced(variant.column, price_name(variant.path), 1.0)
        if component is None or price_field(name) is None or not one.amounts or not _is_money_certain(one, main):
            continue
        per = read_table("prices.toml")["component"][component]["unit"]
        column = Column(variant.path, variant.column.values, variant.column.owners, variant.column.expression)
        unit = counted_unit(
            column, per, beside(variant.column, columns, "unit_keys", levels=1), main.unit if main else None
        )
        if isinstance(unit, str) and is_plausible([*one.amounts.values()], unit):
            why = "the words, and the prices beside it"
            yield (
                name,
                PriceChoice(
                    variant.column.expression, one.score, shape.fill(variant.column), unit, why, variant.column
                ),
            )


def _is_money_certain(one: Priced, main: MainPrices | None) -> bool:
    """Whether amounts are certainly dollars: 4 alone may also be the cents for an image."""
    return main is not None or counted_of(one.name.words) is not None or one.name.currency is not None


def split_expression(component: str, one: Priced, main: MainPrices | None, *, is_named: bool) -> str | None:
    """The expression of a price that may be per token or per image; None if all amounts are of the other kind.

    If a listing has both in one field, those that repeat the input price are per token.
    """
    expression, is_image = one.column.expression, component == "image"
    if is_named or "image" not in one.name.meaning or counted_of(one.name.words) or is_per_token(one.name.words):
        return expression
    base = main.sides.get("input") if main is not None else None
    if main is None or base is None:
        return expression if is_image or main is not None else None
    inputs, amounts = base.amounts, one.amounts
    if not isinstance(main.unit, str) or not inputs.keys() & amounts.keys():
        is_dear = isinstance(main.unit, str) and not is_plausible([*amounts.values()], main.unit)
        return expression if is_image and is_dear else None
    near, far = _of_tokens_and_images(one, inputs, unit_scales()[main.unit].factor)
    if not (far if is_image else near) or near | far != inputs.keys() & amounts.keys():
        return None
    repeated = all(amounts[owner] == inputs[owner] for owner in near)
    if repeated and not one.column.lookup and base.column.path[:-1] == one.column.path[:-1]:
        # Even if the sample has only one kind: the next listing may have both.
        return _where_repeated(one.column, base.column, repeats=not is_image)
    return None if near and far else expression


def _of_tokens_and_images(one: Priced, inputs: Mapping[int, float], factor: float) -> tuple[set[int], set[int]]:
    """The items priced per image token, and those priced per image; ambiguous ones are in neither.

    Args:
        one: The price.
        inputs: The prices of input tokens.
        factor: From these to the price of a million tokens.
    """
    amounts = {owner: amount for owner, amount in one.amounts.items() if owner in inputs}
    most = _SAME_OUTPUT if "output" in one.name.meaning else _SAME[1]
    near = {owner for owner, amount in amounts.items() if _SAME[0] <= amount / inputs[owner] <= most}
    if factor >= _PER_TOKEN:
        return near, {owner for owner, amount in amounts.items() if amount / inputs[owner] > _APART} - near
    # Beside prices of many tokens, 0.3 may be for as many image tokens, or for an image; 5 is too high for an image.
    if near and max(amounts.values()) <= _DEAR_IMAGE:
        return set(), set()
    far = {owner for owner, amount in amounts.items() if amount / inputs[owner] * _PER_TOKEN / factor > _APART}
    return near, set() if near else far


def _where_repeated(column: Column, base: Column, *, repeats: bool) -> str:
    """The expression that selects the amounts that repeat the other column's, or those that do not."""
    node = path_expression(column.path[:-1])
    sign, name, other = "==" if repeats else "!=", quote_key(column.path[-1]), quote_key(base.path[-1])
    # Zero for a free model is not a price of an image token.
    zeros = sorted({literal(value) for value in column.values if number(value) == 0})
    wanted = " && ".join([f"{name} {sign} {other}", *(f"{name} != {zero}" for zero in zeros)])
    return f"([{node}][?{wanted}].{name} | [0])"
