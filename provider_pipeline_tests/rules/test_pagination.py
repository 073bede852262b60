"""What answers say of further pages, and the listings that are held because of it."""

import pytest

from provider_pipeline.rules.pagination import says_more
from provider_pipeline.rules.validator import RuleValidator

ITEMS = [{"id": f"acme-{number}"} for number in range(3)]


def issues(envelope, pagination=None, path="/v1/models"):
    rule = {
        "jmespath_rule": "data[*]",
        "endpoint": path,
        "fields": {"id": "id"},
        "pagination": pagination or {"type": "none"},
        "capability_rules": [],
    }
    judged = RuleValidator().validate_rule(rule, {"data": ITEMS, **envelope})
    return [each["type"] for each in judged["issues"] if each["severity"] == "error"]


@pytest.mark.parametrize(
    "envelope",
    [
        {"has_more": True},
        {"hasMore": "true"},
        {"is_last": False},
        {"next_page_token": "x"},
        {"nextCursor": "x"},
        {"metadata": {"continue": "x"}},
        {"next": "https://api.example.org/v1/models?page=2"},
        {"links": {"next": {"href": "/v1/models?page=2"}}},
        {"next_page": 2},
        {"page": 1, "total_pages": 3},
        {"meta": {"last_page": 3}},
        {"page": 1, "total": 8},
        {"limit": 3, "total": 8},
        {"total_count": 8},
        {"count": 3, "total": 8},
        {"has_more": True, "total": 3},
        {"next_token": None, "next_url": "https://api.example.org/v1/models?page=2"},
    ],
)
def test_a_page_that_says_there_is_more_is_held_if_the_rule_asks_for_no_other(envelope):
    assert issues(envelope) == ["partial_listing"]


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"has_more": False},
        {"has_more": False, "last_id": "acme-2", "total": 8},
        {"has_more": False, "next_cursor": "x"},
        {"next": None, "total": 8},
        {"next_page_token": "", "total": 8},
        {"next_page_token": " "},
        {"is_last_page": True, "total": 8},
        {"links": {"next": None, "self": "/v1/models"}},
        {"total": 3},
        {"total": 2},
        {"total": 3, "total_count": 8},
        {"total": 8, "filtered": 3},
        {"total": 8, "limit": 100, "offset": 0},
        {"page": 1, "total_pages": 1, "total": 8},
        {"count": 3},
        {"cursor": "x"},
        {"total": "many"},
        {"total": True},
    ],
)
def test_a_page_that_says_it_is_the_last_or_nothing_clear_is_whole(envelope):
    assert issues(envelope) == []


def test_a_bare_total_is_not_believed_where_the_address_filters_unless_there_are_pages():
    assert issues({"total": 8}, path="/v1/models?type=text") == []
    assert issues({"total": 8}, path="/v1/models?limit=3") == ["partial_listing"]
    assert issues({"total": 8, "page": 1}, path="/v1/models?type=text") == ["partial_listing"]


@pytest.mark.parametrize(
    ("pagination", "envelope", "held"),
    [
        ({"type": "cursor", "param": "after", "token": "last_id", "more": "has_more"}, {"last_id": "acme-2"}, False),
        ({"type": "cursor", "param": "after", "token": "last_id", "more": "has_more"}, {"last_id": None}, True),
        ({"type": "page_token", "param": "page_token", "token": "next_page_token"}, {}, True),
        ({"type": "page_number", "param": "page", "page": "page", "total_pages": "pages"}, {"pages": 4}, False),
        ({"type": "page_number", "param": "page", "page": "page", "total_pages": "pages"}, {}, True),
        ({"type": "offset", "param": "offset", "more": "has_more"}, {}, False),
        ({"type": "next_url", "token": "next"}, {"next": None}, True),
        ({"type": "link_header"}, {}, False),
        ({"type": "none", "whole": True}, {}, False),
    ],
)
def test_a_rule_with_pages_is_held_too_where_it_cannot_follow(pagination, envelope, held):
    assert issues({"has_more": True, **envelope}, pagination) == (["partial_listing"] if held else [])


def test_words_inside_and_around_the_listing_count():
    answer = {"result": {"models": ITEMS, "has_more": True}}
    assert says_more(answer, 3, ("result", "models")) == "result.has_more"
    assert says_more({"models": [{"has_more": True}]}, 1, ("models",)) is None


def test_a_listing_that_is_null_is_empty_and_one_that_is_gone_is_not_found():
    rule = {"jmespath_rule": "data.models[*]", "fields": {"id": "id"}, "capability_rules": []}

    def kinds(answer):
        return [each["type"] for each in RuleValidator().validate_rule(rule, answer)["issues"]]

    assert kinds({"data": {"models": None}}) == ["empty_listing"]
    assert kinds({"data": {}}) == ["extraction_failed"]
    assert kinds({"data": None}) == ["extraction_failed"]
