"""Servers that drip, break off, burst, lie, lead elsewhere or never end."""

import gzip
import itertools
import json
import socket
import threading
import time
import tracemalloc
import zlib
from email.utils import formatdate

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    ModelSyncerError,
)
from provider_pipeline.listing import FetchLimits
from provider_pipeline_tests.listing.conftest import QUICK, Fetch
from provider_pipeline_tests.listing.hostile import Conversation, HostileServer, answer

BODY = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()
KEY = "sk-demo-0123456789abcdef"
BEARER = {"type": "bearer", "env": "ACME_KEY"}
ENVIRON = {"ACME_KEY": KEY}

IMPATIENT = FetchLimits(connect_timeout=5, read_timeout=30, deadline=0.5, retries=2, backoff=0.01)
"""Only the deadline can end these: the read time-out is far away."""

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


# Drips


CHUNKED = HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "drops", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", ListingUnreachableError),
        (HEADERS + b"Content-Length: 1000000\r\n\r\n[", b" ", ListingUnreadableError),
        (HEADERS + b"\r\n[", b" ", ListingUnreadableError),
        (CHUNKED, b"1\r\n \r\n", ListingUnreadableError),
        (CHUNKED, b"1", ListingUnreadableError),
        (b"HTTP/1.1 400 No\r\nContent-Length: 100000\r\n\r\n{", b" ", ListingUnreadableError),
    ],
    ids=["headers", "body", "body without length", "chunks", "chunk size", "error body"],
)
def test_a_server_that_drips_is_cut_off_at_the_deadline(
    fetch: Fetch, start: bytes, drops: bytes, kind: type[ModelSyncerError]
) -> None:
    def drip(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.drip(forever=drops)

    with HostileServer(drip) as server, pytest.raises(kind, match=r"took too long: .* within the 0\.5 s") as caught:
        fetch(server.url, limits=IMPATIENT)
    assert caught.value.transient
    assert len(server.requests) == 1


def test_silence_is_cut_off_at_the_deadline(fetch: Fetch) -> None:
    too_late = pytest.raises(ListingUnreachableError, match=r"took too long: no answer came within the 0\.5 s")
    with HostileServer(lambda c: c.stay_silent()) as server, too_late:
        fetch(server.url, limits=IMPATIENT)


def test_a_tls_handshake_that_drips_is_cut_off_at_the_deadline(fetch: Fetch) -> None:
    def handshake(conversation: Conversation) -> None:
        conversation.drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", forever=b"\x00")

    with (
        HostileServer(handshake, read_request=False) as server,
        pytest.raises(ListingUnreachableError, match="too long"),
    ):
        fetch(f"https://127.0.0.1:{server.port}", limits=IMPATIENT)


def test_a_proxy_that_drips_is_cut_off_at_the_deadline(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(lambda c: c.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", forever=b"x")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ListingUnreachableError, match="took too long"):
            fetch("http://models.invalid", limits=IMPATIENT)
    assert proxy.requests[0].startswith(b"GET http://models.invalid/models HTTP/1.1")


def test_the_deadline_is_for_the_whole_listing_not_for_each_page(fetch: Fetch) -> None:
    number = itertools.count()

    def page(conversation: Conversation) -> None:
        time.sleep(0.1)
        conversation.send(answer(json.dumps({"data": [], "next": f"/models?page={next(number)}"}).encode()))

    with HostileServer(page) as server, pytest.raises(ModelSyncerError, match="took too long"):
        fetch(server.url, pagination={"type": "next_url", "token": "next"}, limits=IMPATIENT)
    assert 1 < len(server.requests) < 10


def test_a_silent_server_is_given_up_after_the_read_timeout_and_its_retries(fetch: Fetch) -> None:
    limits = FetchLimits(read_timeout=0.2, retries=1, backoff=0.01)
    silent = r"it was silent for 0\.2 s, after 2 attempts"
    with HostileServer(lambda c: c.stay_silent()) as server, pytest.raises(ListingUnreachableError, match=silent):
        fetch(server.url, limits=limits)


def test_a_body_that_stops_is_given_up_after_the_read_timeout(fetch: Fetch) -> None:
    def stop(conversation: Conversation) -> None:
        conversation.send(answer(BODY[:10], length=len(BODY)))
        conversation.stay_silent()

    limits = FetchLimits(read_timeout=0.2, retries=0)
    with HostileServer(stop) as server, pytest.raises(ListingUnreadableError, match="stopped in the middle") as caught:
        fetch(server.url, limits=limits)
    assert caught.value.transient


# Broken connections


@pytest.mark.parametrize(
    "script",
    [
        lambda c: (c.send(answer(BODY[:20], length=len(BODY))), c.reset()),
        lambda c: c.send(answer(BODY, length=len(BODY) + 1)),
        lambda c: c.send(HEADERS, b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\n[1, 2, 3"),
        lambda c: c.send(HEADERS, b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n[]\r\n0\r\n\r\n"),
    ],
    ids=["reset", "shorter than its length", "chunk cut short", "chunk size that is no number"],
)
def test_a_body_that_breaks_off_is_tried_again_and_never_passes_for_a_listing(fetch: Fetch, script) -> None:
    with HostileServer(script) as server, pytest.raises(ListingUnreadableError, match="broke off") as caught:
        fetch(server.url)
    assert caught.value.transient
    assert len(server.requests) == 3


def test_a_retry_after_a_broken_body_starts_the_page_anew(fetch: Fetch) -> None:
    attempts = itertools.count()

    def script(conversation: Conversation) -> None:
        if next(attempts) == 0:
            conversation.send(answer(BODY[:20], length=len(BODY)))
        else:
            conversation.send(answer(BODY))

    with HostileServer(script) as server:
        assert [page.content for page in fetch(server.url)] == [BODY]


def test_a_body_longer_than_its_length_is_unreadable_and_its_rest_is_no_answer(fetch: Fetch) -> None:
    smuggled = answer(b'{"data": [{"id": "smuggled"}]}')
    body = json.dumps({"data": ["x"], "next": "/models?page=2"}).encode()

    def script(conversation: Conversation) -> None:
        first = answer(body, length=len(body)).replace(b"Connection: close", b"Connection: keep-alive")
        conversation.send(first + smuggled if b"page=2" not in conversation.request else answer(BODY))

    with HostileServer(script) as server:
        pages = fetch(server.url, pagination={"type": "next_url", "token": "next"})
    assert "smuggled" not in str([page.document for page in pages])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n[]",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n[]",
    ],
    ids=["nothing", "garbage", "no status", "too many headers", "endless header"],
)
def test_an_answer_that_is_not_http_is_no_answer(fetch: Fetch, raw: bytes) -> None:
    with HostileServer(lambda c: c.send(raw)) as server, pytest.raises(ListingUnreachableError) as caught:
        fetch(server.url)
    assert "\n" not in str(caught.value)


def test_a_broken_header_is_not_logged_with_the_key(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    with HostileServer(lambda c: c.send(answer(BODY, "no colon here"))) as server:
        fetch(server.url, auth={"type": "query", "name": "key", "env": "ACME_KEY"}, environ=ENVIRON)
    assert KEY.encode() in server.requests[0]
    assert KEY not in caplog.text


# Sizes


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compression_bomb_costs_little_memory(fetch: Fetch, chunked: bool, encoding: str, compress) -> None:
    bomb = compress(b"[" + b" " * (64 * 1024 * 1024) + b"]")
    limits = FetchLimits(max_page_bytes=1024 * 1024)

    def script(conversation: Conversation) -> None:
        if chunked:
            framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb)
            conversation.send(answer(framed, f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked"))
        else:
            conversation.send(answer(bomb, f"Content-Encoding: {encoding}"))

    with HostileServer(script) as server:
        tracemalloc.start()
        try:
            with pytest.raises(ListingUnreadableError, match="more than the 1,048,576 bytes") as caught:
                fetch(server.url, limits=limits)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert not caught.value.transient
    assert len(server.requests) == 1


@pytest.mark.parametrize("header", ["Content-Length: 99999999999", "Transfer-Encoding: chunked", "X-Length: none"])
def test_an_endless_body_is_left_at_the_page_limit(fetch: Fetch, header: str) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(HEADERS, header.encode(), b"\r\n\r\n")
        while True:
            conversation.send(b"1000\r\n" + b" " * 0x1000 + b"\r\n" if "chunked" in header else b" " * 0x1000)

    with HostileServer(script) as server, pytest.raises(ListingUnreadableError, match="more than the 100,000 bytes"):
        fetch(server.url, limits=FetchLimits(max_page_bytes=100_000))


def test_an_endless_error_page_is_read_only_at_its_beginning(fetch: Fetch) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html><title>Keep out</title>")
        while True:
            conversation.send(b" " * 4096)

    with HostileServer(script) as server, pytest.raises(ListingRefusedError, match="titled 'Keep out'"):
        fetch(server.url)


def test_the_body_of_a_redirect_is_not_read(fetch: Fetch) -> None:
    def script(conversation: Conversation) -> None:
        if b"/models" in conversation.request:
            conversation.send(b"HTTP/1.1 302 Found\r\nLocation: /moved\r\n\r\n")
            while True:
                conversation.send(b" " * 4096)
        conversation.send(answer(BODY))

    with HostileServer(script) as server:
        assert fetch(server.url)[0].content == BODY


def test_a_page_of_a_million_lists_is_not_parsed(fetch: Fetch) -> None:
    body = b"[" + b"[]," * 1_000_001 + b"[]]"
    with (
        HostileServer(lambda c: c.send(answer(body))) as server,
        pytest.raises(ListingUnreadableError, match="objects"),
    ):
        fetch(server.url)


def test_all_pages_together_are_limited_in_bytes(httpserver: HTTPServer, fetch: Fetch) -> None:
    number = itertools.count(2)

    def page(_: Request) -> Response:
        return Response(json.dumps({"next": f"?page={next(number)}", "fill": "x" * 4000}))

    httpserver.expect_request("/models").respond_with_handler(page)
    with pytest.raises(ListingUnreadableError, match="bytes"):
        fetch(
            httpserver.url_for(""),
            pagination={"type": "next_url", "token": "next"},
            limits=QUICK.model_copy(update={"max_total_bytes": 20_000}),
        )
    assert len(httpserver.log) == 5


# Endless and circular pagination


def test_endless_pages_end_at_the_page_limit(httpserver: HTTPServer, fetch: Fetch) -> None:
    number = itertools.count(2)
    httpserver.expect_request("/models").respond_with_handler(
        lambda _: Response(json.dumps({"data": [{"id": "a"}], "nextPageToken": f"t{next(number)}"}))
    )
    with pytest.raises(ListingUnreadableError, match="a listing may have 7"):
        fetch(
            httpserver.url_for(""),
            pagination={"type": "page_token", "param": "pageToken", "token": "nextPageToken"},
            limits=QUICK.model_copy(update={"max_pages": 7}),
        )
    assert len(httpserver.log) == 7


def test_a_server_that_ignores_the_pagination_parameter_is_noticed_at_the_second_page(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models").respond_with_json({"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
    pagination = {"type": "cursor", "param": "after_id", "token": "last_id", "more": "has_more"}
    with pytest.raises(ListingUnreadableError, match="page 2 with the same body as an earlier page"):
        fetch(httpserver.url_for(""), pagination=pagination)
    assert len(httpserver.log) == 2


def test_pages_that_name_each_other_in_turn_are_noticed(httpserver: HTTPServer, fetch: Fetch) -> None:
    number = itertools.count()

    def page(request: Request) -> Response:
        other = "b" if request.args.get("cursor") == "a" else "a"
        return Response(json.dumps({"at": next(number), "next": other}))

    httpserver.expect_request("/models").respond_with_handler(page)
    with pytest.raises(ListingUnreadableError, match="goes in circles"):
        fetch(httpserver.url_for(""), pagination={"type": "page_token", "param": "cursor", "token": "next"})
    assert len(httpserver.log) == 3


def test_a_failure_on_a_later_page_fails_the_listing_after_the_pages_before_it(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models", query_string="").respond_with_json({"data": [1], "next": "?page=2"})
    httpserver.expect_request("/models", query_string="page=2").respond_with_data("gone", status=410)
    with pytest.raises(ListingRefusedError, match=r"page=2 answered 410"):
        fetch(httpserver.url_for(""), pagination={"type": "next_url", "token": "next"})


# Leading elsewhere


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_no_key_goes_there(
    httpserver: HTTPServer, other_host: HTTPServer, fetch: Fetch, status: int
) -> None:
    headers = {"Location": other_host.url_for("/models")}
    httpserver.expect_request("/models").respond_with_data("", status=status, headers=headers)
    with pytest.raises(ListingRefusedError, match="which is not followed") as caught:
        fetch(httpserver.url_for(""), auth=BEARER, environ=ENVIRON)
    assert (caught.value.status, caught.value.transient) == (status, False)
    assert other_host.url_for("/models") in caught.value.message
    assert other_host.log == []


@pytest.mark.parametrize(
    "location", ["//127.0.0.1:1/x", "http://user:pw@127.0.0.1/x", "file:///etc/passwd", "http://[::1", "javascript:0"]
)
def test_a_redirect_to_an_odd_place_is_refused(httpserver: HTTPServer, fetch: Fetch, location: str) -> None:
    redirect = answer(b"", f"Location: {location}", status="302 Found")
    refused = pytest.raises(ListingRefusedError, match="which is not followed")
    with HostileServer(lambda c: c.send(redirect)) as server, refused as caught:
        fetch(server.url, auth=BEARER, environ=ENVIRON)
    assert "user:pw" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_is_followed_with_the_key(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=308, headers={"Location": "/v2/models"})
    httpserver.expect_request("/v2/models").respond_with_json({"data": []})
    auth = {"type": "query", "name": "key", "env": "ACME_KEY"}
    (page,) = fetch(httpserver.url_for(""), auth=auth, environ=ENVIRON)
    assert page.url == httpserver.url_for("/v2/models")
    assert [request.args["key"] for request, _ in httpserver.log] == [KEY, KEY]


def test_redirects_that_never_end_are_left(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=302, headers={"Location": "/models"})
    with pytest.raises(ListingRefusedError, match="more than 3 redirects"):
        fetch(httpserver.url_for(""))
    assert len(httpserver.log) == 4


@pytest.mark.parametrize("style", ["next_url", "link_header", "none"])
def test_a_next_page_on_another_host_is_refused_and_no_key_goes_there(
    httpserver: HTTPServer, other_host: HTTPServer, fetch: Fetch, style: str
) -> None:
    elsewhere = other_host.url_for("/models?page=2")
    httpserver.expect_request("/models").respond_with_json(
        {"data": [], "next": elsewhere}, headers={"Link": f'<{elsewhere}>; rel="next"'}
    )
    pagination = {"type": style, "token": "next"} if style == "next_url" else {"type": style}
    with pytest.raises(ListingUnreadableError, match="on another host, which is not followed"):
        fetch(httpserver.url_for(""), auth=BEARER, environ=ENVIRON, pagination=pagination)
    assert other_host.log == []


# Retries


def test_a_server_that_recovers_is_read(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_ordered_request("/models").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/models").respond_with_data("", status=429, headers={"Retry-After": "0"})
    httpserver.expect_ordered_request("/models").respond_with_json({"data": []})
    assert len(fetch(httpserver.url_for(""))) == 1


@pytest.mark.parametrize("retry_after", ["1", "date"])
def test_retry_after_is_waited_for(httpserver: HTTPServer, fetch: Fetch, retry_after: str) -> None:
    times: list[float] = []

    def respond(_: Request) -> Response:
        times.append(time.monotonic())
        wait = retry_after if retry_after != "date" else formatdate(time.time() + 2, usegmt=True)
        return Response("{}") if len(times) > 1 else Response("", status=429, headers={"Retry-After": wait})

    httpserver.expect_request("/models").respond_with_handler(respond)
    fetch(httpserver.url_for(""))
    # A date has whole seconds, so at least one of its two remains.
    assert times[1] - times[0] >= 0.9


def test_a_server_that_asks_for_a_longer_wait_than_we_would_sit_out_is_not_asked_again(
    httpserver: HTTPServer, fetch: Fetch
) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=429, headers={"Retry-After": "86400"})
    with pytest.raises(ListingRefusedError, match="asks to wait 86400 s") as caught:
        fetch(httpserver.url_for(""))
    assert caught.value.transient
    assert len(httpserver.log) == 1


def test_a_wait_that_would_outlast_the_deadline_is_not_begun(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=503, headers={"Retry-After": "20"})
    with pytest.raises(ListingRefusedError, match="answered 503"):
        fetch(httpserver.url_for(""), limits=FetchLimits(deadline=10, longest_wait=30))
    assert len(httpserver.log) == 1


# Leaving nothing behind


def test_a_listing_leaves_no_thread_and_no_connection_behind(httpserver: HTTPServer, fetch: Fetch) -> None:
    before = set(threading.enumerate())
    open_sockets: list[socket.socket] = []

    def script(conversation: Conversation) -> None:
        open_sockets.append(conversation.connection)
        conversation.send(answer(BODY).replace(b"Connection: close", b"Connection: keep-alive"))
        assert conversation.connection.recv(1) == b""
        open_sockets.remove(conversation.connection)

    with HostileServer(script) as server:
        fetch(server.url)
        ours = set(threading.enumerate()) - before - {server._acceptor, *server._threads}
        assert not ours
    assert not open_sockets
