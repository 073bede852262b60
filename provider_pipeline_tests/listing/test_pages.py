"""The request after each page, and pages that look fine one by one but do not make a complete listing."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import InvalidRuleError, ListingRefusedError, ListingUnreadableError, RuleTooCostlyError
from provider_pipeline.listing.endpoints import ListingEndpoint
from provider_pipeline.listing.pages import Broken, CompletenessCheck, Finished, NextRequest, PageInfo, next_request
from provider_pipeline.rules.pagination import parse_pagination
from provider_pipeline_tests.listing.conftest import Fetch

URL = "https://api.example.org/v1/models?limit=2"
CURSOR = {"type": "cursor", "param": "after_id", "token": "last_id", "more": "has_more"}
TOKEN = {"type": "page_token", "param": "pageToken", "token": "nextPageToken"}
NEXT = {"type": "next_url", "token": "links.next"}
NUMBER = {"type": "page_number", "param": "page", "page": "pagination.page", "total_pages": "pagination.totalPage"}
OFFSET = {"type": "offset", "param": "offset", "limit_param": "limit", "total": "total"}


def step(
    style: dict[str, Any] | None,
    document: Any,
    url: str = URL,
    number: int = 1,
    link: str | None = None,
    count: int | None = None,
) -> Any:
    return next_request(parse_pagination(style), PageInfo(url, document, number, link, count))


@pytest.mark.parametrize("style", [None, {"type": "none"}])
def test_without_pagination_one_page_is_all(style: dict[str, Any] | None) -> None:
    assert step(style, {"has_more": True, "next": "/x"}) == Finished()


@pytest.mark.parametrize("style", [None, {"type": "none"}, {"type": "link_header"}])
def test_a_link_header_is_followed_even_if_the_rule_was_made_from_a_body_alone(style: dict[str, Any] | None) -> None:
    link = '<https://api.example.org/v1/models?cursor=b>; rel="next", <https://api.example.org/>; rel="first"'
    assert step(style, [], link=link) == NextRequest("https://api.example.org/v1/models?cursor=b", named=True)


@pytest.mark.parametrize("link", ["", '<https://elsewhere.org/>; rel="prev"', "nonsense", "<>", ";;,"])
def test_a_link_header_without_a_next_page_ends_the_listing(link: str) -> None:
    assert step({"type": "link_header"}, [], link=link) == Finished()


def test_a_cursor_is_added_to_the_parameters_that_were_there() -> None:
    assert step(CURSOR, {"has_more": True, "last_id": "a/b c"}) == NextRequest(f"{URL}&after_id=a%2Fb%20c")


def test_a_cursor_replaces_the_one_before() -> None:
    url = f"{URL}&after_id=a"
    assert step(CURSOR, {"has_more": True, "last_id": "b"}, url) == NextRequest(f"{URL}&after_id=b")


def test_a_cursor_ends_when_there_is_no_more_though_a_last_id_is_given() -> None:
    assert step(CURSOR, {"has_more": False, "last_id": "b"}) == Finished()


@pytest.mark.parametrize("token", [None, "", [], {}, True, 1.5])
def test_more_without_a_token_is_broken(token: object) -> None:
    outcome = step(CURSOR, {"has_more": True, "last_id": token})
    assert outcome == Broken("has more (has_more) but no last_id")


def test_a_cursor_goes_on_when_the_page_no_longer_says_whether_there_is_more() -> None:
    assert isinstance(step(CURSOR, {"last_id": "b"}), NextRequest)


def test_a_cursor_without_a_more_flag_goes_by_its_token() -> None:
    style = {"type": "cursor", "param": "cursor", "token": "meta.next"}
    assert step(style, {"meta": {"next": 17}}) == NextRequest(f"{URL}&cursor=17")
    assert step(style, {"meta": {"next": None}}) == Finished()


@pytest.mark.parametrize("document", [{}, {"nextPageToken": None}, {"nextPageToken": ""}, [], None, "text"])
def test_no_token_ends_the_listing(document: object) -> None:
    assert step(TOKEN, document) == Finished()


def test_a_token_goes_under_the_parameter_the_rule_names() -> None:
    assert step(TOKEN, {"nextPageToken": "A=="}) == NextRequest(f"{URL}&pageToken=A%3D%3D")


def test_a_token_that_is_an_object_is_broken() -> None:
    assert step(TOKEN, {"nextPageToken": {"page": 2}}) == Broken("has a nextPageToken that is not a token but dict")


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("https://api.example.org/v1/models?page=2", "https://api.example.org/v1/models?page=2"),
        ("https://API.EXAMPLE.ORG:443/v1/models?page=2", "https://API.EXAMPLE.ORG:443/v1/models?page=2"),
        ("/v2/models", "https://api.example.org/v2/models"),
        ("?page=2", "https://api.example.org/v1/models?page=2"),
    ],
)
def test_a_next_url_on_the_same_host_is_followed(target: str, url: str) -> None:
    assert step(NEXT, {"links": {"next": target}}) == NextRequest(url, named=True)


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.org/v1/models",
        "https://api.example.org.elsewhere.org/",
        "https://api.example.org@elsewhere.org/",
        "https://user:pw@api.example.org/",
        "http://api.example.org/v1/models?page=2",
        "https://api.example.org:8443/v1/models",
        "//elsewhere.org/x",
        "ftp://api.example.org/x",
        "https://[::1",
        "https://api.example.org:port/",
    ],
)
def test_a_next_url_elsewhere_is_broken(target: str) -> None:
    assert isinstance(step(NEXT, {"links": {"next": target}}), Broken)


def test_http_may_lead_to_https_on_the_same_host() -> None:
    outcome = step(NEXT, {"links": {"next": "https://api.example.org/2"}}, url="http://api.example.org/1")
    assert outcome == NextRequest("https://api.example.org/2", named=True)


def test_a_next_url_that_is_not_text_is_broken() -> None:
    assert step(NEXT, {"links": {"next": 2}}) == Broken("has a links.next that is not a URL but int")


def test_numbered_pages_are_counted_up_to_their_total() -> None:
    assert step(NUMBER, {"pagination": {"page": 1, "totalPage": 2}}) == NextRequest(f"{URL}&page=2")
    assert step(NUMBER, {"pagination": {"page": 2, "totalPage": 2}}, f"{URL}&page=2", 2) == Finished()


def test_numbered_pages_may_begin_at_zero() -> None:
    assert step(NUMBER, {"pagination": {"page": 0, "totalPage": 2}}) == NextRequest(f"{URL}&page=1")
    assert step(NUMBER, {"pagination": {"page": "1", "totalPage": "2"}}, f"{URL}&page=1", 2) == Finished()


def test_a_page_other_than_the_one_asked_for_is_broken() -> None:
    outcome = step(NUMBER, {"pagination": {"page": 1, "totalPage": 3}}, f"{URL}&page=2", 2)
    assert outcome == Broken("says it is page 1, though page 2 was asked for")


@pytest.mark.parametrize("total", [None, "many", True, -1, [2]])
def test_a_listing_that_no_longer_says_its_length_is_broken(total: object) -> None:
    assert isinstance(step(NUMBER, {"pagination": {"page": 1, "totalPage": total}}), Broken)
    assert isinstance(step(OFFSET, {"total": total, "models": [1]}), Broken)


def test_an_offset_moves_by_what_came_not_by_what_was_asked_for() -> None:
    url = "https://api.example.org/models?limit=100&offset=3"
    assert step(OFFSET, {"total": 9}, url, count=3) == NextRequest("https://api.example.org/models?limit=100&offset=6")


def test_an_offset_ends_at_the_total() -> None:
    assert step(OFFSET, {"total": 3}, count=3) == Finished()


def test_an_empty_page_before_the_total_is_broken() -> None:
    assert isinstance(step(OFFSET, {"total": 3}, count=0), Broken)
    assert isinstance(step(OFFSET, {"total": 3}, count=None), Broken)


def test_an_unknown_style_is_refused_when_the_source_is_built() -> None:
    with pytest.raises(InvalidRuleError, match="pagination"):
        ListingEndpoint(path="/models", pagination={"type": "telepathy"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["has_more", "last_id", "nextPageToken", "links", "next", "pagination", "total", "page"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    style=st.sampled_from([CURSOR, TOKEN, NEXT, NUMBER, OFFSET, {"type": "link_header"}]),
    document=JSON,
    link=st.none() | st.text(max_size=40),
)
def test_any_document_leads_to_the_same_host_or_to_an_end(style: Any, document: Any, link: str | None) -> None:
    outcome = step(style, document, link=link)
    if isinstance(outcome, NextRequest):
        assert outcome.url.lower().startswith("https://api.example.org/")
    else:
        assert isinstance(outcome, (Finished, Broken))


@pytest.mark.parametrize("total", ["\u0663", "\u00b3", "\uff13"])
def test_a_number_of_pages_has_ascii_digits(total: str) -> None:
    assert isinstance(step(NUMBER, {"pagination": {"page": 1, "totalPage": total}}), Broken)


@pytest.mark.parametrize("end", [{"total": "total"}, {"more": "has_more"}])
@pytest.mark.parametrize(
    "style", [{"type": "page_number", "param": "page", "page": "page"}, {"type": "offset", "param": "offset"}]
)
def test_pages_without_a_number_of_pages_end_by_their_total_or_word(
    httpserver: HTTPServer, fetch: Fetch, style: dict[str, Any], end: dict[str, Any]
) -> None:
    def answer(request: Request) -> Response:
        page = int(request.args.get("page", 1))
        start = int(request.args.get("offset", 2 * (page - 1)))
        items = [{"id": f"acme-{number}"} for number in range(start, min(start + 2, 5))]
        return Response(json.dumps({"data": items, "page": page, "total": 5, "has_more": start + 2 < 5}))

    httpserver.expect_request("/models").respond_with_handler(answer)
    pages = fetch(httpserver.url_for(""), pagination=style | end, selector="data")
    assert [len(page.document["data"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize("document", [{"has_more": True}, {}])
def test_an_offset_by_word_is_broken_when_an_empty_page_promises_more_or_the_word_is_gone(
    document: dict[str, Any],
) -> None:
    assert isinstance(step({"type": "offset", "param": "offset", "more": "has_more"}, document, count=0), Broken)


AFTER = {"type": "page_token", "param": "after", "token": "next"}


def items(*ids: Any) -> list[dict[str, Any]]:
    return [{"id": each} for each in ids]


def serve(httpserver: HTTPServer, pages: dict[str, Any]) -> str:
    """Serves these documents by their `after` parameter."""

    def respond(request: Request) -> Response:
        return Response(json.dumps(pages[request.args.get("after", "")]), content_type="application/json")

    httpserver.expect_request("/models").respond_with_handler(respond)
    return httpserver.url_for("")


def test_a_page_that_jumps_back_fails_the_listing(httpserver: HTTPServer, fetch: Fetch) -> None:
    url = serve(
        httpserver,
        {
            "": {"data": items("a", "b"), "next": "1"},
            "1": {"data": items("c", "d"), "next": "2"},
            "2": {"data": items("b", "a"), "next": "3"},
        },
    )
    with pytest.raises(ListingUnreadableError, match="page 3 with nothing but ids of earlier pages"):
        fetch(url, pagination=AFTER, selector="data")
    assert len(httpserver.log) == 3


def test_pages_that_overlap_and_an_empty_last_page_are_fine(httpserver: HTTPServer, fetch: Fetch) -> None:
    url = serve(
        httpserver,
        {
            "": {"data": items("a", "b"), "next": "1"},
            "1": {"data": items("b", "c"), "next": "2"},
            "2": {"data": []},
        },
    )
    assert len(fetch(url, pagination=AFTER, selector="data")) == 3


def test_the_expressions_of_pagination_have_one_budget_of_steps_for_all_pages(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    numbers = "`[" + ",".join(["1"] * 50) + "]`"
    costly = f"next && map(&map(&map(&@, {numbers}), {numbers}), {numbers}) && next"
    pages = {str(number): {"data": items(str(number)), "next": str(number + 1)} for number in range(1, 40)}
    url = serve(httpserver, {"": {"data": items("0"), "next": "1"}, **pages})
    with pytest.raises(RuleTooCostlyError, match="all pages together"):
        fetch(url, pagination={**AFTER, "token": costly}, selector="data")
    assert 1 < len(httpserver.log) < 40


@pytest.mark.parametrize("total", [2, 3])
def test_an_announced_total_that_came_is_a_whole_listing(httpserver: HTTPServer, fetch: Fetch, total: int) -> None:
    # Three items, one of them twice on the same page: some servers count it once.
    url = serve(httpserver, {"": {"data": items("a", "b", "b"), "count": total}})
    assert len(fetch(url, pagination={"type": "none", "total": "count"}, selector="data")) == 1


@pytest.mark.parametrize("total", [0, 1, 4, 1000])
def test_an_announced_total_that_did_not_come_fails_the_listing(
    httpserver: HTTPServer, fetch: Fetch, total: int
) -> None:
    url = serve(httpserver, {"": {"data": items("a", "b", "b"), "count": total}})
    lies = rf"page 1, the last, which announces a total of {total:,} items, but 3 came, 2 of them different"
    with pytest.raises(ListingUnreadableError, match=lies) as caught:
        fetch(url, pagination={"type": "none", "total": "count"}, selector="data")
    assert caught.value.transient


def test_the_total_is_that_of_the_last_page(httpserver: HTTPServer, fetch: Fetch) -> None:
    pages = {"": {"data": items("a"), "next": "1", "count": 1}, "1": {"data": items("b"), "count": 2}}
    assert len(fetch(serve(httpserver, pages), pagination=AFTER | {"total": "count"}, selector="data")) == 2


@pytest.mark.parametrize("count", [None, "many", True])
def test_a_page_that_announces_no_readable_total_is_accepted(httpserver: HTTPServer, fetch: Fetch, count: Any) -> None:
    url = serve(httpserver, {"": {"data": items("a"), "count": count}})
    assert len(fetch(url, pagination={"type": "none", "total": "count"}, selector="data")) == 1


def test_a_listing_of_more_than_its_offset_total_is_refused(httpserver: HTTPServer, fetch: Fetch) -> None:
    url = serve(httpserver, {"": {"data": items("a", "b"), "total": 1}})
    with pytest.raises(ListingUnreadableError, match="announces a total of 1"):
        fetch(url, pagination={"type": "offset", "param": "after", "total": "total"}, selector="data")


def test_offsets_count_what_the_selector_finds_and_not_the_longest_list(httpserver: HTTPServer, fetch: Fetch) -> None:
    decoys = list(range(50))
    url = serve(
        httpserver,
        {
            "": {"data": items("a", "b"), "tags": decoys, "total": 3},
            "2": {"data": items("c"), "tags": decoys, "total": 3},
        },
    )
    assert len(fetch(url, pagination={"type": "offset", "param": "after", "total": "total"}, selector="data")) == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"error": "quota exceeded"}, "quota exceeded"),
        ({"error": {"message": "quota exceeded", "code": 1}}, "quota exceeded"),
        ({"errors": [{"message": "quota exceeded"}], "data": []}, "quota exceeded"),
        ({"success": False, "message": "quota exceeded", "result": None}, "quota exceeded"),
        ({"ok": False}, "an error without a message"),
        ({"object": "error", "message": "quota exceeded", "data": []}, "quota exceeded"),
        ({"status": "ERROR", "detail": "quota exceeded"}, "quota exceeded"),
        ({"detail": "quota exceeded"}, "quota exceeded"),
        ({"message": "quota exceeded", "code": 401}, "quota exceeded"),
    ],
)
@pytest.mark.parametrize("selector", ["data", None])
def test_an_error_that_calls_itself_a_success_is_an_error(
    httpserver: HTTPServer, fetch: Fetch, document: dict[str, Any], says: str, selector: str | None
) -> None:
    httpserver.expect_request("/models").respond_with_json(document)
    with pytest.raises(ListingRefusedError, match="answered 200 with an error instead of a listing") as caught:
        fetch(httpserver.url_for(""), selector=selector)
    assert says in caught.value.message
    assert caught.value.status == 200


@pytest.mark.parametrize(
    "document",
    [
        {"data": []},
        {"data": [], "error": None, "errors": [], "success": True, "message": "ok"},
        {"data": [{"id": "a"}], "error": "one region is down"},
        {"object": "list", "data": []},
    ],
)
def test_a_listing_with_models_or_without_an_error_is_accepted(
    httpserver: HTTPServer, fetch: Fetch, document: dict[str, Any]
) -> None:
    httpserver.expect_request("/models").respond_with_json(document)
    assert len(fetch(httpserver.url_for(""), selector="data")) == 1


def test_a_key_that_an_error_quotes_is_masked(httpserver: HTTPServer, fetch: Fetch) -> None:
    key = "sk-demo-0123456789abcdef"
    httpserver.expect_request("/models").respond_with_json({"error": f"Incorrect API key provided: {key}"})
    with pytest.raises(ListingRefusedError, match=r"\*\*\*") as caught:
        fetch(httpserver.url_for(""), auth={"type": "bearer", "env": "K"}, environ={"K": key})
    assert key not in str(caught.value)


def test_a_number_and_its_digits_are_the_same_id_and_items_without_one_are_counted() -> None:
    check = CompletenessCheck("@", "id", lambda: None)
    assert not check.only_repeats([{"id": 1}, {"name": "x"}])
    assert check.only_repeats([{"id": "1"}])
    assert not check.only_repeats([{"name": "y"}])
    assert check.disagreement(3) is None
    assert check.disagreement(4) is None
    assert check.disagreement(5) is not None
