"""Values that are left out of rows whose models are kept, and the issues that count them."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.issues import REGENERATE, SAMPLE_SIZE, issue, shown
from provider_pipeline.rules.metadata import NOT_OF_TYPE
from provider_pipeline.rules.rows import FILLED, Profile
from provider_pipeline.rules.values import NO_LIMIT

_MAX_ISSUES: Final = 20
_HARMLESS: Final = (NO_LIMIT, NOT_OF_TYPE)
"""Reasons that never hold a listing."""


class SetAside(NamedTuple):
    """A value that cannot be read or cannot be true. Its column is null; the model keeps its row."""

    reason: str
    field: str
    detail: str
    value: Any
    model_id: str


class SetAsideValues:
    """Values that were set aside: counted by column and reason, with the first few of each."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], list[str]] = {}

    def add(self, value: SetAside) -> None:
        """Count one value."""
        kind = (value.field, value.reason, value.detail)
        self._counts[kind] += 1
        first = self._first.setdefault(kind, [])
        if len(first) < SAMPLE_SIZE:
            first.append(f"{value.model_id}: {shown(value.value)}")

    def largest_share(self, profile: Profile, items: int) -> float:
        """The largest share of a column's values that was set aside."""
        return max((count / among for count, among in self._columns(profile, items).values() if count), default=0.0)

    def issues(
        self, profile: Profile, items: int, allowed: float, few: float, before: Collection[str]
    ) -> Iterable[dict[str, Any]]:
        """One issue per column and reason: an error where more than the `allowed` share of a column's values failed.

        A single value, or values of no more than the share `few` of the items, only warn. The only model's value
        does more if the column is in `before`, filled by earlier listings: then the listing has changed.
        """
        columns = self._columns(profile, items)
        for (column, reason, detail), count in sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))[
            :_MAX_ISSUES
        ]:
            total, among = columns[column]
            if reason == NO_LIMIT:
                yield _no_limits(column, count, self._first[column, reason, detail])
                continue
            held = (
                reason != NOT_OF_TYPE
                and total / among > allowed
                and (total > max(1, few * items) or (total == items and column in before))
            )
            yield issue(
                reason,
                "error" if held else "warning",
                f"{count} of {among} values of {column} were set aside: {detail}",
                expected=f"at most {allowed:.0%} of the column's values set aside",
                actual=f"{max(count, total) / among:.1%}",
                sample=self._first[column, reason, detail],
                recovery=REGENERATE if held else "The models are kept without these values.",
            )

    def _columns(self, profile: Profile, items: int) -> dict[str, tuple[int, int]]:
        """The values set aside and all values, by column; of metadata, the items stand for all values."""
        totals = Counter[str]()
        for (column, reason, _), count in self._counts.items():
            totals[column] += 0 if reason in _HARMLESS else count
        return {
            column: (count, count + profile.filled.get(column, 0) if column in FILLED else items)
            for column, count in totals.items()
        }


def _no_limits(column: str, count: int, sample: list[str]) -> dict[str, Any]:
    """So many listings write 0 or -1 where there is no limit that they hold nothing, however many there are."""
    return issue(
        NO_LIMIT,
        "info",
        f"{count} values of {column} are 0 or -1, which states no limit: unknown",
        expected="a number of tokens, or nothing",
        actual=count,
        sample=sample,
        recovery="None needed.",
    )
