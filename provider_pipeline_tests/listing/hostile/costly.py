"""Behaviours that are small on the wire, and costly to parse, judge or store."""

import gzip
from collections.abc import Callable
from functools import cache
from typing import Final

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import (
    LOOPBACK,
    MODELS,
    Behaviour,
    Outcome,
    encoded,
    items,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

NEXT: Final = {"type": "next_url", "token": "next"}
TOO_LONG: Final = "took too long"
_PAGES: Final = 3
_SIZE: Final = 200_000
_CONTAINERS: Final = 49_000

Member = Callable[[], bytes]


def many(value: bytes, *, containers: int = 0, first: bytes = b"0", size: int = _SIZE) -> Member:
    """A list that repeats a value up to a large page's size, or up to the most objects and lists a page may have."""
    times = size // (len(value) + 1)
    if containers:
        times = min(times, _CONTAINERS // containers)
    return cache(lambda: b"[" + b",".join([first, *[value] * times]) + b"]")


def _compressed(body: bytes) -> bytes:
    return answer(gzip.compress(body, 1), "Content-Encoding: gzip")


def sends_pages(member: Member, *, encoding: str = "utf-8", pages: int = _PAGES) -> Script:
    """A script that lists the models on some pages, each with this value in a field that no rule reads."""

    def script(conversation: Conversation) -> None:
        number = int(conversation.query.get("page", "1"))
        end = {"next": f"?page={number + 1}"} if number < pages else {}
        start = encoded({**end, "data": items(*MODELS[number - 1 :: pages])})
        conversation.send(_compressed((start[:-1] + b', "x": ' + member() + b"}").decode().encode(encoding)))

    return script


def _page(name: str, does: str, member: Member, outcome: Outcome = "synced", words: str = "", **more: str) -> Behaviour:
    return Behaviour(
        name,
        f"Sends pages of a few kilobytes of gzip: {does}",
        sends_pages(member, **more),
        outcome,
        words,
        asked=_PAGES if outcome == "synced" else 1,
        pagination=NEXT,
    )


def _lists_numbers(conversation: Conversation) -> None:
    number = int(conversation.query.get("page", "1"))
    body = b'{"next": "?page=%d", "data": [' % (number + 1) + b"0," * 70_000 + b"%d]}" % number
    conversation.send(_compressed(body))


_FLOATS: Final = many(b"1e5", first=b'"\\ud800"')

COSTLY: Final = (
    _page("hundred-levels", "lists in lists, a hundred levels deep.", many(b"[" * 98 + b"]" * 98, containers=98)),
    _page(
        "hundred-levels-of-objects",
        "objects in objects, a hundred levels deep.",
        many(b'{"":' * 98 + b"1" + b"}" * 98, containers=98),
    ),
    _page(
        "hundred-levels-in-utf-16",
        "lists in lists, a hundred levels deep, in UTF-16.",
        many(b"[" * 98 + b"]" * 98, containers=98),
        encoding="utf-16",
    ),
    _page(
        "nothing-but-numbers",
        "nothing but zeros.",
        many(b"0", size=600_000),
        ListingUnreadableError,
        "values on one page",
    ),
    _page(
        "nothing-but-brackets",
        "nothing but brackets.",
        many(b"[" * 98 + b"]" * 98, size=400_000),
        ListingUnreadableError,
        "objects and lists on one page",
    ),
    _page("quotes-escaped-in-keys", "each key has an escaped quote.", many(b'{"\\u0022":1}', containers=1)),
    _page(
        "one-quote-escaped",
        "one quote is escaped, among many objects.",
        many(b'{"a":1}', containers=1, first=b'"\\u0022"'),
    ),
    _page(
        "halves-of-characters",
        "a lone surrogate among many objects.",
        many(b'{"a":1}', containers=1, first=b'"\\ud800"'),
    ),
    _page("numbers-in-short", "numbers such as 1e5, which are longer when written out.", many(b"1e5")),
    _page("numbers-and-half-a-character", "numbers such as 1e5 and a lone surrogate.", _FLOATS),
    _page("long-integers", "integers of thousands of digits.", many(b"9" * 4_300)),
    _page(
        "hundreds-of-long-integers",
        "hundreds of integers of thousands of digits.",
        many(b"9" * 4_300, size=400_000),
        ListingUnreadableError,
        "digits of numbers",
    ),
    _page("long-fractions", "numbers with a hundred decimals.", many(b"0." + b"1" * 100)),
    _page("number-too-small", "a number that would read as zero.", lambda: b"1e-400", ListingUnreadableError, "range"),
    Behaviour(
        "brackets-on-many-pages",
        "Sends as many brackets as a page may have, page after page.",
        sends_pages(many(b"[]", containers=1), pages=7),
        ListingUnreadableError,
        "objects and lists that a listing may have",
        asked=None,
        pagination=NEXT,
    ),
    Behaviour(
        "numbers-for-items",
        "Lists tens of thousands of numbers instead of models on each page, in a few hundred bytes.",
        _lists_numbers,
        ListingUnreadableError,
        TOO_LONG,
        asked=None,
        policy={**LOOPBACK, "deadline": 0.2},
        pagination=NEXT,
    ),
)
