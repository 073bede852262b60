"""What accepted rows amount to: their profile, the invariants they break, and how far they moved.

Here: counting rows as they come, and the issues that follow from the counts. Not here: which rows are accepted
(`judge.py`) and comparing two listings as a whole (`plausibility.py`). Explained in docs/rules.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provider_pipeline.rules.capabilities import contradicts
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.plausibility import Movement
from provider_pipeline.rules.profile import Profile, ProfileBuilder
from provider_pipeline.rules.thresholds import Thresholds

Rows = Sequence[Mapping[str, Any]]

PreviousRows = Callable[[Rows], Mapping[str, Mapping[str, Any]]]
"""From rows to what they were when they were last accepted, by model id; those that were not there are left out."""


class Offenders:
    """How many models break an invariant, and the first few of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, model_id: str) -> None:
        """Count one model."""
        self.count += 1
        if len(self.first) < SAMPLE_SIZE:
            self.first.append(model_id)


class Tally:
    """Counts accepted rows.

    Args:
        thresholds: How far a row may move.
        previous_rows: Gives what rows were before; None without history.
    """

    def __init__(self, thresholds: Thresholds, previous_rows: PreviousRows | None) -> None:
        self._previous_rows = previous_rows
        self._movement = Movement(thresholds)
        self._profile = ProfileBuilder()
        self._over_context = Offenders()
        self._both_limits = 0
        self._contradictions = Offenders()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows."""
        self._profile.add(rows)
        self._check_invariants(rows)
        if self._previous_rows is not None and rows:
            before = self._previous_rows(rows)
            for row in rows:
                if row["model_id"] in before:
                    self._movement.compare(row, before[row["model_id"]])

    def profile(self) -> Profile:
        """What the rows look like as a whole."""
        return self._profile.profile()

    def violations_share(self, count: int) -> float:
        """The share of the models, of which there are `count`, that break an invariant."""
        return max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / max(1, count))

    def movement_issues(self) -> list[dict[str, Any]]:
        """What the moves of single rows amount to."""
        return self._movement.issues()

    def invariant_issues(self, count: int, allowed: float) -> Iterable[dict[str, Any]]:
        """The invariants that some of the models break, of which there are `count`.

        Args:
            count: How many models there are.
            allowed: The share that may.
        """
        for kind, offenders, among, message in (
            ("output_above_context", self._over_context, self._both_limits, "an output limit above the context length"),
            ("contradictory_capabilities", self._contradictions, count, "capabilities that exclude each other"),
        ):
            if offenders.count:
                share = offenders.count / among
                yield issue(
                    kind,
                    "error" if share > allowed and offenders.count > 1 else "warning",
                    f"{offenders.count} of {among} models have {message}",
                    expected=f"at most {allowed:.0%} of them",
                    actual=f"{share:.0%}",
                    sample=offenders.first,
                    recovery="Check the fields and the capability patterns in the rule.",
                )

    def _check_invariants(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            output = row["max_output_tokens"]
            if output is not None and (context := row["context_length"]) is not None:
                self._both_limits += 1
                if output > context:
                    self._over_context.add(row["model_id"])
            if contradicts(row["capabilities"]):
                self._contradictions.add(row["model_id"])
