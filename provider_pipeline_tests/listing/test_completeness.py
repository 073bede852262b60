"""Pages that look fine one by one but do not make a complete listing."""

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline.listing.completeness import CompletenessCheck
from provider_pipeline_tests.listing.conftest import Fetch

TOKEN = {"type": "page_token", "param": "after", "token": "next"}


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
        fetch(url, pagination=TOKEN, selector="data")
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
    assert len(fetch(url, pagination=TOKEN, selector="data")) == 3


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
    assert len(fetch(serve(httpserver, pages), pagination=TOKEN | {"total": "count"}, selector="data")) == 2


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
