"""Parses a response body as JSON, strictly, so that every reader understands an accepted document alike.

Whether the document is a listing is for `rules` to say.
"""

import functools
import gc
import json
import re
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn

import orjson

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.redaction import Redactor, one_line, redact_quote
from provider_pipeline.rules.values import decimal_number

_NORMALISED: Final = bytes.maketrans(b"123456789E,[- \t\r\n", b"0" * 9 + b"e:::::::")
"""Maps all digits to one, and everything that may precede a number to another."""
_LONG_INTEGER: Final = b":" + b"0" * 19
"""Integers of 18 digits or fewer fit into 64 bits, with any sign."""
_LONG_NUMBER: Final = b"0" * 200
_SMALL_NUMBER: Final = b"0e:000"
_SMALL_EXPONENT: Final = re.compile(rb"e-0*[1-9][0-9]{2,}(?:[\s,\]}]|\Z)", re.IGNORECASE)
"""With fewer than 200 digits and an exponent of -99 or more, a number is not too small for a double."""
_SHORT: Final = 4096
_PIECE: Final = 64 * 1024
_ESCAPED_QUOTE: Final = b"\\u0022"
_MAX_LEVELS: Final = 10_000


class NotPlainError(ValueError):
    """The body may or may not be JSON: the strict parser decides."""


def read_plain(content: bytes, *, max_depth: int) -> Any:
    """Parse plain JSON fast, with exactly the result of the strict parser.

    orjson alone accepts what must be refused or read exactly: repeated keys, integers beyond 64 bits, numbers too small
    for a double, and deep nesting. This proves, in time linear in the bytes, that none of them occurred.

    Args:
        content: The body, in UTF-8.
        max_depth: How many levels of nesting are allowed.

    Raises:
        NotPlainError: It is not plain, or not JSON.
    """
    # Wrapping moves our depth limit to orjson's own, so that orjson finds a document too deep while writing it.
    around = 0 if _is_shallow(content, max_depth) else _levels_written() - max_depth
    try:
        document = nested = orjson.loads(content)
        for _ in range(around):
            nested = [nested]
        written = orjson.dumps(nested)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise NotPlainError from error
    unchanged = len(written) == len(content) + 2 * around and written.startswith(content, around)
    if not unchanged and (has_odd_numbers(content) or written.count(b'"') != quotes_in(content)):
        raise NotPlainError
    return document


def _is_shallow(content: bytes, levels: int) -> bool:
    """Whether a short body cannot have more levels; False means unknown."""
    return len(content) <= _SHORT and content.count(b"[") + content.count(b"{") <= levels


def quotes_in(content: bytes) -> int:
    r"""How many quotes a document has, counting each in its strings as `\"`, as orjson and json write it.

    A parsed document with fewer quotes has lost a repeated key.
    """
    quotes = content.count(b'"')
    if _ESCAPED_QUOTE in content:
        # Once pairs, which stand for one backslash each, are removed, every backslash begins an escape.
        quotes += content.replace(b"\\\\", b"").count(_ESCAPED_QUOTE)
    return quotes


def has_odd_numbers(content: bytes) -> bool:
    """Whether there may be an integer beyond 64 bits or a number too small for a double; False is certain."""
    if content[:1].isdigit():  # the search below expects something before a number
        return True
    small = False
    # In pieces, because memory for a whole copy costs more than reading; they overlap, to find numbers across two.
    for start in range(0, len(content), _PIECE):
        normalised = content[start : start + _PIECE + len(_LONG_NUMBER) - 1].translate(_NORMALISED)
        if _LONG_INTEGER in normalised or _LONG_NUMBER in normalised:
            return True
        small = small or _SMALL_NUMBER in normalised
    return small and _SMALL_EXPONENT.search(content) is not None


def is_deeper(document: Any, levels: int) -> bool:
    """Whether a parsed document has more levels of nesting."""
    level = [document]
    # The garbage collector tracks every list and dict, except perhaps a dict of scalars, which is always a last level.
    for _ in range(levels - 1):
        level = list(filter(gc.is_tracked, gc.get_referents(*level)))
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in gc.get_referents(*level))


