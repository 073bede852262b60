"""The shape of a list of items: which paths they have, and the values found there.

Here: one walk over the items, which every later decision reads. Not here: the decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.generation.entries import named_entries
from provider_pipeline.rules.generation.words import Path, snake, words_of
from provider_pipeline.rules.language import path_expression

MAX_DEPTH: Final = 4
MAX_PATHS: Final = 600
MAX_ITEMS: Final = 20_000


@dataclass
class Column:
    """The values found at one path, with the item each belongs to; nulls are not kept.

    Args:
        path: Object keys from the item to the value.
        values: The values, in the items' order.
        owners: The position of each value's item.
        lookup: JMESPath to the value, where it is not simply the path: a named entry of a list of properties.
    """

    path: Path
    values: list[Any] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    lookup: str | None = None

    @property
    def expression(self) -> str:
        """JMESPath from the item to the value."""
        return self.lookup or path_expression(self.path)

    @property
    def leaf(self) -> str:
        """The last key in snake_case."""
        return snake(self.path[-1])

    @property
    def parent(self) -> str:
        """The last key but one in snake_case; empty at the top."""
        return snake(self.path[-2]) if len(self.path) > 1 else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all keys on the path."""
        return tuple(word for key in self.path for word in words_of(key))

    def share(self, kind: type | tuple[type, ...]) -> float:
        """The share of the values that are of a type; booleans are only ever booleans."""
        if not self.values:
            return 0.0
        fits = sum(1 for value in self.values if isinstance(value, kind) and (kind is bool or type(value) is not bool))
        return fits / len(self.values)


@dataclass(frozen=True)
class Shape:
    """All columns of a list of items.

    Args:
        seen: How many items were looked at.
        count: How many of them are objects.
        columns: By path, in the order in which they were first met.
        nested: Columns of objects in arrays inside the items: the array's path and the key, one value per element.
    """

    seen: int
    count: int
    columns: dict[Path, Column]
    nested: dict[Path, Column]

    def fill(self, column: Column) -> float:
        """The share of the items that have a value in the column."""
        return len(column.values) / self.count if self.count else 0.0


def shape_of(items: Sequence[Any]) -> Shape:
    """The shape of the items; of very many, an even sample is read."""
    step = max(1, len(items) // MAX_ITEMS)
    columns: dict[Path, Column] = {}
    nested: dict[Path, Column] = {}
    count = 0
    sample = items[::step]
    for item in sample:
        if isinstance(item, dict):
            _walk(item, (), count, columns, nested)
            count += 1
    return Shape(len(sample), count, columns, nested)


def _walk(
    node: dict[str, Any], path: Path, owner: int, columns: dict[Path, Column], nested: dict[Path, Column]
) -> None:
    for key, value in node.items():
        if value is None:
            continue
        here = (*path, key)
        column = columns.get(here)
        if column is None:
            if len(columns) >= MAX_PATHS:
                continue
            column = columns[here] = Column(here)
        column.values.append(value)
        column.owners.append(owner)
        if isinstance(value, dict):
            if len(here) < MAX_DEPTH:
                _walk(value, here, owner, columns, nested)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            _note_nested(value, here, owner, nested)
            _note_entries(value, here, owner, columns)


def _note_entries(elements: list[Any], path: Path, owner: int, columns: dict[Path, Column]) -> None:
    """Named entries of a list are columns of their own."""
    for here, lookup, value in named_entries(elements, path, path_expression(path)):
        if here not in columns and len(columns) >= MAX_PATHS:
            continue
        column = columns.setdefault(here, Column(here, lookup=lookup))
        if column.lookup == lookup and owner not in column.owners[-1:]:
            column.values.append(value)
            column.owners.append(owner)


def _note_nested(elements: list[Any], path: Path, owner: int, nested: dict[Path, Column]) -> None:
    for element in elements[:20]:
        if not isinstance(element, dict):
            continue
        for key, value in element.items():
            if isinstance(value, (bool, str, int, float)):
                here = (*path, key)
                if here in nested or len(nested) < MAX_PATHS:
                    column = nested.setdefault(here, Column(here))
                    column.values.append(value)
                    column.owners.append(owner)
