"""Whether a listing can be true, given one that was accepted before.

Here: how many models came, stayed and went, and which fields they have. Not here: counting them (`succession.py`), and
the listing's own faults (`judge.py`). The guards and their defaults are explained in docs/rules.md.
"""

from collections.abc import Iterable
from typing import Any, Final

from provider_pipeline.rules.guards import remedy
from provider_pipeline.rules.history import Baseline
from provider_pipeline.rules.issues import Severity, issue
from provider_pipeline.rules.profile import FILLED, NUMERIC, Profile
from provider_pipeline.rules.succession import Stays
from provider_pipeline.rules.thresholds import Thresholds

_SEVERITIES: Final = ("error", "warning", "info")
_MANY_VALUES: Final = 5
"""A column with so many different numbers is not known to have one for all."""


def compare_with_baseline(
    current: Profile, baseline: Baseline, stays: Stays, thresholds: Thresholds
) -> Iterable[dict[str, Any]]:
    """What is implausible about a listing as a whole, beside an accepted one."""
    if not baseline.profile.count or not current.count:
        return
    guard = _Guard(current, baseline, stays, thresholds)
    yield from guard.shrink()
    yield from guard.growth()
    yield from guard.turnover()
    yield from guard.fields()


def looks_replaced(stays: Stays, thresholds: Thresholds) -> bool:
    """Whether so many models seem to be gone that it is worth asking for them under other spellings."""
    return stays.share < max(thresholds.min_id_overlap, 1 - thresholds.warn_share)


def worst_of_each(issues: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of issues of one type the most severe, and of those the first."""
    found: dict[str, dict[str, Any]] = {}
    for entry in issues:
        known = found.get(entry["type"])
        if known is None or _SEVERITIES.index(entry["severity"]) < _SEVERITIES.index(known["severity"]):
            found[entry["type"]] = entry
    return list(found.values())


class _Guard:
    """A listing beside an accepted one."""

    def __init__(self, current: Profile, baseline: Baseline, stays: Stays, thresholds: Thresholds) -> None:
        self._current, self._previous, self._name = current, baseline.profile, baseline.name
        self._stays = stays
        self._thresholds = thresholds

    def shrink(self) -> Iterable[dict[str, Any]]:
        """The listing has far fewer models."""
        allowed = self._thresholds.min_count_ratio
        ratio = self._current.count / self._previous.count
        if ratio < allowed:
            yield issue(
                "listing_shrunk",
                *self._held(
                    f"the listing has {_models(self._current.count)}, {self._name} had {self._previous.count:,}"
                ),
                expected=f"at least {allowed:.0%} of that count",
                actual=f"{ratio:.0%}",
                recovery="Usually a partial answer: fetch again. If models were really withdrawn, "
                f"{remedy('shrink', 'min_count_ratio')}.",
            )

    def growth(self) -> Iterable[dict[str, Any]]:
        """The listing has far more models, and they are new ones."""
        limits, new = self._thresholds, self._stays.new
        times = self._current.count / self._previous.count
        held = times > limits.max_growth and new > limits.max_new_models
        if held or new >= max(limits.min_models_compared, limits.warn_share * self._previous.listed):
            yield issue(
                "listing_grew",
                "error" if held else "warning",
                f"the listing has {_models(self._current.count)}, {self._name} had {self._previous.count:,}: "
                f"{self._who_stayed()}",
                expected=f"at most {limits.max_growth:g} times as many, or at most {limits.max_new_models:,} new ones"
                if held
                else f"new models fewer than {limits.warn_share:.0%} of the known ones",
                actual=f"{times:.3g} times as many, {new:,} new",
                recovery="Check that the rule reads models and nothing else. If they are, "
                f"{remedy('growth', 'max_growth')}."
                if held
                else "Nothing to do if the provider really added them.",
            )

    def turnover(self) -> Iterable[dict[str, Any]]:
        """Most models are others than before."""
        limits, share = self._thresholds, self._stays.share
        held = share < limits.min_id_overlap
        gone = self._stays.before - self._stays.stayed
        if not held and gone < max(limits.min_models_compared, limits.warn_share * self._stays.before):
            return
        now, before = (each.with_slash / each.count for each in (self._current, self._previous))
        if held and self._is_evidence and abs(now - before) > 0.8:
            yield issue(
                "id_form_changed",
                "error",
                f"the ids are written in another form than in {self._name}: {self._who_stayed()}",
                expected=f"{before:.0%} of the ids with an owner before a slash",
                actual=f"{now:.0%}",
                recovery="Check which field callers pass to the API, and regenerate the rule if it moved. If they pass "
                f"this one, {remedy('turnover', 'min_id_overlap')}.",
            )
            return
        yield issue(
            "listing_turned_over",
            *self._held(self._who_stayed(), held=held),
            expected=f"at least {limits.min_id_overlap:.0%} of the models of {self._name} still listed",
            actual=f"{share:.0%}",
            recovery="The rule reads the listing, but most models are others. If that is genuine, "
            f"{remedy('turnover', 'min_id_overlap')}.",
        )

    def fields(self) -> Iterable[dict[str, Any]]:
        """A field is given for far fewer models, or is the same for all."""
        if min(self._current.count, self._previous.count) < self._thresholds.min_models_compared:
            return
        for column in FILLED:
            before, now = self._previous.fill_rate(column), self._current.fill_rate(column)
            least = before * (1 - self._thresholds.max_fill_drop)
            if before >= 0.2 and now < least:
                yield issue(
                    "field_vanished",
                    "error",
                    f"{column} is given for {now:.0%} of the models, it was {before:.0%} in {self._name}",
                    expected=f"at least {least:.0%}",
                    actual=f"{now:.0%}",
                    recovery="The field was probably renamed or moved: regenerate the rule. If it is gone, "
                    f"{remedy('fields', 'max_fill_drop')}.",
                )
        for column in NUMERIC:
            if (
                self._previous.distinct.get(column, 0) >= _MANY_VALUES
                and self._current.distinct.get(column, 0) == 1
                and self._current.fill_rate(column) > 0.5
            ):
                yield issue(
                    "one_value_for_all",
                    "error",
                    f"every model now has the same {column}; {self._name} had many values",
                    expected=f"{self._previous.distinct[column]} or so different values",
                    actual=1,
                    recovery="A placeholder took the field's place: check the provider's listing and regenerate the "
                    "rule. If the value is right, accept it once (--accept fields --reason WHY).",
                )

    @property
    def _is_evidence(self) -> bool:
        """Whether the models of before are enough for a share of them to say anything."""
        return self._previous.count >= self._thresholds.min_models_compared

    def _held(self, message: str, *, held: bool = True) -> tuple[Severity, str]:
        """The severity of a share that is out of bounds, with the message."""
        if not held or self._is_evidence:
            return ("error" if held else "warning"), message
        least = self._thresholds.min_models_compared
        return "warning", f"{message} (a share of fewer than {least} models holds nothing)"

    def _who_stayed(self) -> str:
        stays = self._stays
        return (
            f"{stays.stayed:,} of the {_models(stays.before)} of {self._name} {_are(stays.stayed)} still listed, "
            f"{stays.new:,} {_are(stays.new)} new"
        )


def _models(count: int) -> str:
    return f"{count:,} model{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
