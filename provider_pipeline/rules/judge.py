"""The one judgement of a listing: pages in, verdict out, for a list in memory and for a million models alike.

Here: collecting rows, rejections and duplicates page by page, and the verdict. Not here: reading one item
(`extraction.py`) and comparing with history (`plausibility.py`). Explained in docs/rules.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from provider_pipeline.rules.capabilities import contradicts
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import ItemReader, Rejected
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue, shown
from provider_pipeline.rules.matching import compiled_rule
from provider_pipeline.rules.plausibility import Movement, compare_medians, compare_profiles
from provider_pipeline.rules.profile import Profile, ProfileBuilder
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import json_type

REJECTED_SAMPLE: Final = 50
_REGENERATE: Final = "The listing's shape has probably changed: regenerate the rule from a fresh sample."

PreviousRows = Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Verdict:
    """What a listing amounts to.

    Args:
        valid: Whether the rows may be written.
        issues: Everything that was found, errors first.
        rejected: The first rejected items, each with reason, field, detail and value.
        rejected_count: How many items were rejected in all.
        rejected_ids: Ids of models that are listed, but only in items that were rejected: they are not missing.
        profile: What the accepted rows look like as a whole.
    """

    valid: bool
    issues: tuple[dict[str, Any], ...]
    rejected: tuple[dict[str, Any], ...]
    rejected_count: int
    rejected_ids: frozenset[str]
    profile: Profile


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


class ListingJudge:
    """Judges one listing by one rule. Not to be shared between threads; make one per listing.

    Args:
        rule: The rule that reads the listing.
        thresholds: How far the listing may stray; the documented defaults if None.
        previous_profile: The profile of the last accepted listing, for the comparisons as a whole.
        previous_rows: Gives the last accepted rows of the ids it is asked for, for the comparisons row by row.
    """

    def __init__(
        self,
        rule: ExtractionRule,
        *,
        thresholds: Thresholds | None = None,
        previous_profile: Profile | None = None,
        previous_rows: PreviousRows | None = None,
    ) -> None:
        self._thresholds = thresholds or Thresholds.model_validate({})
        self._rule = rule
        capabilities = compiled_rule(rule)
        self._readers = [ItemReader(endpoint, capabilities, self._thresholds) for endpoint in rule.endpoints]
        self._previous_profile = previous_profile
        self._previous_rows = previous_rows
        self._movement = Movement(self._thresholds)
        self._profile = ProfileBuilder()
        self._seen: set[str] = set()
        self._unmatched: list[str] = []
        self._items = 0
        self._duplicates: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._rejected: list[dict[str, Any]] = []
        self._rejected_ids: set[str] = set()
        self._rejected_fields: Counter[str] = Counter()
        self._over_context = Offenders()
        self._both_limits = 0
        self._contradictions = Offenders()

    def add_page(self, document: Any, *, endpoint: int = 0) -> list[dict[str, Any]]:
        """The accepted rows of one page; whatever is wrong with the rest goes into the verdict."""
        reader = self._readers[endpoint]
        items = reader.items(document)
        if items is None:
            self._unmatched.append(_described(document))
            return []
        rows: dict[str, dict[str, Any]] = {}
        for item in items:
            row = reader.row(item)
            if isinstance(row, Rejected):
                self._reject(row)
                continue
            model_id = row["model_id"]
            if model_id in self._seen:
                self._duplicates[model_id] += 1
                if model_id in rows:
                    rows[model_id] = max(rows[model_id], row, key=_completeness)
                continue
            self._seen.add(model_id)
            rows[model_id] = row
        self._items += len(items)
        accepted = list(rows.values())
        self._profile.add(accepted)
        self._check_invariants(accepted)
        if self._previous_rows is not None and accepted:
            before = self._previous_rows([row["model_id"] for row in accepted])
            for row in accepted:
                if row["model_id"] in before:
                    self._movement.compare(row, before[row["model_id"]])
        return accepted

    def verdict(self) -> Verdict:
        """The judgement of all pages so far."""
        profile = self._profile.profile()
        found = [
            *self._extraction_issues(profile),
            *self._rejection_issues(),
            *self._duplicate_issues(),
            *self._invariant_issues(profile),
        ]
        if self._previous_profile is not None:
            found += compare_profiles(profile, self._previous_profile, self._thresholds)
            if self._previous_rows is None:
                found += compare_medians(profile, self._previous_profile, self._thresholds)
        found += self._movement.issues()
        found.sort(key=lambda entry: ("error", "warning", "info").index(entry["severity"]))
        return Verdict(
            valid=not any(entry["severity"] == "error" for entry in found),
            issues=tuple(found),
            rejected=tuple(self._rejected),
            rejected_count=self._reasons.total(),
            rejected_ids=frozenset(self._rejected_ids - self._seen),
            profile=profile,
        )

    def rejected_fields(self) -> dict[str, int]:
        """How many items each column rejected so far; the empty name stands for items that are no objects."""
        return dict(sorted(self._rejected_fields.items()))

    def shares(self) -> dict[str, float]:
        """The shares of rejected, repeated and contradictory rows so far, by the names a rule's `expect` has."""
        kept = max(1, len(self._seen))
        violations = max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / kept)
        return {
            "rejected_share": self._reasons.total() / max(1, self._items),
            "duplicate_share": self._duplicates.total() / max(1, self._items),
            "violations_share": violations,
        }

    def _reject(self, rejected: Rejected) -> None:
        self._reasons[rejected.reason, rejected.detail] += 1
        if rejected.model_id is not None:
            self._rejected_ids.add(rejected.model_id)
        self._rejected_fields[rejected.field] += 1
        if len(self._rejected) < REJECTED_SAMPLE:
            self._rejected.append(
                {
                    "reason": rejected.reason,
                    "field": rejected.field,
                    "detail": rejected.detail,
                    "value": shown(rejected.value),
                }
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

    def _extraction_issues(self, profile: Profile) -> Iterable[dict[str, Any]]:
        if self._unmatched:
            selectors = [endpoint.selector for endpoint in self._rule.endpoints]
            yield issue(
                "extraction_failed",
                "error",
                f"the selector {', '.join(selectors)} finds no list in {len(self._unmatched)} page(s)",
                expected="a JSON list of model objects",
                actual=self._unmatched[0],
                sample=self._unmatched,
                recovery=_REGENERATE,
            )
        elif not self._items:
            yield issue(
                "empty_listing",
                "error",
                "the listing is empty; an empty answer never replaces what is known",
                expected=f"at least {max(1, self._thresholds.min_models)} models",
                actual=0,
                recovery="Fetch again; check the provider's status page and that the key may list models.",
            )
        elif profile.count < max(1, self._thresholds.min_models):
            yield issue(
                "too_few_models",
                "error",
                f"the listing gives {profile.count} models out of {self._items} items",
                expected=f"at least {max(1, self._thresholds.min_models)} models",
                actual=profile.count,
                recovery=_REGENERATE,
            )
        elif profile.covered / profile.count < self._thresholds.min_coverage:
            yield issue(
                "capabilities_uncovered",
                "warning",
                f"{profile.count - profile.covered} of {profile.count} models have no known capability",
                expected=f"at least {self._thresholds.min_coverage:.0%} covered",
                actual=f"{profile.covered / profile.count:.0%}",
                recovery="Add patterns or lookup entries for these models, or regenerate the rule.",
            )

    def _allowed(self, limit: float, name: str) -> float:
        expected: float = max(getattr(endpoint.expect, name) for endpoint in self._rule.endpoints)
        return max(limit, min(0.95, 1.5 * expected))

    def _rejection_issues(self) -> Iterable[dict[str, Any]]:
        allowed = self._allowed(self._thresholds.max_rejected_share, "rejected_share")
        total = self._reasons.total()
        held = self._items > 0 and total / self._items > allowed
        for (reason, detail), count in sorted(self._reasons.items(), key=lambda entry: (-entry[1], entry[0]))[:20]:
            yield issue(
                reason,
                "error" if held else "warning",
                f"{count} of {self._items} items were rejected: {detail}",
                expected=f"at most {allowed:.0%} of the items rejected, for whatever reason",
                actual=f"{total / self._items:.1%}",
                sample=[entry["value"] for entry in self._rejected if entry["reason"] == reason],
                recovery=_REGENERATE if held else "These items are left out; the others are used.",
            )

    def _duplicate_issues(self) -> Iterable[dict[str, Any]]:
        if not self._duplicates:
            return
        allowed = self._allowed(self._thresholds.max_duplicate_share, "duplicate_share")
        share = self._duplicates.total() / self._items
        yield issue(
            "duplicate_ids",
            "error" if share > allowed else "warning",
            f"{self._duplicates.total()} items repeat an id; of each, the most complete one was taken",
            expected=f"at most {allowed:.0%} repeated",
            actual=f"{share:.1%}",
            sample=sorted(self._duplicates)[:SAMPLE_SIZE],
            recovery="Check that the rule's id is what callers pass to the API." if share > allowed else "None needed.",
        )

    def _invariant_issues(self, profile: Profile) -> Iterable[dict[str, Any]]:
        allowed = self._allowed(self._thresholds.max_violations_share, "violations_share")
        for kind, offenders, among, message in (
            ("output_above_context", self._over_context, self._both_limits, "an output limit above the context length"),
            ("contradictory_capabilities", self._contradictions, profile.count, "capabilities that exclude each other"),
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


def _completeness(row: Mapping[str, Any]) -> tuple[int, str]:
    """Which of two rows with one id to keep: the fuller, and of equals always the same."""
    return sum(value is not None for value in row.values()), str(row["meta_hash"])


def _described(document: Any) -> str:
    kind = json_type(document)
    if isinstance(document, dict):
        return (
            f"an object with the keys {', '.join(shown(str(key)) for key in list(document)[:8])}" if document else "{}"
        )
    return f"a JSON {kind}: {shown(document)}"[:200] if kind != "array" else "a JSON array"
