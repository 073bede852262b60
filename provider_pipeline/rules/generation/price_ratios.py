"""Prices that gateways list as ratios to a fixed price (`data/prices.toml`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from provider_pipeline.rules.generation.price_choices import PriceChoice
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import literal, path_expression, quote_key
from provider_pipeline.rules.prices import field_name
from provider_pipeline.rules.values import Unit, UnitTimes


def ratio_choices(shape: Shape, *, named_like_prices: bool) -> Iterator[tuple[str, PriceChoice]]:
    """Prices that a listing writes as ratios, by field.

    Args:
        shape: The items.
        named_like_prices: Only those in fields that others use for prices; or only the others.
    """
    for form in read_table("prices.toml")["ratios"].values():
        if form.get("named_like_prices", False) is not named_like_prices:
            continue
        for base in shape.columns.values():
            if base.leaf != form["base"] or base.lookup or base.share((int, float)) < 1:
                continue
            beside_it = {column.leaf: column for path, column in shape.columns.items() if path[:-1] == base.path[:-1]}
            if beside_it.keys() >= {*form.get("beside", ())}:
                yield from _choices(form, base, beside_it, shape)
                return


def _choices(
    form: Mapping[str, Any], base: Column, beside_it: Mapping[str, Column], shape: Shape
) -> Iterator[tuple[str, PriceChoice]]:
    told = beside_it.get(form["kind"])

    def where(column: Column, kind: int | str) -> str:
        node, name = path_expression(column.path[:-1]), quote_key(column.path[-1])
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
