"""Behaviours below HTTP and in its first lines: resets, silence, dripping, and other protocols."""

from typing import Final

from provider_pipeline.errors import ListingUnreachableError, ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import (
    GOOD,
    HASTY,
    QUERY,
    Behaviour,
    at_first,
    encoded,
    items,
    sends,
    then_resets,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSED: Final = "the connection failed or was closed too early"
LATE: Final = "took too long"
HELLO: Final = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
"""The beginning of a TLS handshake whose rest is 16 KiB."""


def _drips(start: bytes, drops: bytes) -> Script:
    def script(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.drip(forever=drops)

    return script


def _stops(*parts: bytes) -> Script:
    def script(conversation: Conversation) -> None:
        conversation.send(*parts)
        conversation.stay_silent()

    return script


def _slow_page(conversation: Conversation) -> None:
    # The deadline falls well inside the second page's pause.
    conversation.pause(0.4)
    page = {"data": items(f"gpt-4.1-{conversation.attempt}"), "next": f"?page={conversation.attempt + 1}"}
    conversation.send(answer(encoded(page)))


RESETS: Final = (
    Behaviour(
        "nobody-listens",
        "Nothing listens on its port.",
        sends(),
        ListingUnreachableError,
        "the connection was refused, after 3 attempts",
        asked=0,
        base_url="http://127.0.0.1:1",
        auth=QUERY,
    ),
    Behaviour(
        "reset-before-accept",
        "Resets the connection before it accepts it.",
        sends(),
        ListingUnreachableError,
        "got no answer",
        asked=0,
        stage="before accept",
    ),
    Behaviour(
        "reset-before-request",
        "Accepts the connection and resets it without reading the request.",
        then_resets(),
        ListingUnreachableError,
        CLOSED,
        asked=3,
        stage="before request",
    ),
    Behaviour(
        "reset-after-request",
        "Reads the request and resets the connection.",
        then_resets(),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "close-after-request",
        "Reads the request and closes the connection without an answer.",
        sends(),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "reset-in-status-line",
        "Resets in the middle of the status line.",
        then_resets(b"HTTP/1.1 20"),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "reset-in-headers",
        "Resets in the middle of the headers.",
        then_resets(OK + b"Content-Le"),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "reset-in-body",
        "Resets in the middle of the body.",
        then_resets(answer(GOOD[:200], length=len(GOOD))),
        ListingUnreadableError,
        "broke off in the middle of its answer",
        asked=3,
    ),
    Behaviour(
        "reset-once",
        "Resets in the middle of the body, and answers well on the retry.",
        at_first(then_resets(answer(GOOD[:200], length=len(GOOD)))),
        "synced",
        asked=2,
    ),
)

SLOW: Final = (
    Behaviour(
        "silence",
        "Reads the request and never answers.",
        _stops(),
        ListingUnreachableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "silence-in-headers",
        "Falls silent in the middle of the headers.",
        _stops(OK),
        ListingUnreachableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "silence-in-body",
        "Falls silent in the middle of the body.",
        _stops(answer(GOOD[:200], length=len(GOOD))),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-status-line",
        "Sends a status line without end, a byte at a time.",
        _drips(b"HTTP/1.1 200 O", b"K"),
        ListingUnreachableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-headers",
        "Sends a header without end, a byte at a time.",
        _drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        ListingUnreachableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-body",
        "Sends a body of known length, a byte at a time.",
        _drips(OK + b"Content-Length: 1000000\r\n\r\n[", b" "),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-body-without-length",
        "Sends a body of unknown length, a byte at a time.",
        _drips(OK + b"\r\n[", b" "),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-chunks",
        "Sends chunks of one byte, one at a time.",
        _drips(CHUNKED, b"1\r\n \r\n"),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-chunk-size",
        "Sends a chunk size digit by digit, without end.",
        _drips(CHUNKED, b"1"),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-error-page",
        "Refuses, and sends the error page a byte at a time.",
        _drips(b"HTTP/1.1 400 No\r\nContent-Length: 100000\r\n\r\n{", b" "),
        ListingUnreadableError,
        LATE,
        policy=HASTY,
    ),
    Behaviour(
        "drip-tls-handshake",
        "Sends its part of the TLS handshake a byte at a time.",
        _drips(HELLO, b"\x00"),
        ListingUnreachableError,
        LATE,
        stage="before request",
        base_url="https://127.0.0.1:{port}",
        policy=HASTY,
    ),
    Behaviour(
        "slow-pages",
        "Answers each page in time, but never completes the listing.",
        _slow_page,
        ListingUnreachableError,
        LATE,
        asked=None,
        pagination={"type": "next_url", "token": "next"},
        policy=HASTY,
    ),
    Behaviour(
        "endless-continues",
        "Sends `100 Continue` again and again.",
        lambda conversation: conversation.flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        ListingUnreachableError,
        LATE,
        policy=HASTY,
    ),
)

NOT_HTTP: Final = (
    Behaviour(
        "http-where-https",
        "Speaks plain HTTP where HTTPS is expected.",
        sends(answer(GOOD)),
        ListingUnreachableError,
        "TLS failed or its certificate is not trusted",
        asked=1,
        stage="before request",
        base_url="https://127.0.0.1:{port}",
    ),
    Behaviour(
        "no-http",
        "Answers in another protocol.",
        sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "status-is-no-number",
        "Answers with a status that is not a number.",
        sends(b"HTTP/1.1 abc\r\n\r\n"),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "endless-headers",
        "Sends headers without end.",
        lambda conversation: conversation.flood(b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n" * 100),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "endless-header",
        "Sends one header without end.",
        lambda conversation: conversation.flood(b"HTTP/1.1 200 OK\r\nX-Long: ", b"y" * 4096),
        ListingUnreachableError,
        CLOSED,
        asked=3,
    ),
    Behaviour(
        "header-without-colon",
        "Sends a header line without a colon, before a listing.",
        sends(answer(GOOD, "no colon here")),
        "synced",
        auth=QUERY,
    ),
)
