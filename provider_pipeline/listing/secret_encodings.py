"""Finds our secrets in servers' responses: percent-encoded, escaped as in JSON or HTML, in Base64, at any depth.

Text and secret are decoded completely, then compared. Each decoded byte keeps its place in the original, where the
secret is masked.
"""

import html.entities
import json
import re
from array import array
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import Final, Self
from urllib.parse import quote, quote_plus

from provider_pipeline.errors import ListingUnreadableError

Span = tuple[int, int]
"""Where a secret begins in some bytes, and where it ends."""

MAX_SUSPICIONS: Final = 100_000
"""Most suspicious places per body, and most escapes near them."""
_LETTER: Final = "(?:2[de]|3[0-9]|[46][1-9a-f]|5[0-9af]|7[0-9a])"
_PERCENT: Final = "%(?:25)*"
ESCAPED_LETTER: Final = (
    rf"{_PERCENT}{_LETTER}|(?:\\|{_PERCENT}5c)(?:u00|x){_LETTER}"
    rf"|(?:&|{_PERCENT}26)(?:amp(?:;|{_PERCENT}3b))*(?:#|{_PERCENT}23)(?:x0*{_LETTER}"
    r"|0*(?:4[5689]|5[0-7]|6[5-9]|[78][0-9]|9[057-9]|1[01][0-9]|12[0-2]))"
)
"""RE2, case-insensitive: a letter, a digit or one of `-._` written as an escape, which no honest encoder does."""

_FOLDED: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+\b\t\n\r\f\v", b"abcdefghijklmnopqrstuvwxyz" + 7 * b" ")
MIN_PART: Final = 8
"""Characters of a secret's beginning or end that count as the secret in a short text."""
_MIN_LENGTH: Final = 4
_MIN_LENGTH_IN_BASE64: Final = 8
_NEVER_ESCAPED: Final = re.compile(rb"[0-9a-z]{6,}")
_MIN_RUN: Final = 4
_RARELY_ESCAPED: Final = re.compile(rb"[0-9a-z._-]{%d,}" % _MIN_RUN)
_MAX_RUN: Final = 24
_CHANGE: Final = re.compile(rb"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_TELLING_CHANGES: Final = 3
"""Of kind, without a separator between: three in eight random characters, one in `sk-or-v1-` or `gpt-4o-mini`."""
_PIECE: Final = 256 * 1024
_ESCAPE: Final = re.compile(rb"[%\\&]")
_MAX_ENTITY: Final = 32
_ENTITIES: Final = {name.rstrip(";").lower(): char for name, char in html.entities.html5.items() if len(char) == 1}


@dataclass(frozen=True)
class SecretForm:
    """A secret, or its Base64, in the form for comparison: without escapes, in lower case.

    Attributes:
        telling: How many characters of its beginning, and of its end, count as the secret in a body.
    """

    decoded: bytes = field(repr=False)
    telling: tuple[int, int]


@dataclass(frozen=True)
class EncodedSecret:
    """One secret in all its encodings.

    Attributes:
        spellings: The secret in UTF-8, as it is, in a URL, in a form and in JSON.
        forms: What is compared with a decoded text.
        runs: A body with the secret contains one of these, in any case, or has letters escaped. Encoders do not escape
            letters and digits, and hardly `-._`, so these are the longest runs of such characters; one is empty if the
            secret has none.
        tips: A decoded text with the secret contains one of these: the first and last characters of each form.
    """

    spellings: tuple[bytes, ...] = field(repr=False)
    forms: tuple[SecretForm, ...] = field(repr=False)
    runs: frozenset[bytes] = field(repr=False)
    tips: frozenset[bytes] = field(repr=False)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, secret: str) -> Self:
        """The encodings of a secret."""
        written = secret.encode("utf-8", "surrogatepass")
        in_base64 = {text: SecretForm(text, (len(text),) * 2) for text in map(_folded, _in_base64(written))}
        # A backslash is decoded together with the character after it; a last one has none.
        decoded = _folded(written).rstrip(b"\\")
        plain = SecretForm(decoded, _telling(written if len(written) == len(decoded) else decoded))
        forms = tuple(each for each in (plain, *in_base64.values()) if len(each.decoded) >= _MIN_LENGTH)
        runs = frozenset(run for each in forms for run in _runs_of(each))
        tips = frozenset(tip for each in forms for tip in (each.decoded[:MIN_PART], each.decoded[-MIN_PART:]))
        quoted = quote(written, safe=""), quote_plus(written), json.dumps(secret)[1:-1]
        spellings = tuple(dict.fromkeys((written, *map(str.encode, quoted))))
        return cls(spellings, forms, runs, tips)


