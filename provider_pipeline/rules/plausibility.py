"""Compares a listing with an accepted one: kept, new and lost models, moved values, lost fields.

docs/rules.md explains the guards and their defaults.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from provider_pipeline.rules.history import Baseline, Once
from provider_pipeline.rules.issues import SAMPLE_SIZE, Severity, issue, remedy
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS
from provider_pipeline.rules.prices import amounts_of
from provider_pipeline.rules.rows import FILLED, NUMERIC, Profile
from provider_pipeline.rules.thresholds import Thresholds

_limits = operator.itemgetter(*LIMIT_COLUMNS)
_NO_LIMITS: Final = (None,) * len(LIMIT_COLUMNS)
_UP: Final = 1
_DOWN: Final = 2


@dataclass(frozen=True)
class Overlap:
    """Exact number of models kept since an accepted listing.

    Attributes:
        before: Models of that listing.
        stayed: Those of them listed now.
        new: Models listed now that the catalogue did not know then.
    """

    before: int
    stayed: int = 0
    new: int = 0

    @property
    def share(self) -> float:
        """The share of that listing's models that stayed; 1 if it had none."""
        return self.stayed / self.before if self.before else 1.0


@dataclass(frozen=True)
class Unchanged:
    """Models unchanged since every baseline, which are only counted: nearly all of an hourly sync.

    Attributes:
        models: Their number.
        priced: Those with a price.
        limited: Those with a limit.
    """

    models: int
    priced: int
    limited: int

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """The counts of rows of a listing."""
        unpriced = [row["prices"] for row in rows].count({})
        unlimited = [_limits(row) for row in rows].count(_NO_LIMITS)
        return cls(len(rows), len(rows) - unpriced, len(rows) - unlimited)


class BaselineComparison:
    """Compares a listing's rows with their versions in an accepted listing."""

    def __init__(self, baseline: Baseline, thresholds: Thresholds) -> None:
        self.baseline = baseline
        self._thresholds = thresholds
        self._stayed = self._new = 0
        self._prices = _Moves(amounts_of, self._price_jumped)
        self._limits = _Moves(_limits_of, self._limit_shrank)

    def add_unchanged(self, rows: Unchanged) -> None:
        """Count rows whose models were the same at the baseline."""
        self._stayed += rows.models
        self._prices.compared += rows.priced
        self._limits.compared += rows.limited

    def add(self, row: Mapping[str, Any], once: Once) -> None:
        """Count one row, given its model at the baseline."""
        self._stayed += once.listed
        if once.known and once.values is not None:  # a model listed again still has its old values
            self._prices.add(row, once.values)
            self._limits.add(row, once.values)
        else:
            self._new += 1

    def overlap(self, *, respelled: int = 0) -> Overlap:
        """The models that stayed; `respelled` ones, whose id changed its case, were counted as new."""
        return Overlap(self.baseline.profile.listed, self._stayed + respelled, max(0, self._new - respelled))

    def movement_issues(self) -> Iterable[dict[str, Any]]:
        """Moved values: an error when too many models moved too far, a warning when some or most did."""
        limits = self._thresholds
        yield from self._jumps(
            self._prices,
            "prices_jumped",
            limits.max_price_jump_share,
            f"a price that moved by more than {limits.price_factor:g} times or crossed zero",
            remedy("prices", "max_price_jump_share"),
        )
        yield from self._jumps(
            self._limits,
            "limits_shrank",
            limits.max_limit_shrink_share,
            f"a context or output limit that was divided by more than {limits.limit_factor:g}",
            remedy("limits", "max_limit_shrink_share"),
        )
        yield from self._trend(self._prices, "prices_moved", "prices")
        yield from self._trend(self._limits, "limits_moved", "limits")

    def _price_jumped(self, old: float, new: float) -> bool:
        if (old == 0) != (new == 0):
            return True
        return old > 0 and max(old / new, new / old) > self._thresholds.price_factor

    def _limit_shrank(self, old: float, new: float) -> bool:
        return new * self._thresholds.limit_factor < old

    def _jumps(self, moves: "_Moves", kind: str, allowed: float, what: str, how: str) -> Iterable[dict[str, Any]]:
        if not moves.jumped:
            return
        # One move among a few models proves nothing; but if all their prices jump together, a unit has changed.
        telling = moves.compared >= self._thresholds.min_models_compared or (
            moves is self._prices and moves.jumped == moves.compared > 1
        )
        blocks = telling and moves.jumped / moves.compared > allowed
        yield issue(
            kind,
            "error" if blocks else "warning",
            f"{moves.jumped:,} of {moves.compared:,} models have {what} since {self.baseline.name}",
            expected=f"at most {allowed:.0%} of the models",
            actual=f"{moves.jumped / moves.compared:.0%}",
            sample=moves.sample,
            recovery=f"Look at the provider's listing. If the change is genuine, {how}; otherwise repair the rule."
            if blocks
            else "Nothing to do if the provider announced it.",
        )

    def _trend(self, moves: "_Moves", kind: str, what: str) -> Iterable[dict[str, Any]]:
        for direction, count in moves.moved.items():
            least = max(self._thresholds.min_models_compared, self._thresholds.warn_share * moves.compared)
            if count < least or count == 0:
                continue
            largest = moves.largest[direction]
            yield issue(
                kind,
                "warning",
                f"the {what} of {count:,} of {moves.compared:,} models {'rose' if direction == _UP else 'fell'} since "
                f"{self.baseline.name}{f', by up to {largest:.3g} times' if largest > 1 else ''}",
                expected=f"less than {self._thresholds.warn_share:.0%} of the models moving the same way",
                actual=f"{count / moves.compared:.0%}",
                recovery="Nothing to do if the provider announced it.",
            )


