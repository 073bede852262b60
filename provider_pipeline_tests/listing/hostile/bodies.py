"""Behaviours of the body's framing and size: lengths, chunks, floods, bombs and encodings."""

import base64
import gzip
import zlib
from functools import cache
from typing import Final

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import GOOD, Behaviour, encoded, items, sends, whole
from provider_pipeline_tests.listing.hostile.connections import CHUNKED, OK
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

BOMB_BYTES: Final = 64 * 1024 * 1024
BROKE_OFF: Final = "broke off in the middle of its answer"
TOO_LARGE: Final = "bytes this page may have"
ODD_ENCODING: Final = "answered in content encoding"
BROTLI_BOMB: Final = base64.b64decode(
    "y///P/ilQLbiskAA9/4v/v//wS8BEIdFALr3f/z//4NfAiAOCwB07//4//8HvwRAHBYA6N7/8f//D34JgDgsANC9/+P//x/8EgBxWACge//H//8/"
    "+CUA4rAAQPf+j///f/BLAMRhAYDu/R8CAAIgXQM="
)
"""64 MiB of spaces between brackets, compressed with a format that no library here can write."""


@cache
def _bomb(encoding: str) -> bytes:
    if encoding == "br":
        return BROTLI_BOMB
    if encoding == "zstd":
        # A frame with a window of 8 MiB, and blocks that each repeat one byte 128 KiB times (RFC 8878, 3.1.1).
        block = (((128 * 1024) << 3) | 0b010).to_bytes(3, "little") + b" "
        return b"\x28\xb5\x2f\xfd\x00\x68" + block * (BOMB_BYTES // (128 * 1024)) + b"\x01\x00\x00"
    press = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    blank = b" " * (1024 * 1024)
    parts = [press.compress(b"["), *(press.compress(blank) for _ in range(BOMB_BYTES // len(blank)))]
    return b"".join([*parts, press.compress(b"]"), press.flush()])


def _explodes(encoding: str, *, chunked: bool = False) -> Script:
    def script(conversation: Conversation) -> None:
        bomb = _bomb(encoding)
        if chunked:
            framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb)
            conversation.send(answer(framed, f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked"))
        else:
            conversation.send(answer(bomb, f"Content-Encoding: {encoding}"))

    return script


def _floods(start: bytes, block: bytes = b" " * 4096) -> Script:
    return lambda conversation: conversation.flood(start, block)


def _smuggles(conversation: Conversation) -> None:
    if "page=2" in conversation.target:
        conversation.send(answer(encoded(whole())))
    else:
        body = encoded({"data": items("gpt-4.1-0"), "next": "?page=2"})
        first = answer(body, length=len(body)).replace(b"Connection: close", b"Connection: keep-alive")
        conversation.send(first + answer(encoded({"data": items("gpt-4.1-smuggled")})))


LENGTHS: Final = (
    Behaviour(
        "length-too-long",
        "States a length one byte longer than the body.",
        sends(answer(GOOD, length=len(GOOD) + 1)),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "length-too-short",
        "States a length shorter than the body.",
        sends(answer(GOOD, length=len(GOOD) - 1)),
        ListingUnreadableError,
        "JSON that ends too early",
    ),
    Behaviour(
        "length-is-no-number",
        "States a length that is not a number; the body ends with the connection.",
        sends(OK + b"Content-Length: many\r\n\r\n" + GOOD),
        "synced",
    ),
    Behaviour(
        "length-is-negative",
        "States a negative length; the body ends with the connection.",
        sends(OK + b"Content-Length: -5\r\n\r\n" + GOOD),
        "synced",
    ),
    Behaviour(
        "two-lengths",
        "States two lengths that differ.",
        sends(OK + b"Content-Length: 5\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD),
        ListingUnreadableError,
        "headers that contradict each other",
    ),
    Behaviour(
        "length-and-chunks",
        "States a length for a body that comes in chunks.",
        sends(
            CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)
        ),
        "synced",
    ),
    Behaviour(
        "no-length-cut-short",
        "Closes in the middle of a body without a length.",
        sends(OK + b"\r\n" + GOOD[:-20]),
        ListingUnreadableError,
        "JSON that ends too early",
    ),
    Behaviour(
        "chunk-size-is-no-number",
        "Sends a chunk whose size is not a number.",
        sends(CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n"),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "chunk-size-is-negative",
        "Sends a chunk with a negative size.",
        sends(CHUNKED + b"-5\r\n[]\r\n0\r\n\r\n"),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "error-page-in-a-negative-chunk",
        "Refuses, with an error page in a chunk with a negative size.",
        sends(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n[]\r\n0\r\n\r\n"),
        ListingRefusedError,
        "answered 403",
    ),
    Behaviour(
        "chunk-cut-short",
        "Closes in the middle of a chunk.",
        sends(CHUNKED + b"fff\r\n" + GOOD[:200]),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "chunks-without-end",
        "Closes after a chunk, without the chunk that ends the body.",
        sends(CHUNKED + b"%x\r\n%b\r\n" % (len(GOOD), GOOD)),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "second-answer-smuggled",
        "Sends a second answer after the first, for the next request to find.",
        _smuggles,
        "synced",
        asked=2,
        pagination={"type": "next_url", "token": "next"},
    ),
)

FLOODS: Final = (
    Behaviour(
        "announced-too-large",
        "States a length beyond the limit and sends it.",
        _floods(OK + b"Content-Length: 99999999999\r\n\r\n"),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "endless-body",
        "Sends a body without length and without end.",
        _floods(OK + b"\r\n["),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "endless-chunks",
        "Sends chunks without end.",
        _floods(CHUNKED, b"1000\r\n" + b" " * 0x1000 + b"\r\n"),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "endless-chunk-size",
        "Sends a chunk size of megabytes of digits.",
        _floods(CHUNKED, b"1" * 65536),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "endless-trailer",
        "Sends a header after the last chunk, and does not end it.",
        _floods(CHUNKED + b"2\r\n[]\r\n0\r\n", b"x" * 65536),
        ListingUnreadableError,
        BROKE_OFF,
        asked=3,
    ),
    Behaviour(
        "endless-error-page",
        "Refuses, with an error page without end.",
        _floods(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html><title>Keep out</title>"),
        ListingRefusedError,
        "titled 'Keep out'",
    ),
    Behaviour(
        "million-lists",
        "Sends a page that would exhaust the memory once parsed.",
        lambda conversation: conversation.send(answer(b"[" + b"[]," * 1_000_001 + b"[]]")),
        ListingUnreadableError,
        "objects and lists",
    ),
)

ENCODINGS: Final = (
    Behaviour(
        "gzip-bomb",
        "Sends 64 KiB of gzip that decompress to 64 MiB.",
        _explodes("gzip"),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "gzip-bomb-in-chunks",
        "Sends the same bomb as a chunk.",
        _explodes("gzip", chunked=True),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "deflate-bomb",
        "Sends a deflate bomb.",
        _explodes("deflate"),
        ListingUnreadableError,
        TOO_LARGE,
    ),
    Behaviour(
        "brotli-bomb",
        "Sends a brotli bomb, though the request does not accept brotli.",
        _explodes("br"),
        ListingUnreadableError,
        ODD_ENCODING,
    ),
    Behaviour(
        "zstd-bomb",
        "Sends a zstd bomb, though the request does not accept zstd.",
        _explodes("zstd"),
        ListingUnreadableError,
        ODD_ENCODING,
    ),
    Behaviour(
        "gzip-in-gzip",
        "Compresses twice, so that a bomb could hide in a bomb.",
        sends(answer(gzip.compress(gzip.compress(GOOD)), "Content-Encoding: gzip, gzip")),
        ListingUnreadableError,
        ODD_ENCODING,
    ),
    Behaviour(
        "plain-body-called-gzip",
        "Sends a plain body with `Content-Encoding: gzip`.",
        sends(answer(GOOD, "Content-Encoding: gzip")),
        ListingUnreadableError,
        "a body that its Content-Encoding does not fit",
    ),
    Behaviour(
        "gzip-cut-short",
        "Sends gzip without its end, with the length of what it sends.",
        sends(answer(gzip.compress(GOOD)[:-20], "Content-Encoding: gzip")),
        ListingUnreadableError,
        "JSON that ends too early",
    ),
    Behaviour(
        "unknown-encoding",
        "Uses an unknown encoding.",
        sends(answer(GOOD, "Content-Encoding: rot13")),
        ListingUnreadableError,
        ODD_ENCODING,
    ),
)