def spans_in_text(text: bytes, secrets: Sequence[EncodedSecret], *, parts: bool) -> list[Span]:
    """Where a short text contains a secret; with `parts`, also 8 or more characters of its beginning or end."""

    def enough(form: SecretForm) -> tuple[int, int]:
        length = len(form.decoded)
        least = min(length, MIN_PART) if parts else length
        return least, least

    return _spans(_decoded(text), secrets, enough)


def spans_in_body(content: bytes, secrets: Sequence[EncodedSecret], places: Iterable[Span]) -> list[Span]:
    """Where a body, which may be long, contains a secret or most of one.

    Args:
        content: In UTF-8.
        secrets: At least one.
        places: Matches of `ESCAPED_LETTER`; only their surroundings, and those of the secrets' `runs`, are decoded.

    Raises:
        ListingUnreadableError: There are too many places or escapes to decode.
    """
    reach = 8 * max((len(each.decoded) for secret in secrets for each in secret.forms), default=0) + 64
    # One search for each run: a pattern of all would have to be compiled for each secret, in 2 ms.
    small, runs = content.lower(), sorted(set().union(*(secret.runs for secret in secrets)))
    ours = ((place, place + len(run)) for run in runs for place in _places(small, run))
    every = list(islice(chain(places, ours), MAX_SUSPICIONS + 1))
    if len(every) > MAX_SUSPICIONS:
        raise too_many_suspicions()
    near = [(max(0, start - reach), end + reach) for start, end in every]
    if any(b"" in secret.runs for secret in secrets):
        near = [(0, len(content))]
    found: list[Span] = []
    escapes = 0
    for start, end in _pieces(merged(near), overlap=2 * reach):
        part = content[start:end]
        escapes += sum(map(part.count, (b"%", b"\\", b"&")))
        if escapes > MAX_SUSPICIONS:
            raise too_many_suspicions()
        spans = _spans(_decoded(part), secrets, lambda form: form.telling)
        found += [(start + first, start + last) for first, last in spans]
    return found


def _pieces(spans: Iterable[Span], overlap: int) -> Iterator[Span]:
    """The spans in pieces of bounded length, because decoding takes 32 bytes of memory per byte."""
    length = max(_PIECE, 4 * overlap)
    for start, end in spans:
        while end - start > length:
            yield start, start + length
            start += length - overlap  # noqa: PLW2901 - the rest of the span
        yield start, end


def too_many_suspicions() -> ListingUnreadableError:
    """The error for a body with too many suspicious places to examine."""
    return ListingUnreadableError(
        f"answered with more than {MAX_SUSPICIONS:,} texts that may be secrets, or letters hidden in escapes",
        hint="no honest server sends that: ask the provider why",
    )


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, with those that overlap or touch merged."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _folded(text: bytes) -> bytes:
    return _decoded(text).content


