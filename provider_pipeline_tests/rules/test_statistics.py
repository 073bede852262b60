"""What is counted of a listing's rows, pages and values, and which counts are issues."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.history import Once, RowsInMemory
from provider_pipeline.rules.metadata import NOT_OF_TYPE
from provider_pipeline.rules.prices import usd_per_million_tokens
from provider_pipeline.rules.rows import Profile, SetAside
from provider_pipeline.rules.statistics import (
    PARTIAL_LISTING,
    ListingStatistics,
    PagesRead,
    SetAsideValues,
    disagreeing,
    disputable_numbers,
)
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import NO_LIMIT
from provider_pipeline_tests.rules.samples import ROW


def row(model_id: str = "m", **columns: Any) -> dict[str, Any]:
    """A row with some other values."""
    return {**ROW, "model_id": model_id, "meta_hash": f"{model_id}{sorted(columns.items())}", **columns}


def statistics(*rows: dict[str, Any], before: list[dict[str, Any]] | None = None) -> ListingStatistics:
    """The statistics of these rows."""
    found = ListingStatistics(Thresholds(), RowsInMemory(before) if before is not None else None)
    found.add(rows)
    return found


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 12))
def test_it_makes_no_difference_where_a_page_ends(limits: list[int], end: int):
    rows = [row(f"m{place}", context_length=limit, max_output_tokens=5) for place, limit in enumerate(limits)]
    whole, paged = statistics(*rows), statistics(*rows[:end])
    paged.add(rows[end:])
    assert whole.profile() == paged.profile() == Profile.of_rows(rows)
    assert [*whole.invariant_issues(len(rows), 0.5)] == [*paged.invariant_issues(len(rows), 0.5)]


class AskedHistory(RowsInMemory):
    """Notes how many models it is asked about each time."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__(rows)
        self.asked: list[int] = []

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        self.asked.append(len(hashes))
        return super().before(hashes)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30), st.integers(1, 31))
def test_a_listing_is_compared_with_history_at_once_with_the_same_result_as_page_by_page(
    limits: list[tuple[int, int]], size: int
):
    before = [row(f"m{place}", context_length=was) for place, (was, _) in enumerate(limits)]
    rows = [row(f"m{place}", context_length=is_now) for place, (_, is_now) in enumerate(limits)]
    history = AskedHistory(before)
    paged = ListingStatistics(Thresholds(), history)
    for start in range(0, len(rows), size):
        paged.add(rows[start : start + size])
    ids = [each["model_id"] for each in rows]
    whole = statistics(*rows, before=before)
    assert paged.history_issues(paged.profile(), ids) == whole.history_issues(whole.profile(), ids)
    assert paged.history_issues(paged.profile(), ids) == whole.history_issues(whole.profile(), ids)
    assert history.asked == [len(rows)] * bool(rows)


def test_of_a_long_listing_only_so_many_rows_wait_to_be_compared():
    history = AskedHistory([])
    found = ListingStatistics(Thresholds(), history)
    for page in range(50):
        found.add([row(f"m{page}-{number}") for number in range(50)])
    assert history.asked == [1_000, 1_000]
    found.history_issues(found.profile(), [])
    assert history.asked == [1_000, 1_000, 500]


def test_an_output_above_the_context_is_an_error_of_most_models_and_a_warning_of_few():
    def severities(*outputs: int | None) -> list[str]:
        rows = [row(f"m{place}", context_length=10, max_output_tokens=each) for place, each in enumerate(outputs)]
        return [each["severity"] for each in statistics(*rows).invariant_issues(len(rows), 0.5)]

    assert severities(5, 10, None) == []
    assert severities(11, 5, 5) == ["warning"]
    assert severities(11, 11, 5) == ["error"]
    assert severities(11, None, None) == ["warning"]  # one model proves nothing


def test_the_share_of_violations_is_that_of_models_with_both_limits():
    rows = [row("a", context_length=10, max_output_tokens=11), row("b", context_length=10, max_output_tokens=1)]
    assert statistics(*rows, row("c"), row("d")).violations_share(4) == 0.5


def test_models_priced_in_another_currency_are_named_by_currency():
    euros = {"input": usd_per_million_tokens(1) | {"currency": "EUR"}}
    issues = list(statistics(row("a", prices=euros), row("b", prices=euros), row("c")).currency_issues())
    assert [(each["severity"], each["actual"], each["sample"]) for each in issues] == [("info", "EUR", ["a", "b"])]


