"""Servers that drip or break off."""

import itertools
import json
import socket
import threading
import time

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import (
    ListingUnreachableError,
    ListingUnreadableError,
    ModelSyncerError,
)
from provider_pipeline.listing import FetchLimits, RequestPolicy
from provider_pipeline_tests.listing.conftest import Fetch
from provider_pipeline_tests.listing.hostile import Conversation, HostileServer, answer

BODY = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()
KEY = "sk-demo-0123456789abcdef"
ENVIRON = {"ACME_KEY": KEY}

IMPATIENT = FetchLimits(connect_timeout=5, read_timeout=30, deadline=1, retries=2, backoff=0.01)
"""Only the deadline can end these: the read time-out is far away."""

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


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

    with HostileServer(drip) as server, pytest.raises(kind, match=r"took too long: .* within the 1 s") as caught:
        fetch(server.url, limits=IMPATIENT)
    assert caught.value.transient
    assert len(server.requests) == 1


def test_silence_is_cut_off_at_the_deadline(fetch: Fetch) -> None:
    too_late = pytest.raises(ListingUnreachableError, match=r"took too long: no answer came within the 1 s")
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
            fetch("http://models.invalid", limits=IMPATIENT, policy=RequestPolicy(allow_http=True))
    assert proxy.requests[0].startswith(b"GET http://models.invalid/models HTTP/1.1")


def test_the_deadline_is_for_the_whole_listing_not_for_each_page(fetch: Fetch) -> None:
    number = itertools.count()

    def page(conversation: Conversation) -> None:
        time.sleep(0.1)
        conversation.send(answer(json.dumps({"data": [], "next": f"/models?page={next(number)}"}).encode()))

    with HostileServer(page) as server, pytest.raises(ModelSyncerError, match="took too long"):
        fetch(server.url, pagination={"type": "next_url", "token": "next"}, limits=IMPATIENT)
    assert 1 < len(server.requests) <= 10


def test_a_silent_server_is_given_up_after_the_read_timeout_and_its_retries(fetch: Fetch) -> None:
    limits = FetchLimits(read_timeout=0.2, retries=1, backoff=0.01)
    silent = r"it was silent for 0\.2 s, after 2 attempts"
    with HostileServer(lambda c: c.stay_silent()) as server, pytest.raises(ListingUnreachableError, match=silent):
        fetch(server.url, limits=limits)


def test_a_body_that_stops_is_given_up_after_the_read_timeout(fetch: Fetch) -> None:
    def stop(conversation: Conversation) -> None:
        conversation.send(answer(BODY[:10], length=len(BODY)))
        conversation.stay_silent()

    limits = FetchLimits(read_timeout=1, retries=0)
    with HostileServer(stop) as server, pytest.raises(ListingUnreadableError, match="stopped in the middle") as caught:
        fetch(server.url, limits=limits)
    assert caught.value.transient


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
