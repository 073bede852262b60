"""From a body to a JSON document, strictly.

Here: what counts as readable. Not here: whether the document is a listing, which is the rule's verdict (`rules`):
null, `{}` and a list of strings are readable JSON. The concept: what is accepted here means the same to everybody, and
can be stored, hashed and walked by everything downstream. Where JSON leaves room (RFC 8259), this is decided:

- An object that has a key twice is refused: which value counts differs from reader to reader.
- `NaN`, `Infinity` and numbers beyond a double's range are refused, too large (`1e999`) or too small (`1e-999`, which
  would read as zero); integers are read exactly, those of more than 4,300 digits are refused.
- UTF-8, UTF-16 and UTF-32 are read, with or without a byte order mark; bytes that are not text are refused.
- Halves of surrogate pairs and NUL characters, which a string may hold as an escape, are read: the model whose value
  holds one is rejected by the rules (`unstorable_text`), the others are not.
- Anything but white space after the document is refused, and so are more than 100 levels of nesting.
- A page may have 1,000,000 objects and lists, but no more than 50,000 and one for every 8 bytes, and 100,000 values and
  one for every 6 bytes: a page of brackets and commas is no listing, but takes the time and the memory of a large one.
"""

import json
import re
from collections import Counter
from functools import partial
from typing import Any, Final, NoReturn

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.plain_json import NotPlainError, has_odd_numbers, is_deeper, quotes_in, read_plain
from provider_pipeline.listing.redaction import Said, one_line, redact_quote
from provider_pipeline.rules.units import decimal_number

DEEPEST: Final = 100
MOST_CONTAINERS: Final = 1_000_000
_ALWAYS_CONTAINERS, _BYTES_OF_A_CONTAINER = 50_000, 8
_ALWAYS_VALUES, _BYTES_OF_A_VALUE = 100_000, 6

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


def containers_in(content: bytes) -> int:
    """How many objects and lists a document has at the most; brackets in its texts are counted with them."""
    return content.count(b"{") + content.count(b"[")


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
    content = _in_utf8(content)
    _refuse_density(content)
    try:
        return read_plain(content, deepest=DEEPEST)
    except NotPlainError:
        return _parse_strictly(content, said)


def _refuse_density(content: bytes) -> None:
    size = len(content)
    containers = min(_ALWAYS_CONTAINERS + size // _BYTES_OF_A_CONTAINER, MOST_CONTAINERS)
    # Each takes two bytes at least, so small pages need not be counted.
    if size // 2 > containers and containers_in(content) > containers:
        raise _NotAListing(f"a body with more than {containers:,} objects and lists on one page")
    values = _ALWAYS_VALUES + size // _BYTES_OF_A_VALUE
    if size // 2 > values and content.count(b",") >= values:
        raise _NotAListing(f"a body with more than {values:,} values on one page")


def _in_utf8(content: bytes) -> bytes:
    encoding = json.detect_encoding(content)
    if encoding == "utf-8":
        return content  # the parsers tell whether it is
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise _not_text(encoding, error, content) from None


def _not_text(encoding: str, error: UnicodeDecodeError, content: bytes) -> _NotAListing:
    return _NotAListing(f"a body that is not {encoding} text, at byte {error.start:,} of {len(content):,}")


def _parse_strictly(content: bytes, said: Said) -> Any:
    try:
        text = content.decode()
        # A function of ours for each number or object takes longer than all the rest, so it is asked only if it must.
        parse_float = _finite if has_odd_numbers(content) else None
        document = json.loads(text, parse_constant=_refuse_constant, parse_float=parse_float)
    except UnicodeDecodeError as error:
        raise _not_text("utf-8", error, content) from None
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
    if is_deeper(document, DEEPEST):
        raise _NotAListing(f"JSON nested more than {DEEPEST} levels deep")
    if _has_lost(document, content):
        json.loads(text, parse_float=_finite, object_pairs_hook=partial(_without_duplicates, said))
    return document


def _has_lost(document: Any, content: bytes) -> bool:
    try:
        return json.dumps(document, check_circular=False, allow_nan=False).count('"') != quotes_in(content)
    except ValueError:  # a number has become infinite
        return True


def _refuse_constant(token: str) -> NoReturn:
    raise _NotAListing(f"the token {token}, which is not JSON")


def _finite(token: str) -> float:
    number = decimal_number(token)
    if number is None:
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


def _kind(content_type: str | None, content: bytes, said: Said) -> str:
    return f"{one_line(said(content_type), limit=60) if content_type else 'no content type'}, {len(content):,} bytes"
