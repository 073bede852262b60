"""Points in time as people write them: a date, a time, or how long from now.

Here: reading them. Not here: drawing them (`console.py`).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import typer

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN: Final = re.compile(r"(\d{1,6})([mhdw])")
TIME_HELP: Final = (
    "a time such as 2026-11-23 or 2026-11-23T12:00Z (UTC where it names no zone), or a span such as 36h or 2d"
)


def parse_moment(text: str, *, now: datetime, direction: Literal["ago", "ahead"] = "ago") -> datetime:
    """The moment that a text names.

    Args:
        text: ISO 8601, in UTC where it names no zone; or a number and one of m, h, d and w.
        now: What a span counts from.
        direction: Whether a span leads into the past or the future.

    Raises:
        typer.BadParameter: It is neither.

    Example:
        >>> parse_moment("36h", now=datetime(2026, 11, 23, tzinfo=UTC)).isoformat()
        '2026-11-21T12:00:00+00:00'
    """
    try:
        if span := _SPAN.fullmatch(text.strip()):
            distance = timedelta(**{_UNITS[span[2]]: int(span[1])})
            return now - distance if direction == "ago" else now + distance
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not {TIME_HELP}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def optional_moment(text: str | None, *, direction: Literal["ago", "ahead"] = "ago") -> datetime | None:
    """The moment that an option names, counted from now; None where it is left out."""
    return None if text is None else parse_moment(text, now=datetime.now(UTC), direction=direction)
