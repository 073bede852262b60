"""Whether a listing can be true, given the last one that was accepted.

Here: comparing two profiles, and rows with their last accepted selves. Not here: the listing's own faults (`judge.py`).
The guards and their defaults are explained in docs/rules.md.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from provider_pipeline.rules.guards import GUARDS
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.profile import FILLED, NUMERIC, Profile
from provider_pipeline.rules.thresholds import Thresholds

_SMALL: Final = 5
"""Fewer models than this say little about shares."""
_PRICES: Final = ("input_price", "output_price")
_LIMITS: Final = ("context_length", "max_output_tokens")
MOVING_COLUMNS: Final = (*_PRICES, *_LIMITS)
"""What a row is held against its last accepted self by."""
_HOLD: Final = "Look at the provider's listing. If the change is genuine, accept it; otherwise repair the rule."


def accepted_by_hand(issues: Iterable[dict[str, Any]], guards: Collection[str]) -> list[dict[str, Any]]:
    """The issues, with those that a person accepted as warnings that say so."""
    taken = frozenset().union(*(GUARDS[guard] for guard in guards))
    return [
        {**entry, "severity": "warning", "recovery": "Accepted by hand."}
        if entry["type"] in taken and entry["severity"] == "error"
        else entry
        for entry in issues
    ]


def compare_profiles(current: Profile, previous: Profile, thresholds: Thresholds) -> list[dict[str, Any]]:
    """What is implausible about a listing as a whole, beside the last accepted one."""
    if not previous.count or not current.count:
        return []
    return [
        *_count_issues(current, previous, thresholds),
        *_id_issues(current, previous, thresholds),
        *_fill_issues(current, previous, thresholds),
    ]


def compare_medians(current: Profile, previous: Profile, thresholds: Thresholds) -> list[dict[str, Any]]:
    """Price jumps seen from the profiles alone, for when the rows themselves are not at hand."""
    found = []
    for column in _PRICES:
        now, before = current.medians.get(column), previous.medians.get(column)
        if now and before and max(now / before, before / now) > thresholds.price_factor:
            found.append(
                issue(
                    "prices_jumped",
                    "error",
                    f"the median {column} moved from {before:g} to {now:g} USD per million tokens",
                    expected=f"within a factor of {thresholds.price_factor:g}",
                    actual=round(max(now / before, before / now), 2),
                    recovery="Check the price unit in the rule; a provider that changes its unit moves every price.",
                )
            )
    return found


def _count_issues(current: Profile, previous: Profile, thresholds: Thresholds) -> Iterable[dict[str, Any]]:
    ratio = current.count / previous.count
    if ratio < thresholds.min_count_ratio:
        yield issue(
            "listing_shrunk",
            "error",
            f"the listing has {current.count} models, the last accepted one had {previous.count}",
            expected=f"at least {thresholds.min_count_ratio:.0%} of the last count",
            actual=f"{ratio:.0%}",
            recovery="Usually a partial answer: fetch again. If models were really withdrawn, accept the listing.",
        )


def _id_issues(current: Profile, previous: Profile, thresholds: Thresholds) -> Iterable[dict[str, Any]]:
    overlap = current.overlap(previous)
    if overlap >= thresholds.min_id_overlap:
        return
    slash_now, slash_before = current.with_slash / current.count, previous.with_slash / previous.count
    if abs(slash_now - slash_before) > 0.8:
        yield issue(
            "id_form_changed",
            "error",
            "the ids are written in another form than in the last accepted listing",
            expected=f"{slash_before:.0%} of the ids with an owner before a slash",
            actual=f"{slash_now:.0%}",
            recovery="Check which field callers pass to the API, and regenerate the rule if it moved.",
        )
        return
    yield issue(
        "listing_turned_over",
        "error",
        f"only {overlap:.0%} of the last accepted ids are still listed; the listing is held for a decision",
        expected=f"at least {thresholds.min_id_overlap:.0%} of the last ids",
        actual=f"{overlap:.0%}",
        recovery="The rule reads the listing, but nearly all models are others. Accept it if that is genuine.",
    )


def _fill_issues(current: Profile, previous: Profile, thresholds: Thresholds) -> Iterable[dict[str, Any]]:
    if min(current.count, previous.count) < _SMALL:
        return
    for column in FILLED:
        before, now = previous.fill_rate(column), current.fill_rate(column)
        if before >= 0.2 and now < before * (1 - thresholds.max_fill_drop):
            yield issue(
                "field_vanished",
                "error",
                f"{column} is given for {now:.0%} of the models, it was {before:.0%} in the last accepted listing",
                expected=f"at least {before * (1 - thresholds.max_fill_drop):.0%}",
                actual=f"{now:.0%}",
                recovery="The field was probably renamed or moved: regenerate the rule.",
            )
    for column in NUMERIC:
        if (
            previous.distinct.get(column, 0) >= _SMALL
            and current.distinct.get(column, 0) == 1
            and current.fill_rate(column) > 0.5
        ):
            yield issue(
                "one_value_for_all",
                "error",
                f"every model now has the same {column}; the last accepted listing had many values",
                expected=f"{previous.distinct[column]} or so different values",
                actual=1,
                recovery="A placeholder took the field's place: check the provider's listing and regenerate the rule.",
            )


class Movement:
    """Rows beside their last accepted selves: prices that jump or cross zero, limits that shrink."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._compared = {"price": 0, "limit": 0}
        self._moved = {"price": 0, "limit": 0}
        self._sample: dict[str, list[str]] = {"price": [], "limit": []}

    def compare(self, row: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Count one model's moves."""
        self._count("price", _PRICES, row, before)
        self._count("limit", _LIMITS, row, before)

    def issues(self) -> list[dict[str, Any]]:
        """What the moves amount to: an error when too many models moved, a warning when some did."""
        limits = self._thresholds
        return [
            *self._amount(
                "price",
                "prices_jumped",
                limits.max_price_jump_share,
                f"a price that moves by more than {limits.price_factor:g} times or crosses zero",
            ),
            *self._amount(
                "limit",
                "limits_shrank",
                limits.max_limit_shrink_share,
                f"a context or output limit that is divided by more than {limits.limit_factor:g}",
            ),
        ]

    def _count(self, kind: str, columns: tuple[str, ...], row: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        comparable, first = False, None
        for column in columns:
            old, new = before.get(column), row.get(column)
            if old is None or new is None:
                continue
            comparable = True
            if first is None and old != new and self._has_moved(kind, old := float(old), new := float(new)):
                first = f"{column} {old:g} -> {new:g}"
        self._compared[kind] += comparable
        if first is not None:
            self._moved[kind] += 1
            if len(self._sample[kind]) < SAMPLE_SIZE:
                self._sample[kind].append(f"{row.get('model_id')}: {first}")

    def _has_moved(self, kind: str, old: float, new: float) -> bool:
        if kind == "limit":
            return new * self._thresholds.limit_factor < old
        if (old == 0) != (new == 0):
            return True
        return old > 0 and max(old / new, new / old) > self._thresholds.price_factor

    def _amount(self, kind: str, name: str, allowed: float, what: str) -> Iterable[dict[str, Any]]:
        moved, compared = self._moved[kind], self._compared[kind]
        if not moved:
            return
        held = moved / compared > allowed
        yield issue(
            name,
            "error" if held else "warning",
            f"{moved} of {compared} models have {what}",
            expected=f"at most {allowed:.0%} of the models",
            actual=f"{moved / compared:.0%}",
            sample=self._sample[kind],
            recovery=_HOLD if held else "Nothing to do if the provider announced it.",
        )