@functools.cache
def _levels_written() -> int:
    """How many levels of nesting orjson can write."""
    nested: list[Any] = []
    levels = 0
    with suppress(orjson.JSONEncodeError):
        while levels < _MAX_LEVELS:
            orjson.dumps(nested)
            nested = [nested]
            levels += 1
    return levels


MAX_DEPTH: Final = 100
# A page of brackets and commas costs the time and memory of a large listing, so density is limited: per page,
# `_FREE_CONTAINERS` objects and lists plus one for each `_BYTES_PER_CONTAINER`, up to `_MAX_CONTAINERS`, and likewise
# values.
_MAX_CONTAINERS: Final = 1_000_000
_FREE_CONTAINERS, _BYTES_PER_CONTAINER = 50_000, 8
_FREE_VALUES, _BYTES_PER_VALUE = 100_000, 6
_BYTES_PER_STRICT_VALUE = 32
_BEYOND_DOUBLES: Final = re.compile(rb"[0-9]{309,}")
_MAX_DIGITS_BEYOND_DOUBLES: Final = 250_000
"""Of one page: Python reads and writes an integer in time quadratic to its digits, in calls that nothing interrupts."""

_TITLE: Final = re.compile(r"<title[^>]*>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
_PASSWORD: Final = re.compile(rb"<input[^>]{0,500}\btype\s*=\s*[\"']?password", re.IGNORECASE)
_LOGIN_TITLE: Final = re.compile(r"\b(?:log|sign)[ -]?(?:in|on)\b|\bsso\b|\bauthenticat", re.IGNORECASE)
_MAX_FORM_SEARCH: Final = 200_000


def parse_document(content: bytes, *, where: str, content_type: str | None, redactor: Redactor = redact_quote) -> Any:
    """Parse one page's body: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Where JSON leaves room (RFC 8259), what readers may understand differently is refused: repeated keys, `NaN`,
    `Infinity`, numbers out of a double's range (`1e999`, and `1e-999`, which would read as zero), and anything but
    white space after the document. Integers are exact, up to 4,300 digits, if few are beyond a double. Lone surrogates
    and NUL characters are read: the rules set aside only the value that holds one (`unstorable_text`), and keep the
    model.

    Args:
        content: The body, decompressed.
        where: Which provider and URL, for the error's text; redacted.
        content_type: Only reported, because servers are careless with it.
        redactor: Redacts what an error's text quotes of it.

    Raises:
        ListingUnreadableError: It is not one complete JSON document, is nested more than `MAX_DEPTH` levels deep, or
            is too dense.
    """
    try:
        return _parse(content, redactor)
    except _RefusedDocument as refusal:
        reason, hint = refusal.reason, refusal.hint
    # Outside of the handler: the original exception may quote the body, and must not be chained to this one.
    raise ListingUnreadableError(f"{where} answered {reason} ({_kind(content_type, content, redactor)})", hint=hint)


def containers_in(content: bytes) -> int:
    """The most objects and lists a document can have; brackets in its strings count too."""
    return content.count(b"{") + content.count(b"[")


def looks_like_markup(content: bytes) -> bool:
    """Whether a body is an HTML or XML page."""
    return content[:200].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<")


def describe_page(content: bytes, redactor: Redactor) -> str:
    """A page of markup in words: a login or a web page, with its title."""
    found = _TITLE.search(content[:20_000].decode("utf-8", "replace"))
    title = one_line(redactor(found.group(1)), limit=80) if found else ""
    login = _PASSWORD.search(content[:_MAX_FORM_SEARCH]) or _LOGIN_TITLE.search(title)
    return f"a {'login' if login else 'web'} page{f' titled {title!r}' if title else ''}"


class _RefusedDocument(Exception):  # noqa: N818 - a signal inside this module
    def __init__(self, reason: str, hint: str | None = None) -> None:
        self.reason = reason
        self.hint = hint


def _parse(content: bytes, redactor: Redactor) -> Any:
    if not content.strip():
        raise _RefusedDocument("an empty body", "expected a JSON listing; check the endpoint's path")
    if looks_like_markup(content):
        raise _RefusedDocument(
            f"{describe_page(content, redactor)} instead of JSON",
            "check the base URL, the endpoint's path and the key; a proxy or a login may be in between",
        )
    content = _in_utf8(content)
    _refuse_density(content, _BYTES_PER_CONTAINER, _BYTES_PER_VALUE)
    try:
        return read_plain(content, max_depth=MAX_DEPTH)
    except NotPlainError:
        # The strict parser takes several times as long, in calls that nothing can interrupt. Lone surrogates, repeated
        # keys and unusual numbers need it.
        _refuse_density(content, _BYTES_PER_STRICT_VALUE, _BYTES_PER_STRICT_VALUE)
        _refuse_digits(content)
        return _parse_strictly(content, redactor)


def _refuse_density(content: bytes, bytes_per_container: int, bytes_per_value: int) -> None:
    size = len(content)
    containers = min(_FREE_CONTAINERS + size // bytes_per_container, _MAX_CONTAINERS)
    # Each takes two bytes at least, so small pages need no counting.
    if size // 2 > containers and containers_in(content) > containers:
        raise _RefusedDocument(f"a body with more than {containers:,} objects and lists on one page")
    values = _FREE_VALUES + size // bytes_per_value
    if size // 2 > values and content.count(b",") >= values:
        raise _RefusedDocument(f"a body with more than {values:,} values on one page")


def _refuse_digits(content: bytes) -> None:
    digits = 0
    for found in _BEYOND_DOUBLES.finditer(content):
        digits += len(found[0])
        if digits > _MAX_DIGITS_BEYOND_DOUBLES:
            raise _RefusedDocument(
                f"a body with more than {_MAX_DIGITS_BEYOND_DOUBLES:,} digits of numbers beyond a double's range"
            )


def _in_utf8(content: bytes) -> bytes:
    encoding = json.detect_encoding(content)
    if encoding == "utf-8":
        return content  # the parsers refuse invalid UTF-8
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise _not_text(encoding, error, content) from None


def _not_text(encoding: str, error: UnicodeDecodeError, content: bytes) -> _RefusedDocument:
    return _RefusedDocument(f"a body that is not {encoding} text, at byte {error.start:,} of {len(content):,}")


def _parse_strictly(content: bytes, redactor: Redactor) -> Any:
    try:
        text = content.decode()
        # A Python function called for each number or object takes longer than all the rest, so only if it must be.
        parse_float = _finite if has_odd_numbers(content) else None
        document = json.loads(text, parse_constant=_refuse_constant, parse_float=parse_float)
    except UnicodeDecodeError as error:
        raise _not_text("utf-8", error, content) from None
    except json.JSONDecodeError as error:
        cut_short = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise _RefusedDocument(
            f"{'JSON that ends too early' if cut_short else 'malformed JSON'}: {error.msg} at line {error.lineno} "
            f"column {error.colno} (character {error.pos:,} of {len(text):,})"
        ) from None
    except RecursionError:
        raise _RefusedDocument("JSON nested too deeply to be read") from None
    except ValueError as error:
        # CPython refuses to convert integers of thousands of digits.
        raise _RefusedDocument(f"JSON with a number that cannot be read: {one_line(str(error), limit=80)}") from None
    if is_deeper(document, MAX_DEPTH):
        raise _RefusedDocument(f"JSON nested more than {MAX_DEPTH} levels deep")
    if _has_lost(document, content):
        json.loads(text, parse_float=_finite, object_pairs_hook=partial(_without_duplicates, redactor))
    return document


def _has_lost(document: Any, content: bytes) -> bool:
    try:
        return json.dumps(document, check_circular=False, allow_nan=False).count('"') != quotes_in(content)
    except ValueError:  # a number has become infinite
        return True


def _refuse_constant(token: str) -> NoReturn:
    raise _RefusedDocument(f"the token {token}, which is not JSON")


def _finite(token: str) -> float:
    number = decimal_number(token)
    if number is None:
        raise _RefusedDocument(f"the number {token[:40]}, which is out of range")
    return number


def _without_duplicates(redactor: Redactor, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _RefusedDocument(
            f"JSON with the key {one_line(redactor(key), limit=60)!r} more than once in one object: which one counts?"
        )
    return found


def _kind(content_type: str | None, content: bytes, redactor: Redactor) -> str:
    return (
        f"{one_line(redactor(content_type), limit=60) if content_type else 'no content type'}, {len(content):,} bytes"
    )