def test_a_listing_that_shrank_is_an_issue_and_the_same_one_is_not():
    rows = [row(f"m{number}") for number in range(10)]
    for listed, holds in ((rows, True), (rows[:5], False)):
        found = statistics(*listed, before=rows)
        issues = found.history_issues(found.profile(), [each["model_id"] for each in listed])
        assert bool([each for each in issues if each["severity"] == "error"]) is not holds
        assert found.distinct_ids_hold(len(listed)) is holds
    assert statistics(before=rows).filled_before() == {"context_length", "input_price", "output_price"}


def pages(*answers: dict[str, Any], pagination: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The issues of the pages of one endpoint."""
    read = PagesRead([Endpoint(selector="data[*]", pagination=pagination)])
    for answer in answers:
        read.add(0, answer, len(answer["data"]))
    return list(read.issues())


def test_a_last_page_that_says_that_there_is_more_makes_the_listing_partial():
    (found,) = pages({"data": [{"id": "a"}], "has_more": True})
    assert (found["type"], found["severity"]) == (PARTIAL_LISTING, "error")
    assert found["message"].startswith("has_more in the answer says that there is more than the 1 read")
    assert pages({"data": [{"id": "a"}], "has_more": False}) == []


def test_only_the_last_page_counts_and_a_rule_that_could_go_on_has_read_all():
    more, last = ({"data": [{"id": "a"}], "has_more": each, "next": "b" if each else None} for each in (True, False))
    assert pages(more, last) == []
    cursor = {"type": "cursor", "token": "next", "param": "after"}
    assert pages(more, pagination=cursor) == []


def set_aside(*values: SetAside, items: int = 10, filled: int = 0, **options: Any) -> list[dict[str, Any]]:
    """The issues of values that were set aside, beside `filled` others of the column."""
    counted = SetAsideValues()
    for value in values:
        counted.add(value)
    profile = Profile.of_rows([row(f"m{number}", context_length=8) for number in range(filled)])
    return list(counted.issues(profile, items, **{"allowed": 0.2, "few": 0.1, "before": (), **options}))


def odd(model_id: str, reason: str = "implausible_limit", field: str = "context_length") -> SetAside:
    """An odd value."""
    return SetAside(reason, field, "too large", 10**12, model_id)


def test_more_odd_values_of_a_column_than_are_allowed_are_an_error():
    (held,) = set_aside(odd("a"), odd("b"), odd("c"), filled=7)
    assert (held["severity"], held["actual"]) == ("error", "30.0%")
    assert held["sample"] == [f"{name}: 1000000000000" for name in "abc"]
    (warned,) = set_aside(odd("a"), odd("b"), filled=8)
    assert warned["severity"] == "warning"


@pytest.mark.parametrize(("before", "severity"), [((), "warning"), (("context_length",), "error")])
def test_the_only_models_odd_value_is_an_error_where_the_column_was_filled_before(before: tuple, severity: str):
    (found,) = set_aside(odd("a"), items=1, before=before)
    assert found["severity"] == severity


def test_values_that_state_no_limit_or_are_of_no_known_type_hold_nothing():
    found = set_aside(*(odd(f"m{n}", NO_LIMIT) for n in range(9)), *(odd(f"m{n}", NOT_OF_TYPE, "x") for n in range(9)))
    assert {each["type"]: each["severity"] for each in found} == {NO_LIMIT: "info", NOT_OF_TYPE: "warning"}
    mixed = set_aside(odd("a", NOT_OF_TYPE, "x"), *(odd(f"m{n}", "too_long", "x") for n in range(5)))
    assert {each["type"]: each["severity"] for each in mixed} == {NOT_OF_TYPE: "warning", "too_long": "error"}


def test_records_disagree_where_both_have_a_number_and_on_further_prices_as_a_whole():
    def numbers(**columns: Any) -> tuple[Any, ...]:
        return disputable_numbers(row(**columns))

    assert disagreeing(numbers(context_length=1), numbers(context_length=2)) == {"context_length"}
    assert disagreeing(numbers(context_length=1), numbers(context_length=None)) == frozenset()
    cached = [ROW["prices"] | {"cache_read": usd_per_million_tokens(amount)} for amount in (1, 2)]
    assert disagreeing(*(numbers(prices=each) for each in cached)) == {"prices"}
    assert disagreeing(numbers(prices=cached[0]), numbers()) == frozenset()
