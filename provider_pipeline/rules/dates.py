"""Reads dates as listings write them: dates, times, months, and seconds or milliseconds since 1970."""

import functools
import re
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.values import BadValueError, json_type

_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})")
_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_COMPACT = re.compile(r"(20\d{2})(\d{2})(\d{2})")
_NAMED_FORMATS: Final = ("%B %Y", "%b %Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")
_DIGIT = re.compile(r"\d")
_SECONDS = re.compile(r"[0-9]{9,13}(?:\.[0-9]+)?")
MILLISECONDS: Final = 1e11
"""From here on, numbers are milliseconds since 1970, not seconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = range(1990, 2101)
_MAX_TEXT: Final = 64
_DAY_KEYS: Final = ("year", "month", "day")
_SCALARS: Final = (int, str, float)


def read_date(value: Any) -> str | None:
    """A date as `YYYY-MM-DD`, in UTC; a month is its first day. None if it is blank, zero, or a word for no date.

    Raises:
        BadValueError: It is not a date, or out of the range of models' dates.
    """
    found = read_time(value)
    return None if found is None else found.partition("T")[0]


def date_range() -> str:
    """The days that `read_date` returns, in words."""
    first, last = (f(year for year in _YEARS if year not in _no_date()) for f in (min, max))
    return f"from {first}-01-01 to {last}-12-31"


def read_time(value: Any) -> str | None:
    """As `read_date`, with the time of day: `2026-03-01T12:00:00Z`. A date without one is its midnight."""
    return _time_of(value) if type(value) in _SCALARS else _written_time(value)


def _written_time(value: Any) -> str | None:
    found = read_moment(value)
    return None if found is None else found.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


# Listings repeat their dates, within a listing and from one to the next; 1 and True are different values.
_time_of = functools.lru_cache(maxsize=8_192, typed=True)(_written_time)


def read_moment(value: Any) -> datetime | None:
    """Parse the result of `read_date` or `read_time`."""
    if value is None or value == "" or (value == 0 and not isinstance(value, bool)):
        return None
    if isinstance(value, str):
        found = _written(value.strip()) if len(value) <= _MAX_TEXT else None
    elif isinstance(value, dict):
        found = _of_parts(value)
    else:
        found = _since_1970(value)
    if found is None:
        raise BadValueError("not_a_date", f"the date is a JSON {json_type(value)} that is not a date")
    if found.year in _no_date():
        return None
    if found.year not in _YEARS:
        raise BadValueError("implausible_date", f"the year is not in {_YEARS.start} to {_YEARS.stop - 1}")
    return found


@functools.cache
def _no_date() -> frozenset[int]:
    return frozenset(read_table("dates.toml")["no_date"])


def _written(text: str) -> datetime | None:
    try:
        if found := _MONTH.fullmatch(text):
            return datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)
        if found := _DAY.fullmatch(text) or _COMPACT.fullmatch(text):
            return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
        if _SECONDS.fullmatch(text):
            return _since_1970(float(text))
        return _moment(text)
    except ValueError:
        return None


def _of_parts(parts: dict[str, Any]) -> datetime | None:
    """The date of an object such as `{"year": 2026, "month": 3, "day": 1}`, as Google's APIs write it."""
    if set(parts) != {*_DAY_KEYS} or any(type(number) is not int for number in parts.values()):
        return None
    try:
        return datetime(parts["year"], parts["month"], parts["day"], tzinfo=UTC)
    except (OverflowError, ValueError):
        return None


def _since_1970(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    seconds = value / 1_000 if abs(value) >= MILLISECONDS else value
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def seconds_of(value: Any) -> float | None:
    """The seconds since 1970 of a text with a date and a time of day; None for anything else, and for midnight."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not _DIGIT.search(value):
        return None
    found = _iso_or_http(value.strip())
    return None if found is None or found.time() == time() else found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def _iso_or_http(text: str) -> datetime | None:
    """A written time in the zone in which it is written, if any."""
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        try:
            return parsedate_to_datetime(text)
        except ValueError:
            return None


def _moment(text: str) -> datetime | None:
    """A written time, or a date with the month's name."""
    moment = _iso_or_http(text)
    if moment is None:
        for form in _NAMED_FORMATS:
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the first or the last hours of the calendar
        return moment.replace(tzinfo=UTC)
