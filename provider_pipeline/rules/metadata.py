"""The content of `metadata_json`: a known key as its type (`metadata` in `data/fields.toml`), any other as JSON.

Fields with the time of the request are detected: they would make every model look changed at every sync.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from provider_pipeline.rules.dates import MILLISECONDS, read_time, seconds_of
from provider_pipeline.rules.issues import has_controls, issue, prose
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.limits import CHARACTERS_PER_STEP, LIST_STEPS, OBJECT_STEPS, Work, WorkExceededError
from provider_pipeline.rules.values import (
    MAX_TEXT,
    BadValueError,
    check_storable,
    json_type,
    number,
)

NOT_OF_TYPE: Final = "not_of_type"
"""Reason of a fact that is left out because it is not of its key's type; no such value ever holds a listing."""
MAX_ENTRIES: Final = 200
"""Entries of a list or an object."""
_COUNT = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*([kmbt]?)", re.IGNORECASE)
_SCALES: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_MAX_COUNT: Final = 10**15
_MAX_COUNT_TEXT: Final = 40
_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False}
_NEAR: Final = timedelta(minutes=10).total_seconds()
"""Tolerance for clock skew, and for a fetch of many pages."""
_DAY: Final = timedelta(days=1)
_NEARLY_ALL: Final = 0.95
_HALF: Final = 0.5
_FEW: Final = 20
"""Number of other values after which a field that mostly holds such values is ignored."""

_Key = Mapping[str, Any]


def metadata_reader(name: str) -> Callable[[Any, Work], Any]:
    """The reader of a field in `metadata_json`; a name missing from `data/fields.toml` accepts any JSON.

    The reader returns None for a blank value, and raises `BadValueError` for one that does not fit the key's type.
    """
    key: _Key | None = read_table("fields.toml")["metadata"].get(name)
    if key is None:
        return read_metadata
    return _text_reader(key) if key["type"] == "text" else functools.partial(_READERS[key["type"]], key)


def read_metadata(value: Any, work: Work) -> Any:
    """A value as stored in `metadata_json`: scalars, and lists and objects of them; None if it cannot be stored.

    Texts lose their control characters; entries with one in their key are dropped.

    Raises:
        WorkExceededError: Too few steps are left to copy it.
    """
    kind = type(value)
    if kind is str and len(value) <= MAX_TEXT and value.isprintable():
        return value
    if kind is int:
        return value if abs(value) < 2**63 else None
    return work.at_most(_clean, value, 4, work)


def _clean(value: Any, depth: int, work: Work) -> Any:  # noqa: PLR0911  # one return for each JSON type
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        work.spend(len(value) // CHARACTERS_PER_STEP)
        check_storable(value)
        return prose(value)[:MAX_TEXT]
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == 0:
        return None
    if isinstance(value, list):
        work.spend(LIST_STEPS + min(len(value), MAX_ENTRIES))
        return [_clean(entry, depth - 1, work) for entry in value[:MAX_ENTRIES]]
    if isinstance(value, dict):
        work.spend(OBJECT_STEPS + len(value) + sum(map(len, value)) // CHARACTERS_PER_STEP)
        for key in value:
            check_storable(key)
        return {
            key: _clean(entry, depth - 1, work)
            for key, entry in islice(value.items(), MAX_ENTRIES)
            if not has_controls(key)
        }
    return None


def _text_reader(key: _Key) -> Callable[[Any, Work], str | None]:
    longest, blank, prefixes = key.get("max", MAX_TEXT), frozenset(key.get("blank", ())), key.get("prefixes", ())

    def read(value: Any, work: Work) -> str | None:
        text: str = value if type(value) is str else _joined(value)
        work.left -= len(text) // CHARACTERS_PER_STEP
        if work.left < 0:
            raise WorkExceededError
        text = text.strip()
        if not text.isprintable():  # printable texts can be stored, and have no control characters
            check_storable(text)
            text = prose(text)
        for prefix in prefixes:
            text = text.removeprefix(prefix)
        if len(text) > longest:
            text = text[:longest].rstrip()
        return None if text in blank else text or None

    return read


def _joined(value: Any) -> str:
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, (str, int, float)) and not isinstance(entry, bool) for entry in entries):
        raise _not_of_type(value, "a text")
    return ", ".join(filter(None, (str(entry).strip() for entry in entries[:MAX_ENTRIES])))


