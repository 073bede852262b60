"""The shape of sample items: one column of values per path."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, literal, path_expression, quote_key, snake, squashed, words_of
from provider_pipeline.rules.rows import MAX_DEPTH, MAX_ITEMS, MAX_PATHS
from provider_pipeline.rules.values import number

_MAX_ENTRIES: Final = 40
_MAX_LABEL: Final = 80
_MAX_TEXTS: Final = 400
MAX_TEXT: Final = 100
_MAX_NESTING: Final = 2

Entry = tuple[Path, str, Any]
"""A value's path, the JMESPath that reads it from the item, and the value."""


@dataclass
class Column:
    """The non-null values at one path.

    Args:
        path: Object keys from the item to the value.
        values: The values, in the items' order.
        owners: The position of each value's item.
        lookup: JMESPath to the value where the path is not one: an entry of a list of named properties.
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

    @property
    def by_owner(self) -> dict[int, Any]:
        """The values by the positions of their items."""
        return dict(zip(self.owners, self.values, strict=True))

    def share(self, kind: type | tuple[type, ...]) -> float:
        """The share of the values of a type; a boolean is not an integer here."""
        if not self.values:
            return 0.0
        fits = sum(1 for value in self.values if isinstance(value, kind) and (kind is bool or type(value) is not bool))
        return fits / len(self.values)


@dataclass(frozen=True)
class Shape:
    """All columns of a list of items.

    Args:
        seen: How many items were read.
        count: How many of them are objects.
        columns: By path, in the order of first appearance.
        nested: Columns of objects in arrays inside the items, one value per element; by the array's path and the key.
    """

    seen: int
    count: int
    columns: dict[Path, Column]
    nested: dict[Path, Column]

    def fill(self, column: Column) -> float:
        """The share of the items that have a value in the column."""
        return len(column.values) / self.count if self.count else 0.0

    def column_at(self, expression: str | None) -> Column | None:
        """The column that an expression reads."""
        return next((column for column in self.columns.values() if column.expression == expression), None)


def shape_of(items: Sequence[Any]) -> Shape:
    """The shape of the items; a long list is sampled evenly."""
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
            _add_nested(value, here, owner, nested)
            if snake(key) not in read_table("fields.toml")["entries"]["never"]:
                _add_named_entries(value, here, owner, columns)


def _add_nested(elements: list[Any], path: Path, owner: int, nested: dict[Path, Column]) -> None:
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


def _add_named_entries(elements: list[Any], path: Path, owner: int, columns: dict[Path, Column]) -> None:
    for here, lookup, value in _named_entries(elements, path, path_expression(path)):
        if here not in columns and len(columns) >= MAX_PATHS:
            continue
        column = columns.setdefault(here, Column(here, lookup=lookup))
        if column.lookup == lookup and owner not in column.owners[-1:]:
            column.values.append(value)
            column.owners.append(owner)


def _named_entries(elements: list[Any], path: Path, base: str, nesting: int = 0) -> Iterator[Entry]:
    """The values of a list of labelled entries (properties with a `value`, or prices) at a path of the item."""
    entries = [element for element in elements[:_MAX_ENTRIES] if isinstance(element, dict)]
    label = _label(entries)
    if label is None:
        return
    for entry in entries:
        text = entry[label]
        here, chosen = (*path, text), f"{base}[?{quote_key(label)} == {literal(text)}]"
        if "value" in entry:
            value, lookup = entry["value"], f"({chosen}.value | [0])"
            if isinstance(value, list) and nesting < _MAX_NESTING:
                yield from _named_entries(value, here, lookup, nesting + 1)
            elif not isinstance(value, (list, dict, type(None))):
                yield here, lookup, value
        else:
            for key, value in entry.items():
                if isinstance(value, dict):
                    yield from _values_inside(value, (*here, key), f"{chosen}.{quote_key(key)}")


def _values_inside(node: dict[str, Any], path: Path, chosen: str, nesting: int = 0) -> Iterator[Entry]:
    """The numbers of objects such as `{"max_length": {"value": 8192}}` inside an entry."""
    for key, value in node.items():
        if isinstance(value, dict) and nesting < _MAX_NESTING:
            yield from _values_inside(value, (*path, key), f"{chosen}.{quote_key(key)}", nesting + 1)
        elif key == "value" and number(value) is not None:
            yield (*path, key), f"({chosen}.{key} | [0])", value


def _label(entries: list[dict[str, Any]]) -> str | None:
    """The key whose texts distinguish the entries."""
    for key in read_table("fields.toml")["entries"]["labels"]:
        texts = [entry.get(key) for entry in entries]
        named = texts and all(isinstance(text, str) and 0 < len(text) <= _MAX_LABEL for text in texts)
        if named and len(set(texts)) == len(texts):
            return str(key)
    return None


def key_of(column: Column) -> str:
    """The last key as the data files write it; those that selectors write stay as they are."""
    key = column.path[-1]
    return key if key.startswith("_") else squashed(key)


def texts_of(column: Column) -> list[str]:
    """The distinct texts of a column, alone or in lists, in the order of first appearance."""
    seen: dict[str, None] = {}
    for value in column.values:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str) and 0 < len(entry) <= MAX_TEXT:
                seen.setdefault(entry)
        if len(seen) > _MAX_TEXTS:
            break
    return list(seen)
