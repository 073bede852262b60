"""From a body to a JSON document, strictly.

Here: what counts as readable. Not here: whether the document is a listing, which is the rule's verdict (`rules`):
null, `{}` and a list of strings are readable JSON. The concept: what is accepted here can be stored, hashed and
walked by everything downstream, so NaN, infinite numbers, endless nesting and a body that would burst the memory when
parsed are refused.
"""

import json
import re
from typing import Any, Final, NoReturn

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.redaction import one_line

DEEPEST: Final = 100
MOST_CONTAINERS: Final = 1_000_000

_TITLE: Final = re.compile(r"<title[^>]*>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
_HUGE_EXPONENT: Final = re.compile(rb"[0-9][eE]\+?[0-9]{3}")
_MARKUP: Final = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<!--", b"<h1", b"<error")


def parse_document(content: bytes, *, where: str, content_type: str | None) -> Any:
    """Parse one page's body.

    Args:
        content: The body, decompressed.
        where: Which provider and URL, for the error's text; redacted.
        content_type: What the server called it; only reported, since servers are careless with it.

    Raises:
        ListingUnreadableError: It is not one complete JSON document, or one that nothing downstream could handle.
    """
    try:
        document = _parse(content)
    except _NotAListing as refusal:
        reason, hint = refusal.reason, refusal.hint
    else:
        return document
    raise ListingUnreadableError(f"{where} answered {reason} ({_kind(content_type, content)})", hint=hint)


def looks_like_markup(content: bytes) -> bool:
    """Whether a body is an HTML or XML page."""
    return content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP)


def page_title(content: bytes) -> str | None:
    """The title of an HTML page as one short line, if it has one."""
    found = _TITLE.search(content[:20_000].decode("utf-8", "replace"))
    return one_line(found.group(1), limit=80) or None if found else None


class _NotAListing(Exception):  # noqa: N818 - a signal inside this module
    def __init__(self, reason: str, hint: str | None = None) -> None:
        self.reason = reason
        self.hint = hint


def _parse(content: bytes) -> Any:
    if not content.strip():
        raise _NotAListing("an empty body", "expected a JSON listing; check the endpoint's path")
    if looks_like_markup(content):
        title = page_title(content)
        raise _NotAListing(
            f"a web page{f' titled {title!r}' if title else ''} instead of JSON",
            "check the base URL and the endpoint's path; a proxy or a login page may be in between",
        )
    if content.count(b"{") + content.count(b"[") > MOST_CONTAINERS:
        raise _NotAListing(f"a body with more than {MOST_CONTAINERS:,} objects and lists on one page")
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
        document = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite if _HUGE_EXPONENT.search(content) or not encoding.startswith("utf-8") else None,
        )
    except UnicodeDecodeError as error:
        raise _NotAListing(f"a body that is not {encoding} text, at byte {error.start:,} of {len(content):,}") from None
    except json.JSONDecodeError as error:
        cut_short = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise _NotAListing(
            f"{'JSON that ends too early' if cut_short else 'malformed JSON'}: {error.msg} at line {error.lineno} "
            f"column {error.colno} (character {error.pos:,} of {len(text):,})"
        ) from None
    except RecursionError:
        raise _NotAListing("JSON nested too deeply to be read") from None
    except ValueError as error:
        # CPython refuses to convert integers of thousands of digits.
        raise _NotAListing(f"JSON with a number that cannot be read: {one_line(str(error), limit=80)}") from None
    _refuse_depth(document)
    return document


def _refuse_constant(token: str) -> NoReturn:
    raise _NotAListing(f"the token {token}, which is not JSON")


def _finite(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise _NotAListing(f"the number {token[:40]}, which is out of range")
    return number


def _refuse_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST):
        level = [
            value
            for container in level
            if isinstance(container, (dict, list))
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, (dict, list))
        ]
        if not level:
            return
    raise _NotAListing(f"JSON nested more than {DEEPEST} levels deep")


def _kind(content_type: str | None, content: bytes) -> str:
    return f"{one_line(content_type, limit=60) if content_type else 'no content type'}, {len(content):,} bytes"
