"""Which path of an item is which column of a row.

Here: scoring every path by name, type, fill and plausibility, and keeping the alternatives. Not here: prices, whose
unit must be found with them (`prices.py`). The names are data (`data/fields.toml`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape, snake, squashed, words_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import BadValueError, read_limit

_DEPTH: Final = 0.9
_RANK: Final = 0.004
_MIN_SCORE: Final = 0.15
_AGREEING: Final = 0.8
_AMBIGUOUS: Final = 0.5
_MAX_ALTERNATIVES: Final = 6
_MAX_TOKENS: Final = int(Thresholds.model_fields["max_tokens"].default)


@dataclass(frozen=True)
class FieldChoice:
    """A path that could be a column.

    Args:
        expression: JMESPath on the item.
        score: From 0 to 1.
        fill: The share of the items that have a value.
        plausible: The share of the values that the column could hold.
        example: The first value.
        column: The values.
    """

    expression: str
    score: float
    fill: float
    plausible: float
    example: Any
    column: Column

    def summary(self) -> dict[str, Any]:
        """The choice as evidence in a rule."""
        return {
            "expression": self.expression,
            "score": round(self.score, 4),
            "fill": round(self.fill, 4),
            "plausible": round(self.plausible, 4),
        }


def alias_rank(column: Column, aliases: list[str]) -> int | None:
    """The position of the alias that fits the path, if any; a dotted alias must fit the path's end."""
    leaf = column.leaf
    joined = ".".join(snake(key) for key in column.path)
    for rank, alias in enumerate(aliases):
        if alias == leaf or ("." in alias and (joined == alias or joined.endswith("." + alias))):
            return rank
    return None


def _has_words(column: Column, name: str) -> bool:
    """Whether the last key has words that make it the field, though it is none of the known names."""
    table: Any = read_table("fields.toml").get(name, {})
    if "words" not in table:
        return False
    generic = read_table("fields.toml")["generic"]["keys"]
    near = column.path[-2:] if column.leaf in generic else column.path[-1:]
    words = {word for key in near for word in words_of(key)}
    return not set(column.words) & set(table["never"]) and any(words >= set(row) for row in table["words"])


def choices(shape: Shape, name: str, plausible: Callable[[Any], bool], depth: int = 0) -> list[FieldChoice]:
    """The paths whose name fits a field of `data/fields.toml`, the best first."""
    aliases: list[str] = _aliases(name)
    ambiguous = read_table("fields.toml")["max_output_tokens"]["needs_context"]
    found = []
    for column in shape.columns.values():
        rank = alias_rank(column, aliases)
        if rank is None and _has_words(column, name):
            rank = len(aliases)
        if rank is None or column.path[-1].startswith("_"):
            continue
        good = sum(plausible(value) for value in column.values) / len(column.values)
        fill = shape.fill(column)
        doubt = _AMBIGUOUS if column.leaf in ambiguous else 1.0
        score = doubt * (1 - _RANK * rank) * _DEPTH ** max(0, len(column.path) - 1 - depth) * math.sqrt(fill) * good
        found.append(FieldChoice(column.expression, score, fill, good, column.values[0], column))
    found.sort(key=lambda choice: (-choice.score, choice.expression))
    return found[:_MAX_ALTERNATIVES]


def accepted(found: list[FieldChoice], least: float = 0.9) -> FieldChoice | None:
    """The best choice whose values are nearly all plausible."""
    return next((choice for choice in found if choice.plausible >= least and choice.score >= _MIN_SCORE), None)


def joined(choice: FieldChoice | None, found: list[FieldChoice]) -> FieldChoice | None:
    """The choice, with the alternatives that hold the same where both are, and a value where it has none."""
    if choice is None:
        return None
    held = dict(zip(choice.column.owners, choice.column.values, strict=True))
    parts = [choice.expression]
    ambiguous = read_table("fields.toml")["max_output_tokens"]["needs_context"]
    for other in found:
        if other is choice or other.plausible < 0.9 or other.column.leaf in ambiguous:
            continue
        theirs = dict(zip(other.column.owners, other.column.values, strict=True))
        shared = [owner for owner in theirs if owner in held]
        agreeing = sum(theirs[owner] == held[owner] for owner in shared)
        if len(shared) < len(theirs) and agreeing >= _AGREEING * len(shared):
            parts.append(other.expression)
            held = {**theirs, **held}
    return replace(choice, expression=" || ".join(parts))


