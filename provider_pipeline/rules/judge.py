"""Judges a listing of any size page by page: pages in, a verdict out. Explained in docs/rules.md."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import (
    NO_MODEL,
    ItemReader,
    Rejected,
    merged_records,
    merged_row,
    settled_rows,
)
from provider_pipeline.rules.history import History, Once
from provider_pipeline.rules.ids import SeenModels
from provider_pipeline.rules.issues import REGENERATE, SAMPLE_SIZE, accepted_by_hand, issue, shown
from provider_pipeline.rules.item_memory import ItemMemory, RememberingReader
from provider_pipeline.rules.limits import FEW_ITEMS, ITEMS_PER_ELEMENT, KEPT_BYTES, LISTING_STEPS, Work
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.metadata import RequestTimes
from provider_pipeline.rules.rows import Outline, Profile, meaning_of, sized_digest
from provider_pipeline.rules.statistics import (
    SEVERITIES,
    ListingStatistics,
    PagesRead,
    SetAsideValues,
    disagreeing,
    disputable_numbers,
)
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import described

REJECTED_SAMPLE: Final = 50
_BATCH: Final = 1_000
"""Items read, or kept rows compared with history, at a time."""


@dataclass(frozen=True)
class Verdict:
    """The judgement of a listing.

    Attributes:
        valid: Whether the rows may be written.
        issues: All findings, errors first.
        rejected: The first `REJECTED_SAMPLE` rejected items, each with reason, field, detail and value.
        rejected_count: All of them.
        superseded: For ids that `add_page` returned several times, because a later endpoint lists them too: how many
            versions came before the last. `settled` drops those.
        disputed: For ids that several pages list: the numbers on which these disagree.
        request_times: Fields of `metadata_json` that hold the time of the request.
        outline: Fingerprint of which fields the items have; see `Outline`.
    """

    valid: bool
    issues: tuple[dict[str, Any], ...]
    rejected: tuple[dict[str, Any], ...]
    rejected_count: int
    profile: Profile
    superseded: Mapping[str, int] = field(repr=False)
    disputed: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    request_times: frozenset[str] = frozenset()
    outline: str | None = None

    def settled(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The final rows of `add_page`: one per model, without values disproved by the rest of the listing."""
        return settled_rows(rows, self.superseded, self.disputed, self.request_times)


