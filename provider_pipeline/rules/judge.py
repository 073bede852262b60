"""Judges a listing page by page, whatever its size: pages in, a verdict out. Explained in docs/rules.md."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.completeness import PagesRead
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import ItemReader, Rejected, merged_row
from provider_pipeline.rules.guards import accepted_by_hand
from provider_pipeline.rules.history import SAME, History, Once
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue, shown
from provider_pipeline.rules.matching import CompiledCapabilities, contradicts
from provider_pipeline.rules.plausibility import BaselineComparison, Overlap, compare_with_baseline, looks_replaced
from provider_pipeline.rules.rows import Profile, ProfileBuilder, meaning_of, sized_digest
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import described
from provider_pipeline.rules.work import FEW_ITEMS, ITEMS_PER_ELEMENT, KEPT_BYTES, LISTING_STEPS, Work

REJECTED_SAMPLE: Final = 50
_SEVERITIES: Final = ("error", "warning", "info")
_BATCH: Final = 1_000
"""Items read, or kept rows compared with history, at a time."""
_REGENERATE: Final = "The listing's shape has probably changed: regenerate the rule from a fresh sample."


@dataclass(frozen=True)
class Verdict:
    """The judgement of a listing.

    Attributes:
        valid: Whether the rows may be written.
        issues: All findings, errors first.
        rejected: The first `REJECTED_SAMPLE` rejected items, each with reason, field, detail and value.
        rejected_count: All of them.
        rejected_ids: Models that are listed only in rejected items. They are not missing.
        superseded: For ids that `add_page` returned several times, because a later endpoint lists them too: how many
            versions came before the last. `latest_versions` drops those.
    """

    valid: bool
    issues: tuple[dict[str, Any], ...]
    rejected: tuple[dict[str, Any], ...]
    rejected_count: int
    rejected_ids: frozenset[str]
    profile: Profile
    superseded: Mapping[str, int]


class ListingJudge:
    """Judges one listing by one rule. Make one per listing; not thread-safe.

    With one endpoint, rows are streamed. With several, pages must come endpoint by endpoint, in the rule's order, and
    rows are kept until the verdict, because a model that two endpoints list is one row.

    Args:
        rule: The rule that reads the listing.
        thresholds: The documented defaults if None.
        history: The accepted listings to compare with, if any.
        accepted: Names in `guards.GUARDS` whose findings a person has accepted: they warn instead of blocking.
        watch: Called before each page and each batch of items; may raise to end a judgement that takes too long.
    """

    def __init__(
        self,
        rule: ExtractionRule,
        *,
        thresholds: Thresholds | None = None,
        history: History | None = None,
        accepted: Collection[str] = (),
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self._watch = watch
        self._thresholds = thresholds or Thresholds.model_validate({})
        self._rule = rule
        capabilities = CompiledCapabilities(rule.capability_rules)
        work = Work(LISTING_STEPS)
        self._readers = [ItemReader(endpoint, capabilities, self._thresholds, work) for endpoint in rule.endpoints]
        self._pages_read = PagesRead(rule.endpoints)
        self._history = history
        self._accepted = accepted
        self._statistics = _Statistics(self._thresholds, history)
        self._seen: list[set[str]] = [set() for _ in rule.endpoints]
        self._kept: dict[str, dict[str, Any]] | None = {} if len(rule.endpoints) > 1 else None
        self._kept_bytes = 0
        self._superseded: Counter[str] = Counter()
        self._unmatched: list[tuple[str, str]] = []
        self._too_costly: RuleTooCostlyError | None = None
        self._items = 0
        self._items_of: Counter[int] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._rejected: list[dict[str, Any]] = []
        self._rejected_ids: set[str] = set()
        self._rejected_fields: Counter[str] = Counter()

    def add_page(self, document: Any, *, endpoint: int = 0) -> list[dict[str, Any]]:
        """The accepted rows of one page; problems go into the verdict.

        A model that an earlier endpoint listed is returned again, merged with its earlier row.
        """
        self._watch()
        if self._too_costly is not None:
            return []
        try:
            return self._judged(document, endpoint)
        except RuleTooCostlyError as error:
            # Later pages are ignored: they could cost any amount of further work.
            self._too_costly = error
            return []

    def _judged(self, document: Any, endpoint: int) -> list[dict[str, Any]]:
        reader = self._readers[endpoint]
        items, answer = reader.items(document), reader.answer(document)
        if items is None and self._pages_read.says_empty(endpoint, answer):
            items = []
        if items is None:
            self._unmatched.append((self._rule.endpoints[endpoint].selector, described(document)))
            return []
        self._items += len(items)
        self._items_of[endpoint] += len(items)
        self._pages_read.add(endpoint, answer, len(items))
        rows: dict[str, dict[str, Any]] = {}
        seen = self._seen[endpoint]
        repeated = 0
        for item in chain.from_iterable(self._slices(items)):
            row = reader.row(item)
            if isinstance(row, Rejected):
                self._reject(row)
                continue
            model_id = row["model_id"]
            if model_id in seen:
                self._duplicates[model_id] += 1
                repeated += 1
                if repeated > FEW_ITEMS + ITEMS_PER_ELEMENT * len(seen):
                    raise RuleTooCostlyError(f"the items repeat {repeated:,} times the ids of {len(seen):,} models")
                if model_id in rows:
                    rows[model_id] = max(rows[model_id], row, key=_completeness)
                continue
            seen.add(model_id)
            rows[model_id] = row
        if self._kept is not None:
            return [self._joined(row, self._kept) for row in rows.values()]
        accepted = list(rows.values())
        self._statistics.add(accepted)
        return accepted

    def verdict(self) -> Verdict:
        """The judgement of all pages so far."""
        statistics = self._whole()
        profile = statistics.profile()
        found = [
            *self._cost_issues(),
            *self._extraction_issues(profile),
            *self._pages_read.issues(),
            *self._rejection_issues(),
            *self._duplicate_issues(),
            *statistics.invariant_issues(
                profile.count, self._allowed(self._thresholds.max_violations_share, "violations_share")
            ),
        ]
        ids = self._seen[0] if len(self._seen) == 1 else frozenset[str]().union(*self._seen)
        rejected_ids = frozenset(self._rejected_ids.difference(ids))
        found += statistics.history_issues(profile, ids, rejected_ids)
        if self._accepted:
            found = accepted_by_hand(found, self._accepted)
        found.sort(key=lambda entry: _SEVERITIES.index(entry["severity"]))
        return Verdict(
            valid=not any(entry["severity"] == "error" for entry in found),
            issues=tuple(found),
            rejected=tuple(self._rejected),
            rejected_count=self._reasons.total(),
            rejected_ids=rejected_ids,
            profile=profile,
            superseded=dict(self._superseded),
        )

    def rejected_fields(self) -> dict[str, int]:
        """Rejected items by column so far; the empty name stands for items that are not objects."""
        return dict(sorted(self._rejected_fields.items()))

    def shares(self) -> dict[str, float]:
        """The shares of rejected, repeated and contradictory rows so far, named as in a rule's `expect`."""
        statistics = self._whole()
        return {
            "rejected_share": self._reasons.total() / max(1, self._items),
            "duplicate_share": self._duplicates.total() / max(1, self._items),
            "violations_share": statistics.violations_share(statistics.profile().count),
        }

    def _slices(self, items: list[Any]) -> Iterator[list[Any]]:
        for start in range(0, len(items), _BATCH):
            self._watch()
            yield items[start : start + _BATCH]

    def _joined(self, row: dict[str, Any], kept: dict[str, dict[str, Any]]) -> dict[str, Any]:
        known = kept.get(row["model_id"])
        if known is not None:
            self._superseded[row["model_id"]] += 1
            row = merged_row(known, row)
        self._kept_bytes += sized_digest(meaning_of(row))[1]
        if self._kept_bytes > KEPT_BYTES:
            raise RuleTooCostlyError(
                f"the rows of a rule with several endpoints have more than {KEPT_BYTES >> 20} MiB of JSON together"
            )
        kept[row["model_id"]] = row
        return row

    def _whole(self) -> "_Statistics":
        """Statistics of all rows so far, each in its last version."""
        if self._kept is None:
            return self._statistics
        statistics = _Statistics(self._thresholds, self._history)
        rows = list(self._kept.values())
        for start in range(0, len(rows), _BATCH):
            statistics.add(rows[start : start + _BATCH])
        return statistics

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

    def _cost_issues(self) -> Iterable[dict[str, Any]]:
        if self._too_costly is not None:
            yield issue(
                "rule_too_costly",
                "error",
                f"the rule does more with this listing than a rule may: {self._too_costly.message}",
                expected="a rule within the bounds of docs/rules.md",
                actual=self._too_costly.message,
                recovery="Simplify the rule, or regenerate it from a fresh sample.",
            )

    def _extraction_issues(self, profile: Profile) -> Iterable[dict[str, Any]]:
        if self._unmatched:
            selectors = dict.fromkeys(selector for selector, _ in self._unmatched)
            yield issue(
                "extraction_failed",
                "error",
                f"the selector {', '.join(selectors)} finds no list in {len(self._unmatched)} page(s)",
                expected="a JSON list of model objects",
                actual=self._unmatched[0][1],
                sample=[what for _, what in self._unmatched],
                recovery=_REGENERATE,
            )
        elif self._too_costly is not None:
            return
        elif not self._items:
            yield self._empty("the listing")
        elif any(not count for count in self._items_of.values()):
            for endpoint in sorted(place for place, count in self._items_of.items() if not count):
                yield self._empty(f"the listing at {self._rule.endpoints[endpoint].path or f'endpoint {endpoint + 1}'}")
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

    def _empty(self, what: str) -> dict[str, Any]:
        more = "; remove an endpoint that no longer lists models from the rule" if self._kept is not None else ""
        return issue(
            "empty_listing",
            "error",
            f"{what} is empty; an empty answer never replaces what is known",
            expected=f"at least {max(1, self._thresholds.min_models)} models",
            actual=0,
            recovery=f"Fetch again; check the provider's status page and that the key may list models{more}.",
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


def _completeness(row: Mapping[str, Any]) -> tuple[int, str]:
    """Sort key of rows with one id: the fullest is kept; ties break the same way whatever the order."""
    return sum(value is not None for value in row.values()), str(row["meta_hash"])


class _Offenders:
    """Models that break an invariant: their count and the first few ids."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, model_id: str) -> None:
        self.count += 1
        if len(self.first) < SAMPLE_SIZE:
            self.first.append(model_id)


class _Statistics:
    """Statistics of accepted rows: their profile, the invariants they break, and how they follow earlier listings."""

    def __init__(self, thresholds: Thresholds, history: History | None) -> None:
        self._thresholds = thresholds
        self._history = history
        self._comparisons = (
            [BaselineComparison(baseline, thresholds) for baseline in history.baselines] if history else []
        )
        self._profile = ProfileBuilder()
        self._over_context = _Offenders()
        self._both_limits = 0
        self._contradictions = _Offenders()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._profile.add(rows)
        self._check_invariants(rows)
        if self._history is not None and rows:
            before = self._history.before({row["model_id"]: row["meta_hash"] for row in rows})
            for row in rows:
                selves = before.get(row["model_id"])
                for place, comparison in enumerate(self._comparisons):
                    comparison.add(row, SAME if selves is None else selves[place])

    def profile(self) -> Profile:
        return self._profile.profile()

    def violations_share(self, count: int) -> float:
        """The largest share of models that break one invariant; `count` is the number of models."""
        return max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / max(1, count))

    def history_issues(self, profile: Profile, ids: Collection[str], rejected: Iterable[str]) -> list[dict[str, Any]]:
        """What is implausible compared with accepted listings; `ids` have a row, `rejected` are listed without one."""
        found: list[dict[str, Any]] = []
        for comparison, overlap in zip(self._comparisons, self._overlap(ids, rejected), strict=True):
            found += compare_with_baseline(profile, comparison.baseline, overlap, self._thresholds)
            found += comparison.movement_issues()
        return _worst_of_each(found)

    def _overlap(self, ids: Collection[str], rejected: Iterable[str]) -> list[Overlap]:
        counted = [comparison.overlap() for comparison in self._comparisons]
        if self._history is None or not any(looks_replaced(each, self._thresholds) for each in counted):
            return counted
        respelled = self._listed_then(self._history.respelled(ids))
        refused = self._listed_then(self._history.before(dict.fromkeys(rejected, "")).values())
        return [
            comparison.overlap(respelled=respelled[place], rejected=refused[place])
            for place, comparison in enumerate(self._comparisons)
        ]

    def _listed_then(self, models: Iterable[Sequence[Once]]) -> list[int]:
        """How many of the models each earlier listing had."""
        counts = [0] * len(self._comparisons)
        for selves in models:
            for place in range(len(counts)):
                counts[place] += selves[place].listed
        return counts

    def invariant_issues(self, count: int, allowed: float) -> Iterable[dict[str, Any]]:
        """Invariants broken by some of the `count` models; an error above the `allowed` share."""
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


def _worst_of_each(issues: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of issues of one type the most severe one, and of equals the first."""
    found: dict[str, dict[str, Any]] = {}
    for entry in issues:
        known = found.get(entry["type"])
        if known is None or _SEVERITIES.index(entry["severity"]) < _SEVERITIES.index(known["severity"]):
            found[entry["type"]] = entry
    return list(found.values())
