"""Tells prices of an image from prices of an image token, which listings put under one name."""

from collections.abc import Mapping
from typing import Final

from provider_pipeline.rules.generation.price_choices import MainPrices, Priced
from provider_pipeline.rules.generation.price_units import is_plausible
from provider_pipeline.rules.generation.price_words import counted_of, is_per_token
from provider_pipeline.rules.generation.shape import Column
from provider_pipeline.rules.language import literal, path_expression, quote_key
from provider_pipeline.rules.values import number, unit_scales

_SAME: Final = (0.2, 5.0)
"""A price of an image that is this near to that of an input token is one of an image token."""
_SAME_OUTPUT: Final = 150.0
_APART: Final = 20.0
_DEAR_IMAGE: Final = 1.0
_PER_TOKEN: Final = 1_000_000


def split_expression(component: str, one: Priced, main: MainPrices | None, *, is_named: bool) -> str | None:
    """The expression of a price that could be of a token or of an image; None if the amounts are of the other kind.

    Where a listing has both in one field, those that repeat the input price are of tokens.
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
        # Also where the sample has one kind only: the next listing may have both.
        return _where_repeated(one.column, base.column, repeats=not is_image)
    return None if near and far else expression


def _of_tokens_and_images(one: Priced, inputs: Mapping[int, float], factor: float) -> tuple[set[int], set[int]]:
    """The items whose price of an image is that of an image token, and of an image; neither if they could be both.

    Args:
        one: The price.
        inputs: The prices of an input token.
        factor: From these to the price of a million tokens.
    """
    amounts = {owner: amount for owner, amount in one.amounts.items() if owner in inputs}
    most = _SAME_OUTPUT if "output" in one.name.meaning else _SAME[1]
    near = {owner for owner, amount in amounts.items() if _SAME[0] <= amount / inputs[owner] <= most}
    if factor >= _PER_TOKEN:
        return near, {owner for owner, amount in amounts.items() if amount / inputs[owner] > _APART} - near
    # Beside prices of many tokens, 0.3 could be of as many image tokens, or of an image; 5 is too much for an image.
    if near and max(amounts.values()) <= _DEAR_IMAGE:
        return set(), set()
    far = {owner for owner, amount in amounts.items() if amount / inputs[owner] * _PER_TOKEN / factor > _APART}
    return near, set() if near else far


def _where_repeated(column: Column, base: Column, *, repeats: bool) -> str:
    """The expression of those amounts that repeat the other column's, or of those that do not."""
    node = path_expression(column.path[:-1])
    sign, name, other = "==" if repeats else "!=", quote_key(column.path[-1]), quote_key(base.path[-1])
    # Zero is not the price of an image token of a free model.
    zeros = sorted({literal(value) for value in column.values if number(value) == 0})
    wanted = " && ".join([f"{name} {sign} {other}", *(f"{name} != {zero}" for zero in zeros)])
    return f"([{node}][?{wanted}].{name} | [0])"
