"""The documented row and its change hash, the profile of many rows, and the outline of their items.

See docs/rules.md.
"""

import hashlib
import json
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.model_columns import (
    DATE_COLUMNS,
    LIMIT_COLUMNS,
    PRICE_COLUMNS,
    PROVIDER_MODEL_COLUMNS,
    ROW_COLUMNS,
)

MEANINGFUL_COLUMNS: Final = tuple(sorted(column.name for column in PROVIDER_MODEL_COLUMNS if column.compared))
"""The columns that the change hash covers."""
meaning_of = operator.itemgetter(*MEANINGFUL_COLUMNS)
"""Their values, from a row that has every column."""
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only: equal values have equal texts."""
    return _canonical(value)


def compact_json(value: Any) -> bytes:
    """JSON in the order of the value's own keys, without spaces."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits, lone surrogates
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(_canonical(value).encode("ascii")).hexdigest()


def content_digest(value: Any) -> str:
    """A SHA-256 that ignores key order, several times as fast as `digest_of` but not comparable with it.

    Numbers must be finite.
    """
    return sized_digest(value)[0]


def sized_digest(value: Any) -> tuple[str, int]:
    """The `content_digest`, and the size of the hashed JSON in bytes."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits, lone surrogates
        text = _canonical(value).encode("ascii")
    return hashlib.sha256(text).hexdigest(), len(text)


def meta_hash(row: Mapping[str, Any]) -> str:
    """The hash that changes exactly when one of `MEANINGFUL_COLUMNS` does."""
    return content_digest(
        meaning_of(row) if len(row) >= len(ROW_COLUMNS) else tuple(row.get(column) for column in MEANINGFUL_COLUMNS)
    )


class SetAside(NamedTuple):
    """A value that cannot be read or cannot be true. Its column is null; the model keeps its row."""

    reason: str
    field: str
    detail: str
    value: Any
    model_id: str


DISTINCT_CAP: Final = 16
NUMERIC: Final = (*LIMIT_COLUMNS, *PRICE_COLUMNS)
_TEXTUAL: Final = ("display_name", "input_modalities", "output_modalities", *DATE_COLUMNS)
FILLED: Final = (*_TEXTUAL, *NUMERIC)
MIN_FILL: Final = 0.05
"""Minimum share of items with a field for it to count as part of the shape."""
MAX_PAGES: Final = 20
"""Number of pages per endpoint whose structure is examined."""
MAX_DEPTH: Final = 6
MAX_PATHS: Final = 600
MAX_ITEMS: Final = 20_000
_LIST_DEPTH: Final = 3
_PRICED_BY_COLUMN: Final = ("input", "output")
_EMPTY_ROW: Final[Mapping[str, Any]] = dict.fromkeys(ROW_COLUMNS)


class Profile(BaseModel):
    """Statistics of a whole extraction, in bounded space. The order of the rows does not matter.

    Attributes:
        count: Rows.
        listed: Models listed once the listing was accepted: the rows, and known models whose items were rejected.
        with_slash: Ids with an owner before a slash.
        filled: Rows with a value, by column; of prices other than input and output, by the rule's field.
        distinct: Different numbers, up to `DISTINCT_CAP`, by column.
        capabilities: Rows with the capability, by name.
        covered: Rows with any capability.
        outline: Fingerprint of which fields the listing's items have, once it was accepted; see `Outline`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    count: int = 0
    listed: int = 0
    with_slash: int = 0
    filled: dict[str, int] = Field(default_factory=dict)
    distinct: dict[str, int] = Field(default_factory=dict)
    capabilities: dict[str, int] = Field(default_factory=dict)
    covered: int = 0
    outline: str | None = None

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Profile":
        """The profile of rows in memory; missing columns count as empty."""
        builder = ProfileBuilder()
        builder.add([row if len(row) >= len(ROW_COLUMNS) else {**_EMPTY_ROW, **row} for row in rows])
        return builder.profile()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Profile":
        """The inverse of `to_json`.

        Raises:
            ConfigurationError: The document is not a profile.
        """
        try:
            return cls.model_validate({"listed": document.get("count", 0), **document})
        except ValidationError as error:
            raise ConfigurationError(f"not a stored profile: {error.errors(include_url=False)[0]['msg']}") from error

    def fill_rate(self, column: str) -> float:
        """The share of rows with a value in the column."""
        return self.filled.get(column, 0) / self.count if self.count else 0.0