def _telling(secret: bytes) -> tuple[int, int]:
    """How many characters of a secret's beginning, and of its end, count as the secret in a body."""
    length = len(secret)
    # A model's name may begin like a badly chosen key, or quote a prefix such as `sk-or-v1-`, but not where letters and
    # digits, or small and capital letters, alternate like this.
    most = min(length, max(MIN_PART, min(16, length * 3 // 4)))
    changes = [match.start() for match in _CHANGE.finditer(secret)]
    if len(changes) < _TELLING_CHANGES:
        return most, most
    # Without a run of plain characters to look for, every body would have to be decoded.
    runs = list(_RARELY_ESCAPED.finditer(secret.lower()))
    first = max(MIN_PART, changes[_TELLING_CHANGES - 1] + 1, runs[0].start() + _MIN_RUN if runs else most)
    last = max(MIN_PART, length - changes[-_TELLING_CHANGES] + 1, length - runs[-1].end() + _MIN_RUN if runs else most)
    return min(most, first), min(most, last)


def _runs_of(form: SecretForm) -> Iterator[bytes]:
    first, last = form.telling
    for part in (form.decoded[:first], form.decoded[-last:]):
        runs = _NEVER_ESCAPED.findall(part) or _RARELY_ESCAPED.findall(part)
        yield max(runs, key=len, default=b"")[:_MAX_RUN]


def _places(content: bytes, run: bytes) -> Iterator[int]:
    place = content.find(run) if run else -1
    while place >= 0:
        yield place
        place = content.find(run, place + len(run))


def _spans(
    decoded: "_Decoded", secrets: Sequence[EncodedSecret], least: Callable[[SecretForm], tuple[int, int]]
) -> list[Span]:
    found = [
        decoded.source(start, end)
        for secret in secrets
        if any(tip in decoded.content for tip in secret.tips)
        for form in secret.forms
        for start, end in _shared_runs(decoded.content, form.decoded, *least(form))
    ]
    # Also in the undecoded text: the secret's end with the text after it may look like an escape, or the text before it
    # with the secret's beginning.
    found += [
        (place, place + len(spelling))
        for secret in secrets
        for spelling in secret.spellings
        for place in _places(decoded.original, spelling)
    ]
    return merged(found)


def _shared_runs(content: bytes, secret: bytes, first: int, last: int) -> Iterator[Span]:
    """Where the content has `first` or more characters of the secret's beginning, or `last` of its end."""
    place = content.find(secret[:first])
    while place >= 0:
        length = first
        while length < len(secret) and content[place + length : place + length + 1] == secret[length : length + 1]:
            length += 1
        yield place, place + length
        place = content.find(secret[:first], place + length)
    place = content.find(secret[-last:])
    while place >= 0:
        end, length = place + last, last
        while length < len(secret) and end > length and content[end - length - 1] == secret[-length - 1]:
            length += 1
        yield end - length, end
        place = content.find(secret[-last:], end)


@dataclass
class _Decoded:
    """A text without escapes, with the place of each byte in the original."""

    content: bytes
    starts: Sequence[int]
    ends: Sequence[int]
    original: bytes

    def source(self, start: int, end: int) -> Span:
        """The part of the original that this was decoded from, in whole characters."""
        first, last = self.starts[start], self.ends[end - 1]
        while first > 0 and self.original[first] & 0xC0 == 0x80:
            first -= 1
        while last < len(self.original) and self.original[last] & 0xC0 == 0x80:
            last += 1
        return first, last


def _decoded(text: bytes) -> _Decoded:
    """The completely decoded text, in lower case."""
    small = text.translate(_FOLDED)
    end = len(text)
    escapes = [match.start() for match in _ESCAPE.finditer(text)]
    if not escapes:
        return _Decoded(small, range(end), range(1, end + 1), text)
    reader = _FromTheRight()
    for place in reversed(escapes):
        reader.put(small[place + 1 : end], place + 1)
        reader.put_escape(small[place], place, place + 1)
        end = place
    reader.put(small[:end], 0)
    return reader.whole(text)


class _FromTheRight:
    """Decodes a text from its end, so that nested escapes need no second pass; all lists are reversed."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._starts = array("q")
        self._ends = array("q")
        self._unquoted = 0
        """The length at which the first byte is the value of a backslash's escape."""

    def put(self, piece: bytes, start: int) -> None:
        """Prepends plain text."""
        end = start + len(piece)
        self._bytes += piece[::-1]
        self._starts.extend(range(end - 1, start - 1, -1))
        self._ends.extend(range(end, start, -1))

    def put_escape(self, byte: int, start: int, end: int) -> None:
        """Prepends a character that may begin an escape; its value may begin another."""
        unquoted = False
        while byte != 0x5C or self._bytes:
            taken, text = self._begins(byte)
            if not taken:
                break
            unquoted = byte == 0x5C
            end = self._ends[-taken]
            del self._bytes[-taken:], self._starts[-taken:], self._ends[-taken:]
            text = text.translate(_FOLDED)
            for each in reversed(text[1:]):
                self._put(each, start, end)
            byte = text[0]
            if byte not in b"%\\&":
                break
        self._put(byte, start, end)
        if unquoted or len(self._bytes) <= self._unquoted:
            self._unquoted = len(self._bytes) if unquoted else 0

    def whole(self, original: bytes) -> _Decoded:
        """The decoded text."""
        return _Decoded(bytes(self._bytes[::-1]), self._starts[::-1], self._ends[::-1], original)

    def _put(self, byte: int, start: int, end: int) -> None:
        self._bytes.append(byte)
        self._starts.append(start)
        self._ends.append(end)

    def _begins(self, byte: int) -> tuple[int, bytes]:
        """How many of the following bytes belong to the escape that this byte begins, or 0, and the escape's value."""
        behind = bytes(self._bytes[: -_MAX_ENTITY - 1 : -1])
        if byte == 0x26:
            name, semicolon, _ = behind.partition(b";")
            text = _entity(name) if semicolon else None
            return (0, b"") if text is None else (len(name) + 1, text)
        if byte == 0x5C and len(self._bytes) == self._unquoted:
            # Of two backslashes, the first quotes the second: the value of what the second begins, such as the n of
            # `\\u006e`, begins nothing.
            return 1, behind[:1]
        if behind[:1] == b"u" and (code := _hex(behind[1:5], 4)) is not None:
            return self._character(code, 5)
        if byte == 0x25:
            code = _hex(behind[:2], 2)
            return (0, b"") if code is None else (2, bytes((code,)))
        if behind[:1] == b"x" and (code := _hex(behind[1:3], 2)) is not None:
            return 3, bytes((code,))
        # Before any other character, a further backslash included, a backslash only quotes it.
        return 1, b" " if behind[:1] in (b"b", b"f", b"n", b"r", b"t") else behind[:1]

    def _character(self, code: int, taken: int) -> tuple[int, bytes]:
        """A character by its code, combined with a low surrogate that follows it."""
        text = chr(code)
        low = bytes(self._bytes[-taken - 1 : -taken - 4 : -1])
        if 0xD800 <= code < 0xDC00 and len(low) == 3 and low[0] == 0xED and 0xB0 <= low[1] <= 0xBF:
            pair = text + low.decode("utf-8", "surrogatepass")
            return taken + 3, pair.encode("utf-16", "surrogatepass").decode("utf-16").encode()
        return taken, text.encode("utf-8", "surrogatepass")


def _hex(digits: bytes, length: int) -> int | None:
    if len(digits) != length or digits.strip(b"0123456789abcdef"):
        return None
    return int(digits, 16)


def _entity(name: bytes) -> bytes | None:
    text = name.decode("ascii", "replace")
    if text.startswith("#"):
        digits, base = (text[2:], 16) if text[1:2] == "x" else (text[1:], 10)
        try:
            code = int(digits, base)
        except ValueError:
            return None
        return chr(code).encode("utf-8", "surrogatepass") if 0 < code < 0x110000 else None
    char = _ENTITIES.get(text)
    return None if char is None else char.encode()


def _in_base64(content: bytes) -> list[bytes]:
    """The secret's Base64 (RFC 4648, 4 and 5) after 0, 1 or 2 other bytes of its group of three."""
    if len(content) < _MIN_LENGTH_IN_BASE64:
        return []
    # Without the characters that also depend on other bytes.
    return [
        encode(bytes(before) + content)[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        for encode in (b64encode, urlsafe_b64encode)
        for before in range(3)
    ]
