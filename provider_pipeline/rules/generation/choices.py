"""Rank the paths of an item by how well their names and values fit a field of `data/fields.toml`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import snake, words_of

MIN_PLAUSIBLE: Final = 0.9
MIN_SCORE: Final = 0.15
_DEPTH_DECAY: Final = 0.9
_RANK_PENALTY: Final = 0.004
_AMBIGUOUS_PENALTY: Final = 0.5
_MIN_AGREEMENT: Final = 0.8
_ONE_ODD_AMONG: Final = 3
_MAX_ALTERNATIVES: Final = 6


@dataclass(frozen=True)
class FieldChoice:
    """A path that could be a column, with the shares of items that have a value and of values that are plausible."""

    expression: str
    score: float
    fill: float
    plausible: float
    column: Column

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "plausible": round(self.plausible, 4),
        }


def choices(shape: Shape, name: str, plausible: Callable[[Any], bool], depth: int = 0) -> list[FieldChoice]:
    """The paths whose name fits a field of `data/fields.toml`, the best first."""
    table: Any = read_table("fields.toml")
    for part in name.split("."):
        table = table[part]
    aliases: list[str] = table["aliases"]
    found = []
    for column in shape.columns.values():
        rank = _alias_rank(column, aliases)
        if rank is None and _has_words(column, name):
            rank = len(aliases)
        if rank is None or column.path[-1].startswith("_"):
            continue
        good = _share_of_plausible(column, plausible)
        fill = shape.fill(column)
        doubt = _AMBIGUOUS_PENALTY if is_ambiguous(column) else 1.0
        decay = _DEPTH_DECAY ** max(0, len(column.path) - 1 - depth)
        score = doubt * (1 - _RANK_PENALTY * rank) * decay * math.sqrt(fill) * good
        found.append(FieldChoice(column.expression, score, fill, good, column))
    found.sort(key=lambda choice: (-choice.score, choice.expression))
    return found[:_MAX_ALTERNATIVES]


def _share_of_plausible(column: Column, plausible: Callable[[Any], bool]) -> float:
    """The share of values that fit; one odd value among several, such as the prose of a specimen, does not count."""
    count, good = len(column.values), sum(plausible(value) for value in column.values)
    return 1.0 if good == count - 1 and count >= _ONE_ODD_AMONG else good / count


def _alias_rank(column: Column, aliases: list[str]) -> int | None:
    """The position of the alias that fits the path; a dotted alias must fit the path's end.

    `{"context_length": {"value": 8192, "unit": "tokens"}}` is a context length: a last key `value` is passed over.
    """
    path = column.path[:-1] if len(column.path) > 1 and column.leaf == "value" else column.path
    leaf = snake(path[-1])
    dotted = ".".join(snake(key) for key in path)
    for rank, alias in enumerate(aliases):
        if alias == leaf or ("." in alias and (dotted == alias or dotted.endswith("." + alias))):
            return rank
    return None


def _has_words(column: Column, name: str) -> bool:
    """Whether the words of an unknown key make it the field."""
    table: Any = read_table("fields.toml").get(name, {})
    if "words" not in table:
        return False
    generic = read_table("fields.toml")["generic"]["keys"]
    near = column.path[-2:] if column.leaf in generic else column.path[-1:]
    words = {word for key in near for word in words_of(key)}
    return not set(column.words) & set(table["never"]) and any(words >= set(row) for row in table["words"])


def is_ambiguous(column: Column) -> bool:
    """Whether the key, such as `max_tokens`, names an output limit only beside a context length."""
    return column.leaf in read_table("fields.toml")["max_output_tokens"]["needs_context"]


def with_fallbacks(choice: FieldChoice | None, found: list[FieldChoice]) -> FieldChoice | None:
    """The choice, followed by alternatives that agree with it where both have a value and fill its gaps."""
    if choice is None:
        return None
    held = choice.column.by_owner
    parts = [choice.expression]
    for other in found:
        if other is choice or other.plausible < MIN_PLAUSIBLE or is_ambiguous(other.column):
            continue
        theirs = other.column.by_owner
        shared = [owner for owner in theirs if owner in held]
        agreeing = sum(theirs[owner] == held[owner] for owner in shared)
        if len(shared) < len(theirs) and agreeing >= _MIN_AGREEMENT * len(shared):
            parts.append(other.expression)
            held = {**theirs, **held}
    return replace(choice, expression=" || ".join(parts))
