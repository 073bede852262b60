"""Pages and errors of the client, over real HTTP."""

import gzip
import hashlib
import json
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
)
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch

LISTING = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}
KEY = "sk-demo-0123456789/+abcdef"


def test_a_page_holds_the_body_as_received_and_as_parsed(httpserver: HTTPServer, fetch: Fetch) -> None:
    body = b'{"data": [ {"id": "caf\xc3\xa9"} ]}\n'
    httpserver.expect_request("/v1/models").respond_with_data(
        body, headers={"ETag": '"abc"'}, content_type="application/json"
    )
    (page,) = fetch(httpserver.url_for("/"), "/v1/models")
    assert (page.endpoint, page.number, page.etag) == (0, 1, '"abc"')
    assert page.content == body
    assert page.document == {"data": [{"id": "café"}]}
    assert page.url == httpserver.url_for("/v1/models")


@pytest.mark.parametrize("document", [None, [], {}, ["a", "b"], 7, "text", False, {"errors": []}])
def test_any_json_is_readable_and_left_to_the_rules_judgement(
    httpserver: HTTPServer, fetch: Fetch, document: object
) -> None:
    httpserver.expect_request("/models").respond_with_data(json.dumps(document), content_type="application/json")
    assert fetch(httpserver.url_for(""))[0].document == document


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream"])
def test_json_is_read_whatever_the_content_type_calls_it(httpserver: HTTPServer, fetch: Fetch, kind: str) -> None:
    httpserver.expect_request("/models").respond_with_data(json.dumps(LISTING), content_type=kind)
    assert fetch(httpserver.url_for(""))[0].document == LISTING


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_bodies_are_decompressed(httpserver: HTTPServer, fetch: Fetch, encoding: str, compress) -> None:
    body = json.dumps(LISTING).encode()
    httpserver.expect_request("/models").respond_with_data(
        compress(body), headers={"Content-Encoding": encoding}, content_type="application/json"
    )
    assert fetch(httpserver.url_for(""))[0].content == body


