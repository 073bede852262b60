"""What a source refuses on construction, conditional requests for its pages, and other names of a parameter."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ConfigurationError,
    ListingPartialError,
    ListingRefusedError,
    ListingUnreadableError,
)
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.pages import KnownPage
from provider_pipeline_tests.listing.conftest import Fetch


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://example.org",
        "example.org",
        "https://",
        "https://user:hunter2@example.org",
        "https://example.org/?api_key=hunter2",
        "https://exa mple.org",
        "https://[::1",
        "https://example.org:99999",
    ],
)
def test_an_unusable_base_url_or_one_with_a_secret_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ListingSource(slug="acme", base_url=base_url)
    assert str(caught.value).startswith("acme: ")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["https://elsewhere.org/models", "//elsewhere.org/models", "/../models", "/%2e%2e/keys"]
)
def test_an_endpoint_stays_below_its_base_url(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^acme: endpoint .* (is not a path below|may)"):
        ListingSource(slug="acme", base_url="https://example.org", endpoints=(ListingEndpoint(path=path),))


def test_a_source_without_an_endpoint_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^acme: it has no listing endpoint"):
        ListingSource(slug="acme", base_url="https://example.org", endpoints=())


def test_the_url_of_an_endpoint_joins_base_url_path_and_parameters() -> None:
    endpoint = ListingEndpoint(path="/models?type=chat", params={"limit": "5"})
    source = ListingSource(slug="acme", base_url="https://example.org/v1/", endpoints=(endpoint,))
    assert source.url(endpoint) == "https://example.org/v1/models?type=chat&limit=5"


STORED = b'{"data": [{"id": "a"}]}'
LAST_MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


class Kept:
    """Stored pages by endpoint, number and URL; records what was looked up and loaded."""

    def __init__(
        self,
        *pages: bytes,
        etag: str | None = '"one"',
        last_modified: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.asked: list[tuple[int, int, str]] = []
        self.loaded = 0
        self._pages = pages
        self._etag, self._last_modified, self._fingerprint = etag, last_modified, fingerprint

    def __call__(self, endpoint: int, number: int, url: str) -> KnownPage | None:
        self.asked.append((endpoint, number, url))
        if number > len(self._pages):
            return None
        return KnownPage(self._etag, self._last_modified, self._loader(self._pages[number - 1]), self._fingerprint)

    def _loader(self, content: bytes) -> Callable[[], bytes]:
        def load() -> bytes:
            self.loaded += 1
            return content

        return load


def unchanged(**headers: str) -> Callable[[Request], Response]:
    """Answers 304 to conditional requests."""

    def respond(request: Request) -> Response:
        if "If-None-Match" in request.headers or "If-Modified-Since" in request.headers:
            return Response(status=304, headers=headers)
        return Response(STORED, content_type="application/json")

    return respond


def test_an_unchanged_listing_is_neither_sent_again_nor_parsed(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_handler(unchanged(ETag='"one"'))
    kept = Kept(STORED, last_modified=LAST_MODIFIED)
    (page,) = fetch(httpserver.url_for(""), known=kept, selector="data")
    assert (page.not_modified, page.status, page.etag, page.last_modified) == (True, 304, '"one"', LAST_MODIFIED)
    sent = httpserver.log[0][0].headers
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('"one"', LAST_MODIFIED)
    assert kept.asked == [(0, 1, httpserver.url_for("/models"))]
    assert kept.loaded == 0
    assert (page.content, page.document, page.document) == (STORED, {"data": [{"id": "a"}]}, {"data": [{"id": "a"}]})
    assert kept.loaded == 1


def test_a_page_that_changed_comes_with_its_new_validators(httpserver: HTTPServer, fetch: Fetch) -> None:
    headers = {"ETag": '"two"', "Last-Modified": LAST_MODIFIED, "X-Request-Id": "r-1", "Set-Cookie": "a=b"}
    httpserver.expect_request("/models").respond_with_data(b"[]", headers=headers, content_type="application/json")
    (page,) = fetch(httpserver.url_for(""), known=Kept(STORED))
    assert (page.not_modified, page.status, page.content, page.etag) == (False, 200, b"[]", '"two"')
    assert page.last_modified == LAST_MODIFIED
    assert page.headers["x-request-id"] == "r-1"
    assert "set-cookie" not in page.headers
    assert page.fetched_at.utcoffset() is not None


def test_the_same_bytes_again_are_not_parsed(httpserver: HTTPServer, fetch: Fetch) -> None:
    broken = b'{"data": ['
    httpserver.expect_request("/models").respond_with_data(STORED, content_type="application/json")
    (first,) = fetch(httpserver.url_for(""), selector="data")
    assert (first.not_modified, len(first.fingerprint or "")) == (False, 64)
    kept = Kept(broken, etag=None, fingerprint=first.fingerprint)
    (again,) = fetch(httpserver.url_for(""), known=kept, selector="data")
    assert (again.not_modified, again.status, again.content) == (True, 200, STORED)
    assert again.fingerprint == first.fingerprint
    assert kept.loaded == 0


def test_a_page_that_quotes_our_key_is_recognised_by_what_was_stored_of_it(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    key = "sk-ours-3kd92LdkWm20xnQpz71hTf"
    body = json.dumps({"data": [{"id": "a"}], "key": key}).encode()
    httpserver.expect_request("/models").respond_with_data(body, content_type="application/json")
    settings: dict[str, Any] = {"auth": {"type": "bearer", "env": "ACME_KEY"}, "environ": {"ACME_KEY": key}}
    (first,) = fetch(httpserver.url_for(""), selector="data", **settings)
    kept = Kept(first.content, etag=None, fingerprint=first.fingerprint)
    (again,) = fetch(httpserver.url_for(""), known=kept, selector="data", **settings)
    assert (again.not_modified, again.fingerprint) == (True, first.fingerprint)
    assert key.encode() not in again.content


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(STORED + b" ", "application/json"), (STORED, "application/json; charset=utf-16"), (STORED, "text/plain")],
)
def test_other_bytes_or_another_content_type_are_parsed(
    httpserver: HTTPServer, fetch: Fetch, body: bytes, content_type: str
) -> None:
    httpserver.expect_request("/models").respond_with_data(STORED, content_type="application/json")
    (first,) = fetch(httpserver.url_for(""), selector="data")
    httpserver.clear()
    httpserver.expect_request("/models").respond_with_data(body, content_type=content_type)
    kept = Kept(STORED, etag=None, fingerprint=first.fingerprint)
    (other,) = fetch(httpserver.url_for(""), known=kept, selector="data")
    assert not other.not_modified
    assert other.fingerprint != first.fingerprint


def test_a_page_of_several_is_parsed_even_if_it_came_before(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models", query_string="").respond_with_json({"data": [{"id": "a"}], "next": "b"})
    httpserver.expect_request("/models", query_string="after=b").respond_with_json({"data": [{"id": "b"}]})
    pagination = {"type": "page_token", "param": "after", "token": "next"}
    pages = fetch(httpserver.url_for(""), pagination=pagination, selector="data")
    assert [(page.fingerprint, page.not_modified) for page in pages] == [(None, False), (None, False)]


def test_a_link_that_comes_with_the_same_bytes_is_not_overlooked(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data(STORED, content_type="application/json")
    (first,) = fetch(httpserver.url_for(""), selector="data")
    httpserver.clear()
    link = {"Link": '</models?page=2>; rel="next"'}
    httpserver.expect_request("/models").respond_with_data(STORED, headers=link, content_type="application/json")
    with pytest.raises(ListingUnreadableError):
        fetch(httpserver.url_for(""), known=Kept(STORED, fingerprint=first.fingerprint), selector="data")


@pytest.mark.parametrize("kept", [None, Kept(), Kept(STORED, etag=None)])
def test_without_a_stored_page_requests_are_unconditional(
    httpserver: HTTPServer, fetch: Fetch, kept: Kept | None
) -> None:
    httpserver.expect_request("/models").respond_with_handler(unchanged())
    assert [page.not_modified for page in fetch(httpserver.url_for(""), known=kept)] == [False]


def test_not_modified_without_a_condition_is_refused(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data(b"", status=304)
    with pytest.raises(ListingRefusedError, match=r"answered 304 .*the request was not conditional") as caught:
        fetch(httpserver.url_for(""))
    assert not caught.value.transient


def test_validators_go_to_the_url_they_belong_to_and_not_where_it_redirects(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models").respond_with_data(b"", status=302, headers={"Location": "/v2/models"})
    httpserver.expect_request("/v2/models").respond_with_handler(unchanged())
    (page,) = fetch(httpserver.url_for(""), known=Kept(STORED))
    assert not page.not_modified
    assert ["If-None-Match" in request.headers for request, _ in httpserver.log] == [True, False]


def test_an_unchanged_page_leads_to_the_next_one(httpserver: HTTPServer, fetch: Fetch) -> None:
    first = b'{"data": [{"id": "a"}], "next": "b"}'
    httpserver.expect_request("/models", query_string="").respond_with_handler(unchanged())
    httpserver.expect_request("/models", query_string="after=b").respond_with_json({"data": [{"id": "b"}]})
    pagination = {"type": "page_token", "param": "after", "token": "next"}
    kept = Kept(first)
    pages = fetch(httpserver.url_for(""), known=kept, pagination=pagination, selector="data")
    assert [(page.not_modified, page.document["data"][0]["id"]) for page in pages] == [(True, "a"), (False, "b")]
    assert kept.loaded == 1


def test_pages_with_link_header_pagination_are_never_requested_conditionally(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    # The body of a last page stays as it is when another page is added after it; only the header changes.
    link = {"ETag": '"one"', "Link": '</models?page=2>; rel="next"'}
    httpserver.expect_request("/models", query_string="").respond_with_data(b'["a"]', headers=link)
    httpserver.expect_request("/models", query_string="page=2").respond_with_data(b'["b"]', headers={"ETag": '"two"'})
    pages = fetch(httpserver.url_for(""), known=Kept(b'["a"]', b'["b"]'), pagination={"type": "link_header"})
    assert [page.etag for page in pages] == [None, None]
    assert not any("If-None-Match" in request.headers for request, _ in httpserver.log)
    httpserver.clear_log()
    pages = fetch(httpserver.url_for(""))
    assert [page.etag for page in pages] == [None, '"two"']


@pytest.mark.parametrize("etag", ["\x80\xff", "x" * 300, ""])
def test_a_validator_that_cannot_be_sent_back_is_not_kept(httpserver: HTTPServer, fetch: Fetch, etag: str) -> None:
    httpserver.expect_request("/models").respond_with_data(b"[]", headers={"ETag": etag})
    assert fetch(httpserver.url_for(""))[0].etag is None


@pytest.mark.parametrize("known", ["cursor", "after", "next_cursor"])
@pytest.mark.parametrize("refuses", [False, True])
def test_the_names_of_a_parameter_are_tried_until_the_server_knows_one(
    httpserver: HTTPServer, fetch: Fetch, known: str, refuses: bool
) -> None:
    def answer(request: Request) -> Response:
        if refuses and set(request.args) - {known}:
            return Response("unknown parameter", status=422)
        start = int(request.args.get(known, 0))
        items = [{"id": f"acme-{number}"} for number in range(start, start + 2)]
        return Response(json.dumps({"data": items, "next_cursor": str(start + 2) if start < 4 else None}))

    httpserver.expect_request("/models").respond_with_handler(answer)
    style = {"type": "page_token", "param": "cursor", "also": ["after", "next_cursor"], "token": "next_cursor"}
    pages = fetch(httpserver.url_for(""), pagination=style, selector="data")
    assert [page.document["data"][0]["id"] for page in pages] == ["acme-0", "acme-2", "acme-4"]
    assert [page.number for page in pages] == [1, 2, 3]


def test_a_server_that_knows_no_name_of_the_parameter_gives_a_partial_listing(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models").respond_with_json({"data": [{"id": "acme-0"}], "next_cursor": "x"})
    style = {"type": "page_token", "param": "cursor", "also": ["after"], "token": "next_cursor"}
    with pytest.raises(ListingPartialError, match="same body"):
        fetch(httpserver.url_for(""), pagination=style, selector="data")
    assert [request.query_string for request, _ in httpserver.log] == [b"", b"cursor=x", b"after=x"]