def _texts(_: _Key, value: Any, work: Work) -> list[str] | None:
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _not_of_type(value, "a list of texts")
    work.spend(LIST_STEPS + min(len(entries), MAX_ENTRIES))
    kept = [text for entry in entries if (text := entry.strip())]
    if not all(map(str.isprintable, kept)):
        kept = read_metadata(kept, work) or []
    return [entry[:MAX_TEXT] for entry in kept[:MAX_ENTRIES]] or None


def _boolean(_: _Key, value: Any, _work: Work) -> bool | None:
    if value == "":
        return None
    found = value if isinstance(value, bool) else _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise _not_of_type(value, "true or false")
    return found


def _integer(key: _Key, value: Any, _work: Work) -> int | None:
    """A count; `7B` and `8.0B` are billions. Zero and -1 mean none."""
    if value in ("", 0, -1) and not isinstance(value, bool):
        return None
    number: float | None = None
    if isinstance(value, str) and (written := _COUNT.fullmatch(value.strip()[:_MAX_COUNT_TEXT])):
        number = float(written[1].replace(",", "")) * _SCALES[written[2].lower()]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    if number is None or not key.get("min", 1) <= number <= key.get("max", _MAX_COUNT):
        raise _not_of_type(value, "a count")
    return round(number)


def _time(_: _Key, value: Any, _work: Work) -> str | None:
    try:
        return read_time(value)
    except BadValueError as error:
        raise BadValueError(NOT_OF_TYPE, error.detail) from error


def _not_of_type(value: Any, expected: str) -> BadValueError:
    return BadValueError(NOT_OF_TYPE, f"the value is a JSON {json_type(value)} that is not {expected}")


_READERS: Final[Mapping[str, Callable[[_Key, Any, Work], Any]]] = {
    "texts": _texts,
    "boolean": _boolean,
    "integer": _integer,
    "time": _time,
}


class RequestTimes:
    """Counts, page by page, the values of metadata fields that are times near the fetch.

    Models may really be that new, or a server just started: the field is then left out only until its values are
    older.

    Args:
        fetched_at: The time of the fetch; None to disable the check.
    """

    def __init__(self, fetched_at: datetime | None) -> None:
        self._fetched_at = None if fetched_at is None else fetched_at.timestamp()
        # Only texts with such a year, in any zone and form, are parsed; most have none.
        self._years = frozenset[str]() if fetched_at is None else {f"{fetched_at + day:%y}" for day in (-_DAY, _DAY)}
        self._rows = 0
        self._near: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._watched: frozenset[str] | None = None

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count the values of some rows. The first rows decide which fields are watched at all."""
        if self._fetched_at is None or self._watched == frozenset():
            return
        for row in rows:
            self._rows += 1
            for name, value in row["metadata_json"].items():
                if self._watched is None or name in self._watched:
                    (self._near if self._is_near(value, self._fetched_at) else self._others)[name] += 1
            if self._rows % _FEW == 0:
                self._watched = frozenset(name for name, count in self._near.items() if self._is_likely(name, count))
                if not self._watched:
                    return

    def fields(self) -> frozenset[str]:
        """Fields with the time of the request, in nearly all models that have the field."""
        return frozenset(
            name
            for name, count in self._near.items()
            if (self._watched is None or name in self._watched)
            and count >= _NEARLY_ALL * (count + self._others[name])
            and count >= _HALF * self._rows
        )

    def issues(self) -> Iterable[dict[str, Any]]:
        """An issue for each of these fields."""
        for name in sorted(self.fields()):
            yield issue(
                "request_time",
                "info",
                f"{name} holds the time of the request for {self._near[name]} of {self._rows} models: left out",
                expected="times that say something about the models",
                actual=f"{self._near[name]} times within {_NEAR / 60:.0f} minutes of the fetch",
                recovery="None needed; a person may take the field out of the rule.",
            )

    def _is_likely(self, name: str, near: int) -> bool:
        return self._others[name] <= max(1, (1 - _NEARLY_ALL) * near)

    def _is_near(self, value: Any, fetched_at: float) -> bool:
        may_be_written = isinstance(value, str) and any(year in value for year in self._years)
        seconds = seconds_of(value) if may_be_written else None
        if seconds is None and (seconds := number(value)) is not None and abs(seconds) > MILLISECONDS:
            seconds /= 1000
        return seconds is not None and abs(seconds - fetched_at) <= _NEAR