def test_pages_come_lazily(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/models").respond_with_json({"data": [1], "next": "/models/2"})
    source = ListingSource(
        slug="acme",
        base_url=httpserver.url_for(""),
        endpoints=(ListingEndpoint(path="/models", pagination={"type": "next_url", "token": "next"}),),
        policy=LOOPBACK,
    )
    pages = ListingClient(QUICK, environ={}).pages(source)
    assert len(httpserver.log) == 0
    next(pages)
    assert len(httpserver.log) == 1
    pages.close()


def test_endpoints_are_fetched_in_order_and_pages_are_numbered_within_each(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/chat", query_string="").respond_with_json({"data": ["a"], "next": "?page=2"})
    httpserver.expect_request("/chat", query_string="page=2").respond_with_json({"data": ["b"]})
    httpserver.expect_request("/speech").respond_with_json({"data": ["c"]})
    source = ListingSource(
        slug="acme",
        base_url=httpserver.url_for(""),
        endpoints=(
            ListingEndpoint(path="/chat", pagination={"type": "next_url", "token": "next"}),
            ListingEndpoint(path="/speech"),
        ),
        policy=LOOPBACK,
    )
    pages = list(ListingClient(QUICK, environ={}).pages(source))
    assert [(page.endpoint, page.number, page.document["data"]) for page in pages] == [
        (0, 1, ["a"]),
        (0, 2, ["b"]),
        (1, 1, ["c"]),
    ]


def test_one_client_serves_many_threads_and_never_mixes_their_keys(httpserver: HTTPServer) -> None:
    def respond(request: Request) -> Response:
        digest = hashlib.sha256(request.headers["Authorization"].encode()).hexdigest()
        return Response(json.dumps({"digest": digest}), content_type="application/json")

    httpserver.expect_request("/models").respond_with_handler(respond)
    client = ListingClient(QUICK, environ={f"KEY_{n}": f"value-{n}" for n in range(12)})

    def digest_sent(number: int) -> str:
        auth = AuthConfig.parse({"type": "bearer", "env": f"KEY_{number}"})
        endpoints = (ListingEndpoint(path="/models"),)
        source = ListingSource(
            slug=f"p{number}", base_url=httpserver.url_for(""), auth=auth, endpoints=endpoints, policy=LOOPBACK
        )
        return next(iter(client.pages(source))).document["digest"]

    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(digest_sent, range(12)))
    assert sent == [hashlib.sha256(f"Bearer value-{n}".encode()).hexdigest() for n in range(12)]


@pytest.mark.parametrize(
    ("status", "transient", "hint"),
    [
        (400, False, "parameters"),
        (401, False, "ACME_KEY"),
        (403, False, "ACME_KEY"),
        (404, False, "path"),
        (410, False, "path"),
        (429, True, "busy"),
        (500, True, "failing"),
        (501, False, "check"),
        (503, True, "failing"),
        (529, True, "failing"),
    ],
)
def test_an_error_status_is_classified_once_and_says_what_to_do(
    httpserver: HTTPServer, fetch: Fetch, status: int, transient: bool, hint: str
) -> None:
    httpserver.expect_request("/models").respond_with_json({"error": {"message": "No luck today"}}, status=status)
    with pytest.raises(ListingRefusedError) as caught:
        fetch(httpserver.url_for(""), auth={"type": "bearer", "env": "ACME_KEY"}, environ={"ACME_KEY": KEY})
    error = caught.value
    assert (error.status, error.transient) == (status, transient)
    assert f"acme: GET {httpserver.url_for('/models')} answered {status}" in error.message
    assert "No luck today" in error.message
    assert hint in (error.hint or "")
    assert "\n" not in str(error)
    assert len(httpserver.log) == (3 if transient else 1)


def test_without_a_key_a_401_asks_for_one(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=401)
    with pytest.raises(ListingRefusedError, match="name its variable in auth_config"):
        fetch(httpserver.url_for(""))


def test_an_html_error_page_is_described_by_its_title(httpserver: HTTPServer, fetch: Fetch) -> None:
    page = "<!DOCTYPE html><html><head><title>Down for\n maintenance</title></head><body>long</body></html>"
    httpserver.expect_request("/models").respond_with_data(page, status=404, content_type="text/html")
    with pytest.raises(ListingRefusedError, match=r"text/html, a web page titled 'Down for maintenance'"):
        fetch(httpserver.url_for(""))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "an empty body"),
        (b" \n ", "an empty body"),
        (b"<html><head><title>Log in</title></head></html>", "a login page titled 'Log in' instead of JSON"),
        (b'{"data": [{"id": "a"}, {"id": "b"', "JSON that ends too early"),
        (b'{"data": [{"id": "a', "JSON that ends too early"),
        (b"{'data': []}", "malformed JSON"),
        (b'{"data": []} trailing', "malformed JSON: Extra data at line 1 column 14"),
        (b'{"data": [NaN]}', "the token NaN"),
        (b'{"data": [-Infinity]}', "the token -Infinity"),
        (b'{"data": [1e999]}', "the number 1e999"),
        (b'{"data": "\xff\xfe"}', "a body that is not utf-8 text, at byte 10"),
        (b"[" * 30_000 + b"]" * 30_000, "nested"),
        (b"9" * 5000, "a number that cannot be read"),
        (b"ok", "malformed JSON"),
    ],
)
def test_an_unreadable_body_is_refused_with_its_reason(
    httpserver: HTTPServer, fetch: Fetch, body: bytes, says: str
) -> None:
    httpserver.expect_request("/models").respond_with_data(body, content_type="application/json")
    with pytest.raises(ListingUnreadableError) as caught:
        fetch(httpserver.url_for(""))
    assert says in caught.value.message
    assert caught.value.message.startswith(f"acme: GET {httpserver.url_for('/models')} answered")
    assert not caught.value.transient
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "rot13"])
def test_an_encoding_that_was_not_offered_is_refused(httpserver: HTTPServer, fetch: Fetch, encoding: str) -> None:
    httpserver.expect_request("/models").respond_with_data(b"\x0b\x02\x80{}", headers={"Content-Encoding": encoding})
    with pytest.raises(ListingUnreadableError, match="content encoding"):
        fetch(httpserver.url_for(""))


def test_a_body_that_is_not_what_its_encoding_says_is_refused(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data(b'{"data": []}', headers={"Content-Encoding": "gzip"})
    with pytest.raises(ListingUnreadableError, match="Content-Encoding does not fit"):
        fetch(httpserver.url_for(""))


def test_a_partial_content_answer_is_not_a_listing(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING, status=206)
    with pytest.raises(ListingRefusedError, match="answered 206"):
        fetch(httpserver.url_for(""))


def test_a_closed_port_is_unreachable(fetch: Fetch, httpserver: HTTPServer) -> None:
    httpserver.stop()
    try:
        with pytest.raises(ListingUnreachableError, match=r"connection was refused, after 3 attempts") as caught:
            fetch(f"http://127.0.0.1:{httpserver.port}")
    finally:
        httpserver.start()
    assert caught.value.transient


def test_an_unknown_host_name_is_unreachable(fetch: Fetch) -> None:
    with pytest.raises(ListingUnreachableError, match="host's name is not known"):
        fetch("http://no-such-host.invalid", limits=FetchLimits(retries=0))


def test_plain_http_behind_an_https_url_is_a_permanent_tls_failure(httpserver: HTTPServer, fetch: Fetch) -> None:
    with pytest.raises(ListingUnreachableError, match="TLS failed") as caught:
        fetch(f"https://127.0.0.1:{httpserver.port}")
    assert not caught.value.transient
