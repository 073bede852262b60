"""Listings that are no lists of objects: bare ids, and tables of column names and rows.

Here: recognising them, and their items as the objects the rule's selector makes of them. Not here: choosing among the
candidates (`selection.py`).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Path
from provider_pipeline.rules.ids import MAX_ID_LENGTH, family_of
from provider_pipeline.rules.language import path_expression, quote_key

_SAMPLE: Final = 200
_KNOWN: Final = 0.3
_MAX_COLUMNS: Final = 100
_ID = re.compile(r"[^\s,;{}\"<>]+\Z")

Table = tuple[str, str, Path, list[Any]]
"""A selector, the kind of candidate, the path below the node, and the items."""


def bare_ids(node: list[Any], *, named: bool) -> list[dict[str, str]]:
    """The items of a list of texts that are models' ids: of known families, or in a list that is named for models."""
    sample = node[:_SAMPLE]
    if len(sample) < 2 or not all(isinstance(entry, str) for entry in node):
        return []
    fitting = sum(len(entry) <= MAX_ID_LENGTH and _ID.match(entry) is not None for entry in sample)
    known = sum(family_of(entry) is not None for entry in sample)
    if fitting < 0.9 * len(sample) or (known < _KNOWN * len(sample) and not named):
        return []
    return [{"id": entry} for entry in node]


def headed_table(node: list[Any]) -> list[dict[str, Any]]:
    """The items of a list of rows of which the first holds the column names."""
    if len(node) < 2 or not all(isinstance(row, list) for row in node):
        return []
    return _records(node[0], node[1:])


def tables(node: dict[str, Any], path: Path) -> Iterator[Table]:
    """Rows in one member of an object, and the column names in another or one level deeper."""
    rows = [key for key, value in node.items() if isinstance(value, list) and value and isinstance(value[0], list)]
    for key in rows[:4]:
        for expression, names in _headers(node, path):
            items = _records(names, node[key])
            if items:
                yield f"records({expression}, {path_expression((*path, key))})", "table", (key,), items
                break


def _headers(node: dict[str, Any], path: Path) -> Iterator[tuple[str, list[Any]]]:
    for key, value in list(node.items())[:_MAX_COLUMNS]:
        here = (*path, key)
        if isinstance(value, list):
            yield from _names(value, here)
        elif isinstance(value, dict):
            for inner, held in list(value.items())[:_MAX_COLUMNS]:
                if isinstance(held, list):
                    yield from _names(held, (*here, inner))


def _names(value: list[Any], path: Path) -> Iterator[tuple[str, list[Any]]]:
    if value and all(isinstance(entry, str) for entry in value):
        yield path_expression(path), value
    elif value and all(isinstance(entry, dict) for entry in value):
        for key in ("name", "id", "key", "field", "label"):
            if all(isinstance(entry.get(key), str) for entry in value):
                yield f"{path_expression(path)}[*].{quote_key(key)}", [entry[key] for entry in value]
                return


def _records(names: list[Any], rows: list[Any]) -> list[dict[str, Any]]:
    wide = 2 <= len(names) <= _MAX_COLUMNS and all(isinstance(name, str) for name in names)
    if not wide or len(set(names)) < len(names):
        return []
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return []
    return [dict(zip(names, row, strict=True)) for row in rows]