def limit_choices(shape: Shape, name: str, depth: int) -> list[FieldChoice]:
    """Paths that could be a limit in tokens."""
    settings = set(read_table("fields.toml")["settings"]["words"])
    return [
        choice
        for choice in choices(shape, name, _is_limit, depth)
        if _any_limit(choice.column.values)
        and not settings & {word for key in choice.column.path[:-1] for word in words_of(key)}
    ]


def output_choice(found: list[FieldChoice], context: FieldChoice | None) -> FieldChoice | None:
    """The output limit: a name that is ambiguous needs a context length that it does not merely repeat."""
    ambiguous = read_table("fields.toml")["max_output_tokens"]["needs_context"]
    for choice in found:
        if choice.plausible < 0.9 or choice.score < _MIN_SCORE:
            continue
        if choice.column.leaf in ambiguous and (context is None or _repeats(choice.column, context.column)):
            continue
        if context is not None and choice.expression == context.expression:
            continue
        return choice
    return None


def name_choice(shape: Shape, id_expression: str, depth: int) -> tuple[FieldChoice | None, list[FieldChoice]]:
    """The display name: a text near the id, not the id, and not one text for most models."""
    found = [
        choice
        for choice in choices(shape, "display_name", _is_label, depth)
        if choice.expression != id_expression and len(choice.column.path) - 1 <= depth + 1
    ]
    for choice in found:
        distinct = len({value for value in choice.column.values if isinstance(value, str)})
        if choice.plausible < 0.9 or choice.fill < 0.1 or not _names_the_model(choice.column, depth):
            continue
        if len(choice.column.values) >= 4 and distinct < 0.25 * len(choice.column.values):
            continue
        return choice, found
    return None, found


def _names_the_model(column: Column, depth: int) -> bool:
    """A plain `name` inside another object names that object, unless the object is about the model."""
    table = read_table("fields.toml")["display_name"]
    if len(column.path) - 1 <= depth or column.leaf not in table["plain"]:
        return True
    return snake(column.path[-2]) in table["parents"]


def modality_choice(shape: Shape, name: str, depth: int) -> tuple[FieldChoice | None, list[FieldChoice]]:
    """Input or output modalities: lists of known words, or texts made of them."""
    known = set(read_table("fields.toml")["modality"]["values"])
    found = choices(shape, name, lambda value: _is_modalities(value, known), depth)
    chosen = next((choice for choice in found if choice.plausible >= 0.7 and choice.score >= _MIN_SCORE), None)
    return chosen, found


def arrow_modalities(shape: Shape) -> dict[str, str]:
    """Modalities from one text such as `text+image->text`, as expressions."""
    table = read_table("fields.toml")["modality"]
    for column in shape.columns.values():
        arrows = sum(isinstance(value, str) and table["arrow"] in value for value in column.values)
        if column.leaf in table["aliases"] and arrows > 0.9 * len(column.values):
            whole = f"split({column.expression}, '{table['arrow']}')"
            return {"input_modalities": f"{whole}[0]", "output_modalities": f"{whole}[1]"}
    return {}


def metadata_choices(shape: Shape, taken: set[str]) -> Iterable[tuple[str, FieldChoice]]:
    """Further fields worth keeping, near the top of the item."""
    for name in read_table("fields.toml")["metadata"]:
        for choice in choices(shape, f"metadata.{name}", _is_metadata):
            if choice.expression not in taken and len(choice.column.path) <= 2 and choice.plausible >= 0.9:
                yield name, choice
                break


def _aliases(name: str) -> list[str]:
    table: Any = read_table("fields.toml")
    for part in name.split("."):
        table = table[part]
    aliases: list[str] = table["aliases"]
    return aliases


def _is_limit(value: Any) -> bool:
    try:
        found = read_limit(value, _MAX_TOKENS)
    except BadValueError:
        return False
    return found is not None or value in (0, -1, "", "0")


def _any_limit(values: list[Any]) -> bool:
    return any(not isinstance(value, str) or any(character.isdigit() for character in value) for value in values)


def _repeats(column: Column, other: Column) -> bool:
    theirs = dict(zip(other.owners, other.values, strict=True))
    return all(theirs.get(owner) == value for owner, value in zip(column.owners, column.values, strict=True))


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300


def _is_modalities(value: Any, known: set[str]) -> bool:
    if isinstance(value, str):
        value = [part for part in value.replace("+", ",").replace("/", ",").split(",") if part.strip()]
    elif isinstance(value, dict):
        value = list(value) if all(isinstance(held, bool) for held in value.values()) else None
    if not isinstance(value, list):
        return False
    return all(isinstance(entry, str) and squashed(entry) in known for entry in value)


def _is_metadata(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, (str, int, float)) for entry in value)
    return isinstance(value, (str, int, float, bool))
