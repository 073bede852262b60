"""A listing as the successor of an accepted one: which models stayed, and how far their prices and limits moved.

Here: counting, row by row, and the issues of moved values. Not here: what the counts of models say (`plausibility.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.guards import remedy
from provider_pipeline.rules.history import Baseline, Once
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS
from provider_pipeline.rules.thresholds import Thresholds

MOVING_COLUMNS: Final = (*PRICE_COLUMNS, *LIMIT_COLUMNS)
"""What a row is held against its earlier selves by."""
_UP: Final = 1
_DOWN: Final = 2


@dataclass(frozen=True)
class Stays:
    """Who stayed since an accepted listing, in exact numbers.

    Attributes:
        before: Models of that listing.
        stayed: How many of them are listed now.
        new: Models that are listed now and that the catalogue did not know then.
    """

    before: int
    stayed: int = 0
    new: int = 0

    @property
    def share(self) -> float:
        """The share of that listing's models that stayed."""
        return self.stayed / self.before if self.before else 1.0


class Succession:
    """Counts a listing's rows beside their selves in an accepted one.

    Args:
        baseline: The accepted listing.
        thresholds: How far rows may move.
    """

    def __init__(self, baseline: Baseline, thresholds: Thresholds) -> None:
        self.baseline = baseline
        self._thresholds = thresholds
        self._stayed = self._new = 0
        self._prices = _Moves(PRICE_COLUMNS, self._price_jumped)
        self._limits = _Moves(LIMIT_COLUMNS, self._limit_shrank)

    def add(self, row: Mapping[str, Any], once: Once) -> None:
        """Counts one row."""
        self._stayed += once.listed
        if once.known:  # one that was away and is back has its old values still
            self._prices.add(row, once.values)
            self._limits.add(row, once.values)
        else:
            self._new += 1

    def stays(self, *, respelled: int = 0, rejected: int = 0) -> Stays:
        """Who stayed.

        Args:
            respelled: Models whose id is now written in another case: they stayed, and were counted as new.
            rejected: Models that stayed, but have no row.
        """
        return Stays(self.baseline.profile.listed, self._stayed + respelled + rejected, max(0, self._new - respelled))

    def movement_issues(self) -> Iterable[dict[str, Any]]:
        """What the moves amount to: an error when too many models moved too far, a warning when some or most did."""
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
        # Of a few models one that moved says nothing; that all their prices jumped together is a unit that changed.
        telling = moves.compared >= self._thresholds.min_models_compared or (
            moves is self._prices and moves.jumped == moves.compared > 1
        )
        held = telling and moves.jumped / moves.compared > allowed
        yield issue(
            kind,
            "error" if held else "warning",
            f"{moves.jumped:,} of {moves.compared:,} models have {what} since {self.baseline.name}",
            expected=f"at most {allowed:.0%} of the models",
            actual=f"{moves.jumped / moves.compared:.0%}",
            sample=moves.sample,
            recovery=f"Look at the provider's listing. If the change is genuine, {how}; otherwise repair the rule."
            if held
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
    """How one kind of value moved."""

    columns: tuple[str, ...]
    has_jumped: Callable[[float, float], bool]
    compared: int = 0
    jumped: int = 0
    moved: dict[int, int] = field(default_factory=lambda: {_UP: 0, _DOWN: 0})
    """Models by the way in which all of their values that moved went."""
    largest: dict[int, float] = field(default_factory=lambda: {_UP: 1.0, _DOWN: 1.0})
    sample: list[str] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        """Counts one model; `before` is None where nothing moved."""
        if before is None:
            self.compared += any(row[column] is not None for column in self.columns)
            return
        comparable, ways, jump = False, 0, None
        for column in self.columns:
            old, new = before.get(column), row.get(column)
            if old is None or new is None:
                continue
            comparable = True
            if old == new:
                continue
            old, new = float(old), float(new)
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
