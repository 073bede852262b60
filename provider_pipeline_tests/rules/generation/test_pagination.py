"""The pagination and the total inferred from one page."""

import pytest

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.pagination import stays_on_its_path
from provider_pipeline.rules.pagination import parse_pagination
from provider_pipeline_tests.rules import samples

DATA = samples.OPENAI_LIKE["data"]


@pytest.mark.parametrize(
    ("sample", "pagination"),
    [
        (samples.OPENAI_LIKE, {"type": "none"}),
        (samples.OPENAI_LIKE["data"], {"type": "none"}),
        (
            samples.CURSOR,
            {
                "type": "cursor",
                "param": "after_id",
                "also": ["after", "last_id"],
                "token": "last_id",
                "more": "has_more",
            },
        ),
        (
            samples.METHODS,
            {"type": "page_token", "param": "pageToken", "also": ["nextPageToken"], "token": "nextPageToken"},
        ),
        (
            {"models": DATA, "next_page_token": "x"},
            {"type": "page_token", "param": "page_token", "also": ["next_page_token"], "token": "next_page_token"},
        ),
        (
            {"data": DATA, "next_cursor": "Mg", "has_more": True},
            {
                "type": "cursor",
                "param": "cursor",
                "also": ["after", "next_cursor"],
                "token": "next_cursor",
                "more": "has_more",
            },
        ),
        (samples.COMPOSITE, {"type": "next_url", "token": "next"}),
        (
            {"items": DATA, "pagination": {"page": 1, "totalPage": 3}},
            {"type": "page_number", "param": "page", "page": "pagination.page", "total_pages": "pagination.totalPage"},
        ),
        ({"data": DATA, "total": 500}, {"type": "offset", "param": "offset", "limit_param": "limit", "total": "total"}),
        ({"data": DATA, "total": 3}, {"type": "none", "total": "total"}),
    ],
)
def test_the_pagination_is_inferred_from_the_answer(sample, pagination):
    inferred = RuleGenerator().analyze_sample(sample)["pagination"]
    assert inferred == pagination
    assert parse_pagination(inferred).type == pagination["type"]


@pytest.mark.parametrize(
    "document",
    [
        {"type": "page_number", "param": "page", "page": "page"},
        {"type": "offset", "param": "offset"},
        {"type": "cursor"},
        {"type": "warp"},
        {},
        {"type": "none", "extra": 1},
        {"type": "next_url", "token": "a["},
        [1],
    ],
)
def test_a_pagination_that_cannot_be_followed_is_refused(document):
    with pytest.raises(InvalidRuleError, match="pagination"):
        parse_pagination(document)


def test_a_field_that_a_pagination_does_not_have_is_named_with_those_that_it_has():
    named = r"offset\.limit: .* of offset there are limit_param, more, param, total"
    with pytest.raises(InvalidRuleError, match=named):
        parse_pagination({"type": "offset", "param": "skip", "limit": 10, "total": "total"})


@pytest.mark.parametrize(
    ("envelope", "pagination"),
    [
        (
            {"page_info": {"end_cursor": "x", "has_next_page": True}},
            {
                "type": "cursor",
                "param": "after",
                "also": ["end_cursor"],
                "token": "data.page_info.end_cursor",
                "more": "data.page_info.has_next_page",
            },
        ),
        (
            {"pageNo": 1, "totalPages": 3},
            {"type": "page_number", "param": "pageNo", "page": "data.pageNo", "total_pages": "data.totalPages"},
        ),
        ({"next": {"href": "https://a/b?page=2"}}, {"type": "next_url", "token": "data.next.href"}),
        ({"next_page": 2}, {"type": "page_token", "param": "page", "token": "data.next_page"}),
        (
            {"NextToken": "x"},
            {"type": "page_token", "param": "NextToken", "also": ["Token"], "token": "data.NextToken"},
        ),
        (
            {"paging": {"cursors": {"after": "x"}}},
            {"type": "page_token", "param": "after", "also": ["cursor"], "token": "data.paging.cursors.after"},
        ),
    ],
)
def test_fields_beside_the_listing_count_at_any_depth(envelope, pagination):
    sample = {"data": {"items": [{"id": "gpt-4o"}, {"id": "gpt-4.1"}], **envelope}}
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["pagination"] == pagination
    assert analysis["issues"] == []


