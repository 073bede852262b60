"""Prices of one thing by its size or quality: of an image by its dimensions, of a second of video by its resolution.

Each is a component of its own, such as `image_hd_1024x1024`; what sizes and qualities are is data (`data/prices.toml`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from provider_pipeline.rules.generation.price_choices import MainPrices, PriceChoice, Priced
from provider_pipeline.rules.generation.price_context import beside
from provider_pipeline.rules.generation.price_units import counted_unit, is_plausible
from provider_pipeline.rules.generation.price_words import counted_of, is_per_token, price_name
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, snake
from provider_pipeline.rules.prices import field_name, is_quality, is_size, price_field
from provider_pipeline.rules.values import number

_MAX_VARIANTS: Final = 60
_WORDS: Final = re.compile(r"[^A-Za-z0-9]+")
_MIN_QUALITIES: Final = 2


class Variant(NamedTuple):
    """A price of a size or quality; `path` is its path without the words that name these, `name` these words."""

    path: Path
    name: str
    column: Column


def _split(path: Path) -> tuple[Path, list[str]]:
    """A path without the words of a size or quality, and these words."""
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
    """The component at a path without its size, if it is one that sizes tell apart."""
    name = price_name(path)
    if name.unknown or is_per_token(name.words):
        return None
    return next(
        (each for each in name.components if read_table("prices.toml")["component"][each].get("variants")), None
    )


def variants_among(columns: Mapping[Path, Column]) -> list[Variant]:
    """The prices whose paths name a size or quality."""
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
    """The rule's fields for the prices whose unit is certain."""
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
    """Whether amounts can be taken for dollars: 4 alone could as well be the cents of an image."""
    return main is not None or counted_of(one.name.words) is not None or one.name.currency is not None
