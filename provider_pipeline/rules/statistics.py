"""Statistics of a listing, counted page by page while it is judged (rows, rejected values, pages), and their issues."""

import operator
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.history import History, Once
from provider_pipeline.rules.issues import REGENERATE, SAMPLE_SIZE, issue, shown
from provider_pipeline.rules.language import compiled
from provider_pipeline.rules.matching import contradicts
from provider_pipeline.rules.metadata import NOT_OF_TYPE
from provider_pipeline.rules.pagination import can_follow, parse_pagination, says_more
from provider_pipeline.rules.plausibility import (
    BaselineComparison,
    Overlap,
    Unchanged,
    compare_with_baseline,
    looks_replaced,
)
from provider_pipeline.rules.prices import OTHER_CURRENCY, USD, hash_of_further_prices
from provider_pipeline.rules.rows import FILLED, NUMERIC, Profile, ProfileBuilder, SetAside
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import NO_LIMIT

SEVERITIES: Final = ("error", "warning", "info")
PARTIAL_LISTING: Final = "partial_listing"
"""Type of the issue about a listing that was not read to its end."""
_MAX_ISSUES: Final = 20
_HARMLESS: Final = (NO_LIMIT, NOT_OF_TYPE)
"""Reasons that never block a listing."""
_DISPUTABLE: Final = (*NUMERIC, "prices")
_COMPARED_TOGETHER: Final = 1_000
"""Rows, of any number of pages, that are compared with history at once: each time is a query."""
_numeric = operator.itemgetter(*NUMERIC)


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
    """Statistics of accepted rows: their profile, broken invariants, and comparison with earlier listings."""

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
        self._uncompared: list[Mapping[str, Any]] = []

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows, each model once."""
        self._profile.add(rows)
        self._check_invariants(rows)
        if self._history is not None:
            self._uncompared += rows
            if len(self._uncompared) >= _COMPARED_TOGETHER:
                self.compare(self._history.before(self.uncompared))

    @property
    def uncompared(self) -> dict[str, str]:
        """The change hashes of models whose earlier states have not been looked up yet, by model id."""
        return {row["model_id"]: row["meta_hash"] for row in self._uncompared}

    def compare(self, before: Mapping[str, Sequence[Once]]) -> None:
        """Compare the models in `uncompared` with their earlier states, as `History.before` gives them."""
        rows, self._uncompared = self._uncompared, []
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
        """Whether the number of models is about that of the accepted listings, if there are any."""
        least = self._thresholds.min_count_ratio
        return all(count >= least * comparison.baseline.profile.count for comparison in self._comparisons)

    def filled_before(self) -> set[str]:
        """The columns that earlier listings filled."""
        return {name for comparison in self._comparisons for name in comparison.baseline.profile.filled}

    def violations_share(self, count: int) -> float:
        """The largest share of models that break one invariant; `count` is the number of models."""
        return max(self._over_context.count / max(1, self._both_limits), self._contradictions.count / max(1, count))

    def history_issues(self, profile: Profile, ids: Collection[str]) -> list[dict[str, Any]]:
        """Issues compared with accepted listings; `ids` are the models listed now."""
        if self._history is not None and self._uncompared:
            self.compare(self._history.before(self.uncompared))
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
        """Issues about models with prices in other currencies than USD."""
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
    """The most severe issue of each type; the first of equals."""
    found: dict[str, dict[str, Any]] = {}
    for entry in issues:
        known = found.get(entry["type"])
        if known is None or SEVERITIES.index(entry["severity"]) < SEVERITIES.index(known["severity"]):
            found[entry["type"]] = entry
    return list(found.values())


class PagesRead:
    """Counts a listing's pages by endpoint, to detect unread ones."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints
        self._paginations = [parse_pagination(endpoint.pagination) for endpoint in endpoints]
        self._listings = [compiled(endpoint.selector).leading_keys for endpoint in endpoints]
        self._pages: Counter[int] = Counter()
        self._items: Counter[int] = Counter()
        self._last: dict[int, Any] = {}

    def add(self, endpoint: int, answer: Any, count: int) -> None:
        """Add an endpoint's next page and its item count."""
        self._pages[endpoint] += 1
        self._items[endpoint] += count
        self._last[endpoint] = answer

    def issues(self) -> Iterator[dict[str, Any]]:
        """An error for each endpoint whose last page announces more that its rule cannot request."""
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
    """The issue about a listing with more pages than its rule requests."""
    return issue(
        PARTIAL_LISTING,
        "error",
        f"{message}; the rule does not know how to ask for it",
        expected="the whole listing",
        actual="a part of it",
        recovery="Regenerate the rule, or put the provider's way of paging into the rule's pagination. If the answer "
        'is the whole listing all the same, state {"type": "none", "whole": true} there.',
    )