class ListingJudge:
    """Judges one listing by one rule. Make one per listing; not thread-safe.

    With one endpoint, rows are streamed. With several, pages must come endpoint by endpoint, in the rule's order, and
    rows are kept until the verdict, because a model that two endpoints list is one row.

    Args:
        rule: The rule that reads the listing.
        thresholds: The documented defaults if None.
        history: The accepted listings to compare with, if any.
        accepted: Names in `issues.GUARDS` whose findings a person has accepted: they warn instead of blocking.
        fetched_at: When the listing was fetched, to recognise fields that hold that time; None to keep them.
        watch: Called before each page and each batch of items; may raise to end a judgement that takes too long.
        memory: Cached rows of items in other listings, by the same rule and thresholds.

    Attributes:
        history: The same.
    """

    def __init__(
        self,
        rule: ExtractionRule,
        *,
        thresholds: Thresholds | None = None,
        history: History | None = None,
        accepted: Collection[str] = (),
        fetched_at: datetime | None = None,
        watch: Callable[[], None] = lambda: None,
        memory: ItemMemory | None = None,
    ) -> None:
        self._watch = watch
        self._thresholds = thresholds or Thresholds.model_validate({})
        self._rule = rule
        capabilities = CompiledCapabilities.of(rule)
        work = Work(LISTING_STEPS)
        self._set_aside = SetAsideValues()
        how = (capabilities, self._thresholds, work, self._set_aside.add)
        self._readers = [
            ItemReader(endpoint, *how) if memory is None else RememberingReader(memory, place, endpoint, *how)
            for place, endpoint in enumerate(rule.endpoints)
        ]
        self._pages_read = PagesRead(rule.endpoints)
        self._outline = Outline()
        self.history = history
        self._accepted = accepted
        self._statistics = ListingStatistics(self._thresholds, history)
        self._seen = [SeenModels() for _ in rule.endpoints]
        self._kept: dict[str, dict[str, Any]] | None = {} if len(rule.endpoints) > 1 else None
        self._kept_bytes = 0
        self._superseded: Counter[str] = Counter()
        self._unmatched: list[tuple[str, str]] = []
        self._too_costly: RuleTooCostlyError | None = None
        self._items = 0
        self._items_of: Counter[int] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._contradictory = 0
        self._disputed: dict[str, frozenset[str]] = {}
        self._request_times = RequestTimes(fetched_at)
        self._no_models: list[str] = []
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._rejected: list[dict[str, Any]] = []

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
            # Later pages are ignored, because they could cost any amount of work.
            self._too_costly = error
            return []

    def _judged(self, document: Any, endpoint: int) -> list[dict[str, Any]]:
        reader = self._readers[endpoint]
        items = reader.items(document)
        if items is None:
            self._unmatched.append((self._rule.endpoints[endpoint].selector, described(document)))
            return []
        self._items += len(items)
        self._items_of[endpoint] += len(items)
        self._pages_read.add(endpoint, reader.answer(document), len(items))
        self._outline.add(endpoint, document, items)
        rows: dict[str, dict[str, Any]] = {}
        repeats: dict[str, list[dict[str, Any]]] = {}
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
                    repeats.setdefault(model_id, [rows[model_id]]).append(row)
                else:
                    self._dispute(model_id, endpoint, row)
                continue
            seen.add(model_id, disputable_numbers(row))
            rows[model_id] = row
        for model_id, records in repeats.items():
            rows[model_id], disputed = merged_records(records)
            self._contradictory += len(records) - 1 if disputed else 0
        accepted = list(rows.values())
        self._request_times.add(accepted)
        if self._kept is not None:
            return [self._joined(row, self._kept) for row in accepted]
        self._statistics.add(accepted)
        return accepted

    @property
    def uncompared(self) -> Mapping[str, str]:
        """The change hashes, by model id, of rows that `verdict` will look up in the history, unless `compare` does."""
        return self._statistics.uncompared

    def compare(self, before: Mapping[str, Sequence[Once]]) -> None:
        """Compare the rows in `uncompared` with their earlier states, read for several listings at once."""
        self._statistics.compare(before)

    def verdict(self) -> Verdict:
        """The judgement of all pages so far."""
        statistics = self._whole()
        profile = statistics.profile()
        found = [
            *self._cost_issues(),
            *self._extraction_issues(profile),
            *self._pages_read.issues(),
            *self._rejection_issues(),
            *self._set_aside.issues(
                profile,
                self._items,
                self._allowed(self._thresholds.max_set_aside_share, "set_aside_share"),
                self._allowed(self._thresholds.max_rejected_share, "rejected_share"),
                statistics.filled_before(),
            ),
            *self._duplicate_issues(distinct_ids_hold=statistics.distinct_ids_hold(profile.count)),
            *self._no_model_issues(),
            *self._request_times.issues(),
            *statistics.invariant_issues(
                profile.count, self._allowed(self._thresholds.max_violations_share, "violations_share")
            ),
            *statistics.currency_issues(),
        ]
        ids = self._seen[0] if len(self._seen) == 1 else frozenset[str]().union(*self._seen)
        found += statistics.history_issues(profile, ids)
        if self._accepted:
            found = accepted_by_hand(found, self._accepted)
        found.sort(key=lambda entry: SEVERITIES.index(entry["severity"]))
        return Verdict(
            valid=not any(entry["severity"] == "error" for entry in found),
            issues=tuple(found),
            rejected=tuple(self._rejected),
            rejected_count=self._reasons.total(),
            profile=profile,
            superseded=dict(self._superseded),
            disputed=dict(self._disputed),
            request_times=self._request_times.fields(),
            outline=self._outline.fingerprint(),
        )

    def shares(self) -> dict[str, float]:
        """The shares of rejected, repeated and contradictory rows and of values set aside, named as in `expect`.

        Repeated ids count where their records disagree.
        """
        statistics = self._whole()
        profile = statistics.profile()
        return {
            "rejected_share": self._reasons.total() / max(1, self._items),
            "duplicate_share": self._contradictory / max(1, self._items),
            "violations_share": statistics.violations_share(profile.count),
            "set_aside_share": self._set_aside.largest_share(profile, self._items),
        }

    def _slices(self, items: list[Any]) -> Iterator[list[Any]]:
        for start in range(0, len(items), _BATCH):
            self._watch()
            yield items[start : start + _BATCH]

    def _dispute(self, model_id: str, endpoint: int, row: Mapping[str, Any]) -> None:
        """Note the numbers on which a row disagrees with an earlier page, whose row has been handed out."""
        disputed = disagreeing(self._seen[endpoint].numbers(model_id), disputable_numbers(row))
        self._contradictory += bool(disputed)
        # An earlier endpoint's values win over later ones.
        if disputed and not any(model_id in seen for seen in self._seen[:endpoint]):
            self._disputed[model_id] = self._disputed.get(model_id, frozenset()) | disputed

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

    def _whole(self) -> ListingStatistics:
        """Statistics of all rows so far, each in its last version."""
        if self._kept is None:
            return self._statistics
        statistics = ListingStatistics(self._thresholds, self.history)
        rows = list(self._kept.values())
        for start in range(0, len(rows), _BATCH):
            statistics.add(rows[start : start + _BATCH])
        return statistics

    def _reject(self, rejected: Rejected) -> None:
        if rejected.reason == NO_MODEL:
            self._no_models.append(str(rejected.value))
            return
        self._reasons[rejected.reason, rejected.detail] += 1
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
            count = len(self._unmatched)
            pages = "the page" if count == 1 else f"{count} pages"
            yield issue(
                "extraction_failed",
                "error",
                f"the selector {', '.join(selectors)} finds no list in {pages}",
                expected="a JSON list of model objects",
                actual=self._unmatched[0][1],
                sample=[what for _, what in self._unmatched],
                recovery=REGENERATE,
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
                recovery=REGENERATE,
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
                recovery=REGENERATE if held else "These items are left out; the others are used.",
            )

    def _duplicate_issues(self, *, distinct_ids_hold: bool) -> Iterable[dict[str, Any]]:
        if not self._duplicates:
            return
        allowed = self._allowed(self._thresholds.max_duplicate_share, "duplicate_share")
        # Records that agree are not a fault, unless the repeated ids replace others.
        share = (self._contradictory if distinct_ids_hold else self._duplicates.total()) / self._items
        repeated = f"{self._duplicates.total()} items repeat an id"
        yield issue(
            "duplicate_ids",
            "error" if share > allowed else "warning" if self._contradictory else "info",
            f"{repeated}, {self._contradictory} of them with another price or limit, which is therefore unknown"
            if self._contradictory
            else f"{repeated}; the records of each id agree, and were merged",
            expected=f"at most {allowed:.0%} repeated with other prices or limits, or in the place of known models",
            actual=f"{share:.1%}",
            sample=sorted(self._duplicates)[:SAMPLE_SIZE],
            recovery="Check that the rule's id is what callers pass to the API."
            if self._contradictory or share > allowed
            else "None needed.",
        )

    def _no_model_issues(self) -> Iterable[dict[str, Any]]:
        if self._no_models:
            yield issue(
                NO_MODEL,
                "info",
                f"{len(self._no_models)} items are routing patterns, specimens or agents, not models; they give no row",
                expected="names of models",
                actual=len(self._no_models),
                sample=sorted(self._no_models)[:SAMPLE_SIZE],
                recovery="None needed.",
            )