@pytest.mark.parametrize("envelope", [{"has_more": True}, {"is_last_page": False}, {"total_pages": 3}])
def test_an_incomplete_listing_that_cannot_be_continued_is_reported(envelope):
    analysis = RuleGenerator().analyze_sample({"data": [{"id": "gpt-4o"}, {"id": "gpt-4.1"}], **envelope})
    assert analysis["pagination"] == {"type": "none"}
    assert [entry["type"] for entry in analysis["issues"]] == ["pagination_unclear"]


LAST = {"type": "cursor", "param": "after", "also": ["after_id", "starting_after"], "more": "has_more"}
NUMBERED = {"type": "page_number", "param": "page", "page": "page"}


@pytest.mark.parametrize(
    ("envelope", "pagination"),
    [
        ({"object": "list", "has_more": True}, LAST | {"token": "data[-1].id"}),
        ({"first_id": "gpt-4o", "has_more": True}, LAST | {"token": "data[-1].id"}),
        ({"object": "list", "has_more": False}, {"type": "none"}),
        ({"page": 1, "per_page": 2, "total": 40}, NUMBERED | {"total": "total"}),
        ({"page": 1, "total_count": 3}, NUMBERED | {"total": "total_count"}),
        ({"page": 1, "has_more": True}, NUMBERED | {"more": "has_more"}),
        (
            {"offset": 0, "limit": 2, "has_more": True},
            {"type": "offset", "param": "offset", "limit_param": "limit", "more": "has_more"},
        ),
        (
            {"offset": 0, "count": 2, "has_more": True},
            {"type": "offset", "param": "offset", "limit_param": "limit", "more": "has_more"},
        ),
    ],
)
def test_pages_whose_next_one_is_not_named_are_asked_for_by_what_they_do_say(envelope, pagination):
    analysis = RuleGenerator().analyze_sample({"data": [{"id": "gpt-4o"}, {"id": "gpt-4.1"}], **envelope})
    assert analysis["pagination"] == pagination
    assert stays_on_its_path(parse_pagination(analysis["pagination"]))


def test_an_api_that_leaves_its_token_out_on_the_last_page_is_paged_nevertheless():
    items = [{"name": f"models/gemini-{n}", "supportedGenerationMethods": ["generateContent"]} for n in range(3)]
    pagination = RuleGenerator().analyze_sample({"models": items})["pagination"]
    assert pagination == {"type": "page_token", "param": "pageToken", "token": "nextPageToken"}


MODELS = [{"id": "gpt-4o"}, {"id": "gpt-4.1"}]


@pytest.mark.parametrize(
    ("envelope", "total"),
    [
        ({"total": 2}, "total"),
        ({"meta": {"total_count": 2}}, "meta.total_count"),
        ({"count": 2, "total": 2}, "total"),
        ({"has_more": True, "next_cursor": "x", "total": 9}, "total"),
        ({"next": "https://a/b?page=2", "count": 9}, "count"),
        ({"page": 1, "total_pages": 5, "total": 9}, "total"),
    ],
)
def test_a_total_is_believed_if_the_sample_proves_what_it_counts(envelope, total):
    assert RuleGenerator().analyze_sample({"data": MODELS, **envelope})["pagination"]["total"] == total


@pytest.mark.parametrize(
    "envelope",
    [
        {"total": 1},
        {"total": 2, "count": 3},
        {"total": "2"},
        {"has_more": True, "next_cursor": "x", "count": 2},
        {"has_more": False, "next_cursor": None, "total": 9},
        {"next": None, "count": 2},
        {"page": 1, "total_pages": 5, "total": 500},
        {"page": 1, "total_pages": 1, "total": 2},
    ],
)
def test_a_total_that_could_count_something_else_is_not_believed(envelope):
    assert "total" not in RuleGenerator().analyze_sample({"data": MODELS, **envelope})["pagination"]


def test_one_item_proves_no_total():
    sample = {"data": [{"id": "gpt-4o", "context_length": 128_000}], "total": 1}
    assert "total" not in RuleGenerator().analyze_sample(sample)["pagination"]
