"""From a response body to a JSON document, strictly; whether it is a listing is for `rules` to say.

Whatever is accepted means the same to every reader, and can be stored, hashed and walked downstream. Where JSON leaves
room (RFC 8259):

- A key that occurs twice in an object is refused: readers differ on which value counts.
- `NaN`, `Infinity` and numbers beyond a double's range are refused, too large (`1e999`) or too small (`1e-999`, which
  would read as zero); integers are read exactly, up to 4,300 digits.
- UTF-8, UTF-16 and UTF-32 are read, with or without a byte order mark; bytes that are not text are refused.
- Lone surrogates and NUL characters in strings are read; the rules reject the model that holds one
  (`unstorable_text`), and keep the others.
- Anything but white space after the document is refused, and so are more than 100 levels of nesting.
- Limits on density, because a page of brackets and commas costs the time and memory of a large listing: 1,000,000
  objects and lists, but no more than 50,000 plus one for every 8 bytes; 100,000 values plus one for every 6 bytes.
  Where orjson gives up (lone surrogates, repeated keys, unusual numbers) it is one of either for every 32 bytes.

orjson accepts four things that must be refused or read exactly: repeated keys, integers beyond 64 bits, numbers too
small for a double, and deep nesting. `read_plain` proves, in time linear in the bytes, that none of them occurred.
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
from provider_pipeline.listing.redaction import Said, one_line, redact_quote
from provider_pipeline.rules.values import decimal_number

_ALIKE: Final = bytes.maketrans(b"123456789E,[- \t\r\n", b"0" * 9 + b"e:::::::")
"""All digits are one then, and all that a number may come after."""
_LONG_INTEGER: Final = b":" + b"0" * 19
"""Integers of 18 digits fit into 64 bits, with any sign."""
_LONG_NUMBER: Final = b"0" * 200
_SMALL_NUMBER: Final = b"0e:000"
_SMALL_EXPONENT: Final = re.compile(rb"e-0*[1-9][0-9]{2,}(?:[\s,\]}]|\Z)", re.IGNORECASE)
"""With fewer than 200 digits, and 99 places to the right at the most, a number is not too small for a double."""
_SHORT: Final = 4096
_PIECE: Final = 64 * 1024
_ESCAPED_QUOTE: Final = b"\\u0022"
_MOST_LEVELS: Final = 10_000


class NotPlainError(ValueError):
    """This may be JSON and may be none; the strict parser has to tell."""


def read_plain(content: bytes, *, deepest: int) -> Any:
    """The document in a body, if it is plain JSON; then it is exactly what the strict parser reads.

    Args:
        content: The body, in UTF-8.
        deepest: How many levels of nesting are allowed.

    Raises:
        NotPlainError: It is not plain, or no JSON.
    """
    # In so many lists, a document that is too deep is too deep for orjson: that costs no walk through it.
    around = 0 if _is_shallow(content, deepest) else _levels_written() - deepest
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
    """Whether a short body cannot have more levels; False says nothing."""
    return len(content) <= _SHORT and content.count(b"[") + content.count(b"{") <= levels


def quotes_in(content: bytes) -> int:
    r"""How many quotes a document has, if each in its strings is written as `\"`, as orjson and json write it.

    A key that a reader dropped has taken its quotes with it.
    """
    quotes = content.count(b'"')
    if _ESCAPED_QUOTE in content:
        # Without the pairs of backslashes, which stand for one, each that is left begins an escape.
        quotes += content.replace(b"\\\\", b"").count(_ESCAPED_QUOTE)
    return quotes


def has_odd_numbers(content: bytes) -> bool:
    """Whether there may be an integer of more than 64 bits, or a number too small for a double; False is certain.

    Numbers in texts may count, but for those that a text begins with.
    """
    if content[:1].isdigit():  # nothing comes before it
        return True
    small = False
    # In pieces that overlap by what a number across two of them needs; memory for a whole copy costs more than reading.
    for start in range(0, len(content), _PIECE):
        alike = content[start : start + _PIECE + len(_LONG_NUMBER) - 1].translate(_ALIKE)
        if _LONG_INTEGER in alike or _LONG_NUMBER in alike:
            return True
        small = small or _SMALL_NUMBER in alike
    return small and _SMALL_EXPONENT.search(content) is not None


def is_deeper(document: Any, levels: int) -> bool:
    """Whether a parsed document has more levels of nesting than these."""
    level = [document]
    # The garbage collector tracks every list and dict, except perhaps a dict of scalars, which is a last level.
    for _ in range(levels - 1):
        level = list(filter(gc.is_tracked, gc.get_referents(*level)))
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in gc.get_referents(*level))


@functools.cache
def _levels_written() -> int:
    """How many levels of nesting orjson writes; it refuses more."""
    nested: list[Any] = []
    levels = 0
    with suppress(orjson.JSONEncodeError):
        while levels < _MOST_LEVELS:
            orjson.dumps(nested)
            nested = [nested]
            levels += 1
    return levels


DEEPEST: Final = 100
MOST_CONTAINERS: Final = 1_000_000
_ALWAYS_CONTAINERS, _BYTES_OF_A_CONTAINER = 50_000, 8
_ALWAYS_VALUES, _BYTES_OF_A_VALUE = 100_000, 6
_BYTES_READ_STRICTLY = 32

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
    _refuse_density(content, _BYTES_OF_A_CONTAINER, _BYTES_OF_A_VALUE)
    try:
        return read_plain(content, deepest=DEEPEST)
    except NotPlainError:
        # The strict parser takes several times as long, in calls that nothing can interrupt.
        _refuse_density(content, _BYTES_READ_STRICTLY, _BYTES_READ_STRICTLY)
        return _parse_strictly(content, said)


def _refuse_density(content: bytes, bytes_of_a_container: int, bytes_of_a_value: int) -> None:
    size = len(content)
    containers = min(_ALWAYS_CONTAINERS + size // bytes_of_a_container, MOST_CONTAINERS)
    # Each takes two bytes at least, so small pages need not be counted.
    if size // 2 > containers and containers_in(content) > containers:
        raise _NotAListing(f"a body with more than {containers:,} objects and lists on one page")
    values = _ALWAYS_VALUES + size // bytes_of_a_value
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