class ProfileBuilder:
    """Builds a profile page by page."""

    def __init__(self) -> None:
        self._count = self._with_slash = 0
        self._filled: Counter[str] = Counter()
        self._combinations: Counter[tuple[tuple[str, ...], tuple[bool, ...]]] = Counter()
        self._numbers: list[tuple[str, set[float]]] = [(column, set()) for column in NUMERIC]

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count rows."""
        self._count += len(rows)
        self._with_slash += sum("/" in str(row["model_id"]) for row in rows)
        for column in _TEXTUAL:
            self._fill(column, len(rows) - [row[column] for row in rows].count(None))
        for column, distinct in self._numbers:
            values = [value for row in rows if (value := row[column]) is not None]
            self._fill(column, len(values))
            for value in values:
                if len(distinct) == DISTINCT_CAP:
                    break
                if type(value) is int or type(value) is float:
                    distinct.add(value)
        priced = Counter(component for row in rows for component in row["prices"] or ())
        for component, count in priced.items():
            if component not in _PRICED_BY_COLUMN:
                self._fill(f"price.{component}", count)
        held = [row["capabilities"] or {} for row in rows]
        self._combinations.update([(tuple(capabilities), tuple(capabilities.values())) for capabilities in held])

    def _fill(self, column: str, count: int) -> None:
        if count:
            self._filled[column] += count

    def profile(self) -> Profile:
        """The profile of the rows so far."""
        capabilities: Counter[str] = Counter()
        covered = 0
        for (names, states), count in self._combinations.items():
            held = [capability for capability, has in zip(names, states, strict=True) if has]
            covered += count if held else 0
            capabilities.update(dict.fromkeys(held, count))
        return Profile(
            count=self._count,
            listed=self._count,
            with_slash=self._with_slash,
            filled=dict(sorted(self._filled.items())),
            distinct={column: len(values) for column, values in self._numbers if values},
            capabilities=dict(sorted(capabilities.items())),
            covered=covered,
        )


def lists_of(page: Any, depth: int = _LIST_DEPTH) -> Any:
    """The outline of a response: the keys of its objects and the places of its lists, without their items."""
    if isinstance(page, dict) and depth:
        return {key: lists_of(value, depth - 1) for key, value in page.items() if isinstance(value, (dict, list))}
    return type(page).__name__


class Outline:
    """Builds the fingerprint of a listing's outline, page by page.

    While it is unchanged, the listing has gained no field and no list, so `growth.growth` need not run. It changes if a
    field of less than `MIN_FILL` of the items reaches that share.
    """

    def __init__(self) -> None:
        self._items: Counter[int] = Counter()
        self._paths: Counter[tuple[Any, ...]] = Counter()
        self._pages: Counter[int] = Counter()
        self._lists: list[Any] = []
        self._is_known = True

    def add(self, endpoint: int, document: Any, items: Iterable[Any]) -> None:
        """Count the items of one page."""
        self._pages[endpoint] += 1
        if not self._is_known or self._pages[endpoint] > MAX_PAGES:
            return
        if self._pages[endpoint] == 1:
            self._lists.append(lists_of(document))
        objects = [item for item in items if isinstance(item, dict)]
        self._items[endpoint] += len(objects)
        self._is_known = (
            self._items.total() <= MAX_ITEMS
            and _count_paths(objects, (endpoint,), self._paths)
            and len(self._paths) <= MAX_PATHS
        )
        if not self._is_known:
            self._paths.clear()

    def fingerprint(self) -> str | None:
        """The fingerprint; None for a listing whose growth needs a closer look each time."""
        if not self._is_known:
            return None
        filled = sorted(path for path, count in self._paths.items() if count / self._items[path[0]] >= MIN_FILL)
        return content_digest([self._lists, filled])


def _count_paths(objects: Iterable[dict[str, Any]], path: tuple[Any, ...], paths: Counter[tuple[Any, ...]]) -> bool:
    """Counts the objects that have a value at each path below `path`, key by key: twice as fast as object by object.

    False if a list holds objects, whose values can be fields of their own.
    """
    columns: dict[str, list[Any]] = {}
    for each in objects:
        for key, value in each.items():
            if value is not None:
                columns.setdefault(key, []).append(value)
    for key, values in columns.items():
        place = (*path, key)
        paths[place] += len(values)
        kinds = set(map(type, values))
        if list in kinds and any(type(each) is list and each and isinstance(each[0], dict) for each in values):
            return False
        if dict in kinds and len(path) < MAX_DEPTH:
            inner = [each for each in values if type(each) is dict]
            if not _count_paths(inner, place, paths):
                return False
    return True