class SetAsideValues:
    """Values set aside, counted by column and reason, with the first few of each."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], list[str]] = {}

    def add(self, value: SetAside) -> None:
        """Count one value."""
        kind = (value.field, value.reason, value.detail)
        self._counts[kind] += 1
        first = self._first.setdefault(kind, [])
        if len(first) < SAMPLE_SIZE:
            first.append(f"{value.model_id}: {shown(value.value)}")

    def largest_share(self, profile: Profile, items: int) -> float:
        """The largest share of a column's values that were set aside."""
        return max((count / among for count, among in self._columns(profile, items).values() if count), default=0.0)

    def issues(
        self, profile: Profile, items: int, allowed: float, few: float, before: Collection[str]
    ) -> Iterable[dict[str, Any]]:
        """One issue per column and reason: an error where more than the `allowed` share of a column's values failed.

        A single value, or values of at most the share `few` of the items, are only a warning. A single value is an
        error if it is the only model's and earlier listings filled its column (`before`): then the listing has changed.
        """
        columns = self._columns(profile, items)
        for (column, reason, detail), count in sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))[
            :_MAX_ISSUES
        ]:
            total, among = columns[column]
            if reason == NO_LIMIT:
                yield _no_limits(column, count, self._first[column, reason, detail])
                continue
            held = (
                reason != NOT_OF_TYPE
                and total / among > allowed
                and (total > max(1, few * items) or (total == items and column in before))
            )
            yield issue(
                reason,
                "error" if held else "warning",
                f"{count} of {among} values of {column} were set aside: {detail}",
                expected=f"at most {allowed:.0%} of the column's values set aside",
                actual=f"{max(count, total) / among:.1%}",
                sample=self._first[column, reason, detail],
                recovery=REGENERATE if held else "The models are kept without these values.",
            )

    def _columns(self, profile: Profile, items: int) -> dict[str, tuple[int, int]]:
        """Numbers of values set aside and of all values, by column; for metadata, the latter is the number of items."""
        totals = Counter[str]()
        for (column, reason, _), count in self._counts.items():
            totals[column] += 0 if reason in _HARMLESS else count
        return {
            column: (count, count + profile.filled.get(column, 0) if column in FILLED else items)
            for column, count in totals.items()
        }


def _no_limits(column: str, count: int, sample: list[str]) -> dict[str, Any]:
    """The issue about 0 or -1 for "no limit", which are too common to block a listing."""
    return issue(
        NO_LIMIT,
        "info",
        f"{count} values of {column} are 0 or -1, which states no limit: unknown",
        expected="a number of tokens, or nothing",
        actual=count,
        sample=sample,
        recovery="None needed.",
    )


def disputable_numbers(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of `_DISPUTABLE`, with a hash for prices other than input and output, to save memory."""
    return (*_numeric(row), hash_of_further_prices(row["prices"]))


def disagreeing(first: Sequence[Any], second: Sequence[Any]) -> frozenset[str]:
    """The columns whose `disputable_numbers` differ between two records of a model; both must have one."""
    return frozenset(
        column
        for column, mine, theirs in zip(_DISPUTABLE, first, second, strict=True)
        if mine is not None and theirs is not None and mine != theirs
    )
