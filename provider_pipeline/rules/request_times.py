"""Recognises fields that hold the time of the request, which would make every model look changed at every sync."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from provider_pipeline.rules.dates import MILLISECONDS, seconds_of
from provider_pipeline.rules.issues import issue
from provider_pipeline.rules.values import number

_NEAR: Final = timedelta(minutes=10).total_seconds()
"""Room for clocks that differ, and for a fetch of many pages."""
_DAY: Final = timedelta(days=1)
_NEARLY_ALL: Final = 0.95
_HALF: Final = 0.5
_FEW: Final = 20
"""Other values after which a field that mostly holds them is not looked at any more."""


class RequestTimes:
    """Counts, page by page, the values of metadata fields that are times near the fetch.

    A model can be that young, and a server may have been started just now: the field is then left out until its values
    are older, and kept from there on.

    Args:
        fetched_at: The time of the fetch; None to look at nothing.
    """

    def __init__(self, fetched_at: datetime | None) -> None:
        self._fetched_at = None if fetched_at is None else fetched_at.timestamp()
        # Written times near the fetch hold such a year, in any zone and form; most texts do not, and are not parsed.
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
        """The fields that hold the time of the request for nearly every model that has one."""
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
