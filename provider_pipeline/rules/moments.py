"""Reads times as people write them, in the terminal and in requests."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

SPAN: Final = r"[0-9]{1,6}[mhdw]"
DESCRIPTION: Final = "a time such as 2026-11-23 or 2026-11-23T12:00Z (UTC unless it names a zone), or a span: 36h, 2d"

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, *, now: datetime, direction: Literal["ago", "ahead"] = "ago") -> datetime:
    """The moment that a text names.

    Args:
        text: ISO 8601, in UTC unless it names a zone; or a number and one of m, h, d and w.
        now: Where a span starts.
        direction: Whether a span leads into the past or the future.

    Raises:
        ValueError: It is neither.

    Example:
        >>> parse_moment("36h", now=datetime(2026, 11, 23, tzinfo=UTC)).isoformat()
        '2026-11-21T12:00:00+00:00'
    """
    written = text.strip()
    try:
        if re.fullmatch(SPAN, written):
            distance = timedelta(**{_UNITS[written[-1]]: int(written[:-1])})
            return now - distance if direction == "ago" else now + distance
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not {DESCRIPTION}") from None
