"""Reads dates as listings write them: dates, times, months, and seconds or milliseconds since 1970."""

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from provider_pipeline.rules.values import BadValueError, json_type

_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})")
_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_COMPACT = re.compile(r"(20\d{2})(\d{2})(\d{2})")
_NAMED_FORMATS: Final = ("%B %Y", "%b %Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")
_SECONDS = re.compile(r"[0-9]{9,13}(?:\.[0-9]+)?")
_MILLISECONDS: Final = 1e11
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS: Final = range(1990, 2101)
_MAX_TEXT: Final = 64


def read_date(value: Any) -> str | None:
    """A date as `YYYY-MM-DD`, in UTC; a month is its first day. None if it is blank or zero.

    Raises:
        BadValueError: It is not a date, or none of a model's.
    """
    if value is None or value == "" or (value == 0 and not isinstance(value, bool)):
        return None
    found = _written(value.strip()) if isinstance(value, str) and len(value) <= _MAX_TEXT else _since_1970(value)
    if found is None:
        raise BadValueError("not_a_date", f"the date is a JSON {json_type(value)} that is not a date")
    if found.year not in _YEARS:
        raise BadValueError("implausible_date", f"the year is not in {_YEARS.start} to {_YEARS.stop - 1}")
    return found.isoformat()


def _written(text: str) -> date | None:
    try:
        if found := _MONTH.fullmatch(text):
            return date(int(found[1]), int(found[2]), 1)
        if found := _DAY.fullmatch(text) or _COMPACT.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if _SECONDS.fullmatch(text):
            return _since_1970(float(text))
        return _moment(text)
    except ValueError:
        return None


def _since_1970(value: Any) -> date | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    seconds = value / 1_000 if abs(value) >= _MILLISECONDS else value
    try:
        return (_EPOCH + timedelta(seconds=seconds)).date()
    except (OverflowError, ValueError):
        return None


def _moment(text: str) -> date | None:
    """The day, in UTC, of a written time or of a date with the month's name."""
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        for form in _NAMED_FORMATS:
            try:
                return datetime.strptime(text, form).date()  # noqa: DTZ007  # a day, not an instant
            except ValueError:
                continue
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
