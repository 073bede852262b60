"""SQL that is too long to sit in Python: one statement per `.sql` file, with `:name` parameters.

In a file, `{name}` stands for one of the column lists of `_LISTS`, so that no file names a model's columns one by one.
A brace that belongs to the statement is doubled.
"""

import functools
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final

from psycopg.sql import SQL, Composed, Identifier, Literal
from sqlalchemy import TextClause, text

from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS, PROVIDER_MODEL_COLUMNS, ROW_COLUMNS

_VALUE_COLUMNS: Final = (*(name for name in ROW_COLUMNS if name != "model_id"), "overridden_fields")
_CHANGING_COLUMNS: Final = [name for name in ROW_COLUMNS if name not in {"model_id", "meta_hash", "family"}]
_STAGED_COLUMNS: Final = ("provider_id", "model_id", *_VALUE_COLUMNS)

_TRAITS: Final = [
    column
    for column in PROVIDER_MODEL_COLUMNS
    if (column.compared and column.name not in {"model_id", "display_name"}) or column.name == "family"
]


def _listed(names: Iterable[str], *table: str) -> Composed:
    return SQL(", ").join(Identifier(*table, name) for name in names)


def _documents(table: str) -> Composed:
    return SQL(", ").join(SQL("to_jsonb({})").format(Identifier(table, name)) for name in _CHANGING_COLUMNS)


STAGED: Final = _listed(_STAGED_COLUMNS)
"""The columns of the temporary tables that rows are copied to, in order."""

_LISTS: Final[Mapping[str, Composed]] = {
    "staged": STAGED,
    "new_staged": _listed(_STAGED_COLUMNS, "new"),
    "values": _listed(_VALUE_COLUMNS),
    "copied": _listed(
        column.name for column in PROVIDER_MODEL_COLUMNS if not column.unique and column.name != "provider_id"
    ),
    "new_values": _listed(_VALUE_COLUMNS, "new"),
    # What a renamed model keeps; of it, what does not follow from its id; and what counts as known when it is there.
    "traits": _listed(column.name for column in _TRAITS),
    "stated_traits": _listed(column.name for column in _TRAITS if column.name not in {"family", "capabilities"}),
    "known_traits": _listed(column.name for column in _TRAITS if column.nullable and column.name != "family"),
    # The columns of a change, and their values in the table, in the listing, and in the listing before as the same rule
    # reads it.
    "listed_names": SQL(", ").join(map(Literal, _CHANGING_COLUMNS)),
    "old_listed": _documents("old"),
    "new_listed": _documents("new"),
    "listed_again": _documents("again"),
    "price_columns": SQL(", ").join(map(Literal, PRICE_COLUMNS)),
    "old_limits": _listed(LIMIT_COLUMNS, "old"),
    "old_prices": SQL(", ").join(
        SQL("CAST({} AS float8) AS {}").format(Identifier("old", name), Identifier(name)) for name in PRICE_COLUMNS
    ),
}


@functools.cache
def statement(name: str) -> TextClause:
    """The statement in the file of that name."""
    template = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return text(SQL(template).format(**_LISTS).as_string())