@dataclass
class _Moves:
    """Moves of one kind of value."""

    values_of: Callable[[Mapping[str, Any]], Mapping[str, float | None]]
    has_jumped: Callable[[float, float], bool]
    compared: int = 0
    jumped: int = 0
    moved: dict[int, int] = field(default_factory=lambda: {_UP: 0, _DOWN: 0})
    """Models whose values all moved in this direction."""
    largest: dict[int, float] = field(default_factory=lambda: {_UP: 1.0, _DOWN: 1.0})
    sample: list[str] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Count one model."""
        comparable, ways, jump = False, 0, None
        now = self.values_of(row)
        for column, then in self.values_of(before).items():
            if then is None or (value := now.get(column)) is None:
                continue
            comparable = True
            old, new = float(then), float(value)
            if old == new:
                continue
            way = _UP if new > old else _DOWN
            ways |= way
            if old and new:
                self.largest[way] = max(self.largest[way], old / new, new / old)
            if jump is None and self.has_jumped(old, new):
                jump = f"{column} {old:g} -> {new:g}"
        self.compared += comparable
        if ways in self.moved:
            self.moved[ways] += 1
        if jump is not None:
            self.jumped += 1
            if len(self.sample) < SAMPLE_SIZE:
                self.sample.append(f"{row.get('model_id')}: {jump}")


def _limits_of(row: Mapping[str, Any]) -> Mapping[str, float | None]:
    return {column: row.get(column) for column in LIMIT_COLUMNS}


_MANY_VALUES: Final = 5
"""A column with this many different numbers does not have the same value everywhere."""


def compare_with_baseline(
    current: Profile, baseline: Baseline, overlap: Overlap, thresholds: Thresholds
) -> Iterable[dict[str, Any]]:
    """Issues of a listing as a whole, compared with an accepted one."""
    if not baseline.profile.count or not current.count:
        return
    guard = _Guard(current, baseline, overlap, thresholds)
    yield from guard.shrink()
    yield from guard.growth()
    yield from guard.turnover()
    yield from guard.fields()


def looks_replaced(overlap: Overlap, thresholds: Thresholds) -> bool:
    """Whether enough models seem gone to look for them under other spellings."""
    return overlap.share < max(thresholds.min_id_overlap, 1 - thresholds.warn_share)


class _Guard:
    def __init__(self, current: Profile, baseline: Baseline, overlap: Overlap, thresholds: Thresholds) -> None:
        self._current, self._previous, self._name = current, baseline.profile, baseline.name
        self._overlap = overlap
        self._thresholds = thresholds

    def shrink(self) -> Iterable[dict[str, Any]]:
        allowed = self._thresholds.min_count_ratio
        ratio = self._current.count / self._previous.count
        if ratio < allowed:
            yield issue(
                "listing_shrunk",
                *self._severity(
                    f"the listing has {_models(self._current.count)}, {self._name} had {self._previous.count:,}"
                ),
                expected=f"at least {allowed:.0%} of that count",
                actual=f"{ratio:.0%}",
                recovery="Usually a partial answer: fetch again. If models were really withdrawn, "
                f"{remedy('shrink', 'min_count_ratio')}.",
            )

    def growth(self) -> Iterable[dict[str, Any]]:
        limits, new = self._thresholds, self._overlap.new
        times = self._current.count / self._previous.count
        blocks = times > limits.max_growth and new > limits.max_new_models
        if blocks or new >= max(limits.min_models_compared, limits.warn_share * self._previous.listed):
            yield issue(
                "listing_grew",
                "error" if blocks else "warning",
                f"the listing has {_models(self._current.count)}, {self._name} had {self._previous.count:,}: "
                f"{self._who_stayed()}",
                expected=f"at most {limits.max_growth:g} times as many, or at most {limits.max_new_models:,} new ones"
                if blocks
                else f"new models fewer than {limits.warn_share:.0%} of the known ones",
                actual=f"{times:.3g} times as many, {new:,} new",
                recovery="Check that the rule reads models and nothing else. If they are, "
                f"{remedy('growth', 'max_growth')}."
                if blocks
                else "Nothing to do if the provider really added them.",
            )

    def turnover(self) -> Iterable[dict[str, Any]]:
        limits, share = self._thresholds, self._overlap.share
        blocks = share < limits.min_id_overlap
        gone = self._overlap.before - self._overlap.stayed
        if not blocks and gone < max(limits.min_models_compared, limits.warn_share * self._overlap.before):
            return
        now, before = (each.with_slash / each.count for each in (self._current, self._previous))
        if blocks and self._is_evidence and abs(now - before) > 0.8:
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
            *self._severity(self._who_stayed(), blocks=blocks),
            expected=f"at least {limits.min_id_overlap:.0%} of the models of {self._name} still listed",
            actual=f"{share:.0%}",
            recovery="The rule reads the listing, but most models are others. If that is genuine, "
            f"{remedy('turnover', 'min_id_overlap')}.",
        )

    def fields(self) -> Iterable[dict[str, Any]]:
        if min(self._current.count, self._previous.count) < self._thresholds.min_models_compared:
            return
        for column in dict.fromkeys((*FILLED, *self._previous.filled)):
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
        """Whether there were enough models before for a share of them to mean anything."""
        return self._previous.count >= self._thresholds.min_models_compared

    def _severity(self, message: str, *, blocks: bool = True) -> tuple[Severity, str]:
        if not blocks or self._is_evidence:
            return ("error" if blocks else "warning"), message
        least = self._thresholds.min_models_compared
        return "warning", f"{message} (a share of fewer than {least} models only warns)"

    def _who_stayed(self) -> str:
        overlap = self._overlap
        return (
            f"{overlap.stayed:,} of the {_models(overlap.before)} of {self._name} {_are(overlap.stayed)} still listed, "
            f"{overlap.new:,} {_are(overlap.new)} new"
        )


def _models(count: int) -> str:
    return f"{count:,} model{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
