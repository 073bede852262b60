"""Retries, time-outs and connections left open. Other misbehaviour of servers is in `test_hostile`."""

import json
import socket

import pytest

from provider_pipeline.errors import ListingUnreachableError, ListingUnreadableError
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline_tests.listing.conftest import Fetch
from provider_pipeline_tests.listing.hostile import Conversation, HostileServer, answer

BODY = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()


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


def test_a_proxy_that_drips_is_cut_off_at_the_deadline(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = FetchLimits(read_timeout=30, deadline=1)
    with HostileServer(lambda c: c.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", forever=b"x")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ListingUnreachableError, match="took too long") as caught:
            fetch("http://models.invalid", limits=impatient, policy=RequestPolicy(allow_http=True))
    assert caught.value.transient
    assert proxy.requests[0].startswith(b"GET http://models.invalid/models HTTP/1.1")


def test_a_listing_leaves_no_connection_behind(fetch: Fetch) -> None:
    open_connections: list[socket.socket] = []

    def script(conversation: Conversation) -> None:
        open_connections.append(conversation.connection)
        conversation.send(answer(BODY).replace(b"Connection: close", b"Connection: keep-alive"))
        assert conversation.connection.recv(1) == b""
        open_connections.remove(conversation.connection)

    with HostileServer(script) as server:
        fetch(server.url)
    assert not open_connections
