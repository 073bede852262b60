"""Reads the known keys of `metadata_json`, each as its one type (`metadata` in `data/fields.toml`)."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from provider_pipeline.rules.dates import read_time
from provider_pipeline.rules.issues import prose
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.values import (
    MAX_ENTRIES,
    MAX_TEXT,
    BadValueError,
    check_storable,
    json_type,
    read_metadata,
)
from provider_pipeline.rules.work import CHARACTERS_PER_STEP, LIST_STEPS, Work, WorkExceededError

NOT_OF_TYPE: Final = "not_of_type"
"""Reason of a fact that is left out because it is not of its key's type; no such value ever holds a listing."""
_COUNT = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*([kmbt]?)", re.IGNORECASE)
_SCALES: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_MAX_COUNT: Final = 10**15
_MAX_COUNT_TEXT: Final = 40
_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False}

_Key = Mapping[str, Any]


def metadata_reader(name: str) -> Callable[[Any, Work], Any]:
    """What reads a field that is kept in `metadata_json`; a name that `data/fields.toml` lacks takes any JSON.

    The reader returns None for a blank value, and raises `BadValueError` for one that does not fit the key's type.
    """
    key: _Key | None = read_table("fields.toml")["metadata"].get(name)
    if key is None:
        return read_metadata
    return _text_reader(key) if key["type"] == "text" else functools.partial(_READERS[key["type"]], key)


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
    """A count; `7B` and `8.0B` are billions. Zero and -1 state none."""
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
