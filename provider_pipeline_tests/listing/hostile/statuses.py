"""Behaviours of the status: error statuses, and every form of Retry-After."""

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from provider_pipeline.errors import ListingRefusedError
from provider_pipeline_tests.listing.hostile.behaviour import (
    GOOD,
    LOOPBACK,
    Behaviour,
    at_first,
    encoded,
    says,
    sends,
    well_behaved,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

SORRY: Final = {"error": {"message": "No luck today"}}


def _refuses(status: str) -> Script:
    return says(SORRY, status=status)


def _asks_to_wait(header: Callable[[], str], *, at_least: float = 0.0) -> Script:
    """Refuses once with a Retry-After, and for good if the retry comes too early."""

    def script(conversation: Conversation) -> None:
        if conversation.waited is None:
            wait = (f"Retry-After: {header()}",)
            conversation.send(answer(encoded(SORRY), *wait, status="429 Too Many Requests"))
        elif conversation.waited < at_least:
            conversation.send(answer(encoded({"message": "too early"}), status="400 Bad Request"))
        else:
            well_behaved(conversation)

    return script


def _date(form: str, seconds: float) -> Callable[[], str]:
    return lambda: time.strftime(form, time.gmtime(time.time() + seconds))


REFUSALS: Final = (
    *(
        Behaviour(
            f"status-{status[:3]}",
            f"Answers `{status}`.",
            _refuses(status),
            ListingRefusedError,
            f"answered {status} (application/json: 'No luck today')",
            asked=asked,
        )
        for status, asked in (
            ("400 Bad Request", 1),
            ("401 Unauthorized", 1),
            ("403 Forbidden", 1),
            ("404 Not Found", 1),
            ("408 Request Timeout", 3),
            ("410 Gone", 1),
            ("429 Too Many Requests", 3),
            ("501 Not Implemented", 1),
            ("503 Service Unavailable", 3),
        )
    ),
    Behaviour(
        "status-500-once",
        "Answers `500 Internal Server Error`, and answers well on the retry.",
        at_first(_refuses("500 Internal Server Error")),
        "synced",
        asked=2,
    ),
    Behaviour(
        "status-206",
        "Answers `206 Partial Content` with a whole listing.",
        sends(answer(GOOD, status="206 Partial Content")),
        ListingRefusedError,
        "answered 206 Partial Content",
    ),
    Behaviour(
        "status-204",
        "Answers `204 No Content`.",
        sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
        ListingRefusedError,
        "answered 204 No Content",
    ),
    Behaviour(
        "status-304-unasked",
        "Answers `304 Not Modified` to an unconditional request.",
        sends(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        ListingRefusedError,
        "answered 304 Not Modified",
    ),
    Behaviour(
        "error-page",
        "Refuses with a web page whose title has two lines.",
        sends(
            answer(
                b"<!DOCTYPE html><html><head><title>Down for\n maintenance</title></head></html>",
                status="404 Not Found",
                kind="text/html",
            )
        ),
        ListingRefusedError,
        "titled 'Down for maintenance'",
    ),
)

WAITS: Final = (
    Behaviour(
        "retry-after-seconds",
        "Answers 429 and asks to wait for a second.",
        _asks_to_wait(lambda: "1", at_least=0.9),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-decimals",
        "Answers 429 and asks to wait for half a second.",
        _asks_to_wait(lambda: "0.5", at_least=0.45),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-ms",
        "Answers 429 and states the wait in milliseconds, in `retry-after-ms`.",
        _asks_to_wait(lambda: "86400\r\nRetry-After-Ms: 200", at_least=0.15),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-zero",
        "Answers 429 and asks to wait for zero seconds.",
        _asks_to_wait(lambda: "0"),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-date",
        "Answers 429 with an HTTP date in today's format.",
        _asks_to_wait(lambda: formatdate(time.time() + 1.5, usegmt=True), at_least=0.4),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-date-of-rfc-850",
        "Answers 429 with an HTTP date in the format of RFC 850.",
        _asks_to_wait(_date("%A, %d-%b-%y %H:%M:%S GMT", 1.5), at_least=0.4),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-date-of-asctime",
        "Answers 429 with an HTTP date in the format of C's asctime.",
        _asks_to_wait(_date("%a %b %d %H:%M:%S %Y", 1.5), at_least=0.4),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-past",
        "Answers 429 with a past date.",
        _asks_to_wait(lambda: "Wed, 21 Oct 2015 07:28:00 GMT"),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-garbage",
        "Answers 429 with something that is neither a number nor a date.",
        _asks_to_wait(lambda: "soon"),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-negative",
        "Answers 429 and asks to wait for a negative time.",
        _asks_to_wait(lambda: "-5"),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-a-day",
        "Answers 429 and asks to wait for a day.",
        _asks_to_wait(lambda: "86400"),
        ListingRefusedError,
        "asks to wait 86400 s",
    ),
    Behaviour(
        "retry-after-the-deadline",
        "Answers 503 and asks to wait longer than the listing may take.",
        lambda conversation: conversation.send(answer(b"", "Retry-After: 2", status="503 Service Unavailable")),
        ListingRefusedError,
        "asks to wait 2 s",
        policy={**LOOPBACK, "deadline": 1.9},
    ),
    Behaviour(
        "retry-after-forever",
        "Answers 429 and asks to wait for a number of 400 digits.",
        _asks_to_wait(lambda: "9" * 400),
        "synced",
        asked=2,
    ),
    Behaviour(
        "retry-after-year-9999",
        "Answers 429 with a date in the year 9999.",
        _asks_to_wait(lambda: "Fri, 31 Dec 9999 23:59:59 GMT"),
        ListingRefusedError,
        "asks to wait",
    ),
)
