"""One POST has one total time, whatever the other side does with its connection."""

import time
from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.listing.posting import NoReply, Reply, post
from provider_pipeline_tests.listing.hostile.server import Conversation, HostileServer

DRIPPING: dict[str, Callable[[Conversation], object]] = {
    "says nothing": Conversation.stay_silent,
    "drips a status line": lambda it: it.drip(b"HTTP/1.1 200 OK", forever=b"K"),
    "drips headers": lambda it: it.drip(b"HTTP/1.1 200 OK\r\nX-A: ", forever=b"a"),
    "drips interim answers": lambda it: it.drip(forever=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips a body": lambda it: (it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), it.drip()),
}


@pytest.mark.parametrize("how", DRIPPING)
def test_a_receiver_that_drips_is_cut_off_when_the_time_is_up(how: str):
    with HostileServer(DRIPPING[how]) as server:
        began = time.monotonic()
        reply = post(f"{server.url}/hook?token=hidden", b"{}", {}, seconds=0.5, most_bytes=1_000_000)
        assert time.monotonic() - began < 10
    assert reply == NoReply("nothing whole within 0.5 s")


def test_a_body_that_is_not_wanted_is_not_waited_for():
    with HostileServer(DRIPPING["drips a body"]) as server:
        assert post(server.url, b"{}", {}, seconds=20) == Reply(200, b"")


def test_a_large_body_is_read_in_part():
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", b"x" * 65536
    with HostileServer(lambda it: it.flood(*flood)) as server:
        reply = post(server.url, b"{}", {}, seconds=20, most_bytes=100_000)
    assert isinstance(reply, Reply)
    assert 100_000 <= len(reply.content) < 200_000


def test_the_request_is_sent_as_it_is_and_a_redirect_is_an_answer(httpserver: HTTPServer):
    httpserver.expect_request("/hook").respond_with_data("", status=307, headers={"Location": "/elsewhere"})
    assert post(httpserver.url_for("/hook"), b"\x00body", {"X-A": "b"}, seconds=20, most_bytes=10) == Reply(307, b"")
    ((request, _),) = httpserver.log
    assert (request.method, request.data, request.headers["X-A"]) == ("POST", b"\x00body", "b")
    assert request.headers["User-Agent"].startswith("provider-pipeline/")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook?token=hidden", "https://no-such-host.invalid/hidden"])
def test_an_unreachable_address_is_reported_without_the_url(url: str):
    reply = post(url, b"{}", {}, seconds=20)
    assert reply == NoReply("ConnectionError")
