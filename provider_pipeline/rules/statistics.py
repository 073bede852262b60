"""What accepted rows amount to: their profile, the invariants they break, and how they follow earlier listings.

Here: counting rows as they come, and the issues that follow from the counts. Not here: which rows are accepted
(`judge.py`), and what is implausible beside one earlier listing (`succession.py`, `plausibility.py`). Explained in
docs/rules.md.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from provider_pipeline.rules.history import SAME, History, Once
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.matching import contradicts
from provider_pipeline.rules.plausibility import compare_with_baseline, looks_replaced, worst_of_each
from provider_pipeline.rules.profile import Profile, ProfileBuilder
from provider_pipeline.rules.succession import Stays, Succession
from provider_pipeline.rules.thresholds import Thresholds


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
        thresholds: How far the rows may stray from the history.
        history: What they are compared with; None for nothing.
    """

    def __init__(self, thresholds: Thresholds, history: History | None) -> None:
        self._thresholds = thresholds
        self._history = history
        self._successions = [Succession(baseline, thresholds) for baseline in history.baselines] if history else []
        self._profile = ProfileBuilder()
        self._over_context = Offenders()
        self._both_limits = 0
        self._contradictions = Offenders()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows."""
        self._profile.add(rows)
        self._check_invariants(rows)
        if self._history is not None and rows:
            before = self._history.before({row["model_id"]: row["meta_hash"] for row in rows})
            for row in rows:
                selves = before.get(row["model_id"])
                for place, succession in enumerate(self._successions):
                    succession.add(row, SAME if selves is None else selves[place])

    def profile(self) -> Profile:
        """What the rows look like as a whole."""
        return self._profile.profile()

    def violations_share(self, count: int) -> float:
        """The share of the models, of which there are `count`, that break an invariant."""
        return max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / max(1, count))

    def history_issues(self, profile: Profile, ids: Collection[str], rejected: Iterable[str]) -> list[dict[str, Any]]:
        """What is implausible beside earlier accepted listings.

        Args:
            profile: The profile of all rows.
            ids: The models that have a row.
            rejected: Models that are listed but have none.
        """
        found: list[dict[str, Any]] = []
        for succession, stays in zip(self._successions, self._stays(ids, rejected), strict=True):
            found += compare_with_baseline(profile, succession.baseline, stays, self._thresholds)
            found += succession.movement_issues()
        return worst_of_each(found)

    def _stays(self, ids: Collection[str], rejected: Iterable[str]) -> list[Stays]:
        counted = [succession.stays() for succession in self._successions]
        if self._history is None or not any(looks_replaced(each, self._thresholds) for each in counted):
            return counted
        respelled = self._listed_then(self._history.respelled(ids))
        refused = self._listed_then(self._history.before(dict.fromkeys(rejected, "")).values())
        return [
            succession.stays(respelled=respelled[place], rejected=refused[place])
            for place, succession in enumerate(self._successions)
        ]

    def _listed_then(self, models: Iterable[Sequence[Once]]) -> list[int]:
        """How many of the models were in each of the earlier listings."""
        counts = [0] * len(self._successions)
        for selves in models:
            for place in range(len(counts)):
                counts[place] += selves[place].listed
        return counts

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
