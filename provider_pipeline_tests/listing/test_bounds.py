"""Bodies and paginations without end."""

import gzip
import itertools
import json
import tracemalloc
import zlib

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreadableError,
)
from provider_pipeline.listing import FetchLimits
from provider_pipeline_tests.listing.conftest import QUICK, Fetch
from provider_pipeline_tests.listing.hostile import Conversation, HostileServer, answer

BODY = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


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


@pytest.mark.parametrize("start", [b"", b"2\r\n[]\r\n0\r\n"], ids=["chunk size", "trailer"])
def test_an_endless_line_between_chunks_costs_little_memory(fetch: Fetch, start: bytes) -> None:
    def script(conversation: Conversation) -> None:
        conversation.send(HEADERS, b"Transfer-Encoding: chunked\r\n\r\n", start)
        for _ in range(32):
            conversation.send(b"1" * 1024 * 1024)

    with HostileServer(script) as server:
        tracemalloc.start()
        try:
            with pytest.raises(ListingUnreadableError, match="broke off"):
                fetch(server.url, limits=QUICK.model_copy(update={"retries": 0}))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # The server in this process holds a megabyte of its own at a time.
    assert peak < 8 * 1024 * 1024


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
