"""From a body to a JSON document, strictly.

Here: what counts as readable. Not here: whether the document is a listing, which is the rule's verdict (`rules`):
null, `{}` and a list of strings are readable JSON. The concept: what is accepted here means the same to everybody, and
can be stored, hashed and walked by everything downstream. Where JSON leaves room (RFC 8259), this is decided:

- An object that has a key twice is refused: which value counts differs from reader to reader.
- `NaN`, `Infinity` and numbers beyond a double's range (`1e999`) are refused; integers are read exactly, those of more
  than 4,300 digits are refused.
- UTF-8, UTF-16 and UTF-32 are read, with or without a byte order mark; bytes that are not text are refused.
- Halves of surrogate pairs and NUL characters, which a string may hold as an escape, are read: the model whose value
  holds one is rejected by the rules (`unstorable_text`), the others are not.
- Anything but white space after the document is refused, and so are more than 100 levels of nesting and more than
  1,000,000 objects and lists on a page.
"""

import json
import math
import re
from collections import Counter
from functools import partial
from typing import Any, Final, NoReturn

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.plain_json import NotPlainError, read_plain
from provider_pipeline.listing.redaction import Said, one_line, redact_quote

DEEPEST: Final = 100
MOST_CONTAINERS: Final = 1_000_000

_TITLE: Final = re.compile(r"<title[^>]*>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
_PASSWORD: Final = re.compile(rb"<input[^>]{0,500}\btype\s*=\s*[\"']?password", re.IGNORECASE)
_LOGIN_TITLE: Final = re.compile(r"\b(?:log|sign)[ -]?(?:in|on)\b|\bsso\b|\bauthenticat", re.IGNORECASE)
_WHERE_FORMS_ARE: Final = 200_000


def parse_document(content: bytes, *, where: str, content_type: str | None, said: Said = redact_quote) -> Any:
    """Parse one page's body.

    Args:
        content: The body, decompressed.
        where: Which provider and URL, for the error's text; redacted.
        content_type: What the server called it; only reported, since servers are careless with it.
        said: Redacts what an error's text quotes of it.

    Raises:
        ListingUnreadableError: It is not one complete JSON document, or one that nothing downstream could handle.
    """
    try:
        document = _parse(content, said)
    except _NotAListing as refusal:
        reason, hint = refusal.reason, refusal.hint
    else:
        return document
    raise ListingUnreadableError(f"{where} answered {reason} ({_kind(content_type, content, said)})", hint=hint)


def looks_like_markup(content: bytes) -> bool:
    """Whether a body is an HTML or XML page, as no JSON begins."""
    return content[:200].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<")


def described_page(content: bytes, said: Said) -> str:
    """What kind of page a body of markup is, with its title: a login page is named as one."""
    title = page_title(content, said)
    login = _PASSWORD.search(content[:_WHERE_FORMS_ARE]) or (title and _LOGIN_TITLE.search(title))
    return f"a {'login' if login else 'web'} page{f' titled {title!r}' if title else ''}"


def page_title(content: bytes, said: Said) -> str | None:
    """The title of an HTML page as one short line, if it has one."""
    found = _TITLE.search(content[:20_000].decode("utf-8", "replace"))
    return one_line(said(found.group(1)), limit=80) or None if found else None


class _NotAListing(Exception):  # noqa: N818 - a signal inside this module
    def __init__(self, reason: str, hint: str | None = None) -> None:
        self.reason = reason
        self.hint = hint


def _parse(content: bytes, said: Said) -> Any:
    if not content.strip():
        raise _NotAListing("an empty body", "expected a JSON listing; check the endpoint's path")
    if looks_like_markup(content):
        raise _NotAListing(
            f"{described_page(content, said)} instead of JSON",
            "check the base URL, the endpoint's path and the key; a proxy or a login may be in between",
        )
    if len(content) > MOST_CONTAINERS and content.count(b"{") + content.count(b"[") > MOST_CONTAINERS:
        raise _NotAListing(f"a body with more than {MOST_CONTAINERS:,} objects and lists on one page")
    try:
        return read_plain(content, deepest=DEEPEST)
    except NotPlainError:
        return _parse_strictly(content, said)


def _parse_strictly(content: bytes, said: Said) -> Any:
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
        document = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=partial(_without_duplicates, said),
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
    if not math.isfinite(number):
        raise _NotAListing(f"the number {token[:40]}, which is out of range")
    return number


def _without_duplicates(said: Said, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _NotAListing(
            f"JSON with the key {one_line(said(key), limit=60)!r} more than once in one object: which one counts?"
        )
    return found


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


def _kind(content_type: str | None, content: bytes, said: Said) -> str:
    return f"{one_line(said(content_type), limit=60) if content_type else 'no content type'}, {len(content):,} bytes"
