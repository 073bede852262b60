"""Statistics of a listing's accepted rows: profile, broken invariants, and changes since earlier listings."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.history import History
from provider_pipeline.rules.issues import SAMPLE_SIZE, issue
from provider_pipeline.rules.language import compiled
from provider_pipeline.rules.matching import contradicts
from provider_pipeline.rules.pagination import can_follow, parse_pagination, says_more
from provider_pipeline.rules.plausibility import (
    BaselineComparison,
    Overlap,
    Unchanged,
    compare_with_baseline,
    looks_replaced,
)
from provider_pipeline.rules.prices import OTHER_CURRENCY, USD
from provider_pipeline.rules.rows import Profile, ProfileBuilder
from provider_pipeline.rules.thresholds import Thresholds

SEVERITIES: Final = ("error", "warning", "info")
PARTIAL_LISTING: Final = "partial_listing"
"""Type of the issue of a listing that was not read to its end."""


class _Offenders:
    """Models that break an invariant: their count and the first few ids."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, model_id: str) -> None:
        self.count += 1
        if len(self.first) < SAMPLE_SIZE:
            self.first.append(model_id)


class ListingStatistics:
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
        self._currencies: dict[str, _Offenders] = {}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows, each model once."""
        self._profile.add(rows)
        self._check_invariants(rows)
        if self._history is not None and rows:
            before = self._history.before({row["model_id"]: row["meta_hash"] for row in rows})
            differing = [(row, before[row["model_id"]]) for row in rows if row["model_id"] in before]
            unchanged = Unchanged.of([row for row in rows if row["model_id"] not in before])
            for place, comparison in enumerate(self._comparisons):
                comparison.add_unchanged(unchanged)
                for row, selves in differing:
                    comparison.add(row, selves[place])

    def profile(self) -> Profile:
        """The profile of all rows so far."""
        return self._profile.profile()

    def distinct_ids_hold(self, count: int) -> bool:
        """Whether there are about as many models as in the accepted listings, if there are any."""
        least = self._thresholds.min_count_ratio
        return all(count >= least * comparison.baseline.profile.count for comparison in self._comparisons)

    def filled_before(self) -> set[str]:
        """The columns that earlier listings filled."""
        return {name for comparison in self._comparisons for name in comparison.baseline.profile.filled}

    def violations_share(self, count: int) -> float:
        """The largest share of models that break one invariant; `count` is the number of models."""
        return max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / max(1, count))

    def history_issues(self, profile: Profile, ids: Collection[str]) -> list[dict[str, Any]]:
        """What is implausible compared with accepted listings; `ids` are the models listed now."""
        found: list[dict[str, Any]] = []
        for comparison, overlap in zip(self._comparisons, self._overlap(ids), strict=True):
            found += compare_with_baseline(profile, comparison.baseline, overlap, self._thresholds)
            found += comparison.movement_issues()
        return _worst_of_each(found)

    def _overlap(self, ids: Collection[str]) -> list[Overlap]:
        counted = [comparison.overlap() for comparison in self._comparisons]
        if self._history is None or not any(looks_replaced(each, self._thresholds) for each in counted):
            return counted
        respelled = list(self._history.respelled(ids))
        return [
            comparison.overlap(respelled=sum(selves[place].listed for selves in respelled))
            for place, comparison in enumerate(self._comparisons)
        ]

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

    def currency_issues(self) -> Iterable[dict[str, Any]]:
        """The models whose prices are in another currency than USD."""
        for currency, models in sorted(self._currencies.items()):
            yield issue(
                OTHER_CURRENCY,
                "info",
                f"the prices of {models.count} models are kept in {currency}; input_price and output_price stay empty",
                expected="prices in USD; nothing is converted",
                actual=currency,
                sample=models.first,
                recovery="None needed. Prices in USD can be stated as overrides.",
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
            for currency in {price["currency"] for price in (row["prices"] or {}).values()} - {USD}:
                self._currencies.setdefault(currency, _Offenders()).add(row["model_id"])


def _worst_of_each(issues: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of issues of one type the most severe one, and of equals the first."""
    found: dict[str, dict[str, Any]] = {}
    for entry in issues:
        known = found.get(entry["type"])
        if known is None or SEVERITIES.index(entry["severity"]) < SEVERITIES.index(known["severity"]):
            found[entry["type"]] = entry
    return list(found.values())


class PagesRead:
    """The pages of one listing as a rule's endpoints read them, to tell whether any were left unread."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._paginations = [parse_pagination(endpoint.pagination) for endpoint in endpoints]
        self._listings = [compiled(endpoint.selector).leading_keys for endpoint in endpoints]
        self._pages: Counter[int] = Counter()
        self._items: Counter[int] = Counter()
        self._last: dict[int, Any] = {}

    def add(self, endpoint: int, answer: Any, count: int) -> None:
        """Count an endpoint's next page, which has so many items."""
        self._pages[endpoint] += 1
        self._items[endpoint] += count
        self._last[endpoint] = answer

    def issues(self) -> Iterator[dict[str, Any]]:
        """An error for each endpoint whose last page says that there is more, which its rule cannot ask for."""
        for position, answer in self._last.items():
            pagination = self._paginations[position]
            if can_follow(pagination, answer):
                continue
            endpoint, count = self._endpoints[position], self._items[position]
            field = says_more(answer, count, self._listings[position], path=endpoint.path, pages=self._pages[position])
            if field:
                where = f" of {endpoint.path}" if len(self._endpoints) > 1 and endpoint.path else ""
                yield partial_listing(f"{field} in the answer{where} says that there is more than the {count:,} read")


def partial_listing(message: str) -> dict[str, Any]:
    """The issue of a listing that goes on where the rule does not."""
    return issue(
        PARTIAL_LISTING,
        "error",
        f"{message}; the rule does not know how to ask for it",
        expected="the whole listing",
        actual="a part of it",
        recovery="Regenerate the rule, or put the provider's way of paging into the rule's pagination. If the answer "
        'is the whole listing all the same, state {"type": "none", "whole": true} there.',
    )
