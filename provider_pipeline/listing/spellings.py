"""The ways in which one text can be written: percent-encoded, escaped as in JSON or HTML, in Base64, however often.

Here: finding a secret in whatever a server echoes. Not here: which secrets, and what replaces them (`redaction`). The
concept: text and secret are both decoded until there is nothing left to decode, and compared then; each decoded byte
knows where it came from, so what is masked is what the server wrote.
"""

import html.entities
import re
from array import array
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from provider_pipeline.errors import ListingUnreadableError

Span = tuple[int, int]

MOST_PLACES: Final = 100_000
"""In one body: places that are looked at more closely, and escapes around them."""
_LETTER: Final = "(?:3[0-9]|[46][1-9a-f]|[57][0-9a])"
HIDDEN: Final = (
    rf"%(?:25)*{_LETTER}|\\u00{_LETTER}|&(?:amp;)*#(?:x0*{_LETTER}"
    r"|0*(?:4[89]|5[0-7]|6[5-9]|[78][0-9]|9[07-9]|1[01][0-9]|12[0-2]))"
)
"""RE2, in capitals or not: a letter or digit written as an escape, which nobody does who has nothing to hide."""

_FOLDED: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+\b\t\n\r\f\v", b"abcdefghijklmnopqrstuvwxyz" + 7 * b" ")
LEAST_PART: Final = 8
"""So many characters of a secret's beginning or end are as bad as all of it."""
_SHORTEST: Final = 4
_SHORTEST_IN_BASE64: Final = 8
_NEVER_ESCAPED: Final = re.compile(rb"[0-9a-z]{6,}")
_SELDOM_ESCAPED: Final = re.compile(rb"[0-9a-z._-]{4,}")
_LONGEST_RUN: Final = 24
_ESCAPE: Final = re.compile(rb"[%\\&]")
_LONGEST_ENTITY: Final = 32
_ENTITIES: Final = {name.rstrip(";").lower(): char for name, char in html.entities.html5.items() if len(char) == 1}


@dataclass(frozen=True)
class Spelling:
    """A secret, or its Base64, as it is compared.

    Attributes:
        decoded: Without escapes, in small letters.
        is_base64: Whether it is the Base64.
    """

    decoded: bytes = field(repr=False)
    is_base64: bool


@dataclass(frozen=True)
class Spellings:
    """One secret in all its spellings.

    Attributes:
        written: As it stands, in UTF-8.
        decoded: As it is compared.
        runs: Texts of which one is in every body that holds it, unless letters of it are escaped; in small letters. No
            encoder touches letters and digits, and hardly any `-._`: these are the longest runs of them that there
            are, and an empty one, which is in every body, where there is none.
        tips: The first and the last characters of what is compared, of which one is in whatever holds enough of it.
    """

    written: bytes = field(repr=False)
    decoded: tuple[Spelling, ...] = field(repr=False)
    runs: frozenset[bytes] = field(repr=False)
    tips: frozenset[bytes] = field(repr=False)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, secret: str) -> Self:
        """The spellings of a secret."""
        written = secret.encode("utf-8", "surrogatepass")
        in_base64 = dict.fromkeys(Spelling(_decoded(text).content, True) for text in _in_base64(written))
        # A backslash counts only with what is behind it.
        plain = Spelling(_decoded(written).content.rstrip(b"\\"), False)
        decoded = tuple(each for each in (plain, *in_base64) if len(each.decoded) >= _SHORTEST)
        runs = frozenset(run for each in decoded for run in _telling_runs(each))
        tips = frozenset(tip for each in decoded for tip in (each.decoded[:LEAST_PART], each.decoded[-LEAST_PART:]))
        return cls(written, decoded, runs, tips)


def spans_in_text(text: bytes, secrets: Sequence[Spellings], *, parts: bool) -> list[Span]:
    """Where a short text holds a secret.

    Args:
        text: In UTF-8.
        secrets: The secrets.
        parts: Whether the beginning of a secret, or its end, counts as well, from 8 characters on.
    """

    def enough(spelling: Spelling) -> int:
        length = len(spelling.decoded)
        return min(length, LEAST_PART) if parts else length

    return _spans(_decoded(text), secrets, enough)


def spans_in_body(content: bytes, secrets: Sequence[Spellings], places: Iterable[Span]) -> list[Span]:
    """Where a body, which may be long, holds a secret or most of one.

    Args:
        content: In UTF-8.
        secrets: The secrets.
        places: Where one of their `runs` is, or a letter is written as an escape (`HIDDEN`).

    Raises:
        ListingUnreadableError: It would take too long to tell.
    """
    reach = 8 * max((len(each.decoded) for secret in secrets for each in secret.decoded), default=0) + 64
    near = [(max(0, start - reach), end + reach) for start, end in places] if secrets else []
    if any(b"" in secret.runs for secret in secrets):
        near = [(0, len(content))]
    found: list[Span] = []
    escapes = 0
    for start, end in merged(near):
        part = content[start:end]
        escapes += sum(map(part.count, (b"%", b"\\", b"&")))
        if escapes > MOST_PLACES:
            raise too_much_to_mask()
        found += [(start + first, start + last) for first, last in _spans(_decoded(part), secrets, _most_of)]
    return found


def too_much_to_mask() -> ListingUnreadableError:
    """The error of a body that holds so much of what may be a secret that looking through it would take too long."""
    return ListingUnreadableError(
        f"answered with more than {MOST_PLACES:,} texts that may be secrets, or letters hidden in escapes",
        hint="nobody sends that by accident: ask the provider why",
    )


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order; those that overlap or touch as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _most_of(spelling: Spelling) -> int:
    # Less could be a part of a model's name, if somebody has chosen a key like one.
    length = len(spelling.decoded)
    return length if spelling.is_base64 else min(length, max(LEAST_PART, min(16, length * 3 // 4)))


def _telling_runs(spelling: Spelling) -> Iterator[bytes]:
    length = _most_of(spelling)
    for part in (spelling.decoded[:length], spelling.decoded[-length:]):
        runs = _NEVER_ESCAPED.findall(part) or _SELDOM_ESCAPED.findall(part)
        yield max(runs, key=len, default=b"")[:_LONGEST_RUN]


def _places(content: bytes, run: bytes) -> Iterator[int]:
    place = content.find(run) if run else -1
    while place >= 0:
        yield place
        place = content.find(run, place + len(run))


def _spans(decoded: "_Decoded", secrets: Sequence[Spellings], least: Callable[[Spelling], int]) -> list[Span]:
    found = [
        decoded.source(start, end)
        for secret in secrets
        if any(tip in decoded.content for tip in secret.tips)
        for spelling in secret.decoded
        for start, end in _shared_runs(decoded.content, spelling.decoded, least(spelling))
    ]
    # As it stands, too: with what is behind it, its last character may look like the beginning of an escape.
    found += [
        (place, place + len(secret.written))
        for secret in secrets
        for place in _places(decoded.original, secret.written)
    ]
    return merged(found)


def _shared_runs(content: bytes, secret: bytes, least: int) -> Iterator[Span]:
    """Where the content has at least so much of the secret's beginning, or of its end."""
    place = content.find(secret[:least])
    while place >= 0:
        length = least
        while length < len(secret) and content[place + length : place + length + 1] == secret[length : length + 1]:
            length += 1
        yield place, place + length
        place = content.find(secret[:least], place + length)
    place = content.find(secret[-least:])
    while place >= 0:
        end, length = place + least, least
        while length < len(secret) and end > length and content[end - length - 1] == secret[-length - 1]:
            length += 1
        yield end - length, end
        place = content.find(secret[-least:], end)


@dataclass
class _Decoded:
    """A text without its escapes, and where each byte of it came from."""

    content: bytes
    starts: Sequence[int]
    ends: Sequence[int]
    original: bytes

    def source(self, start: int, end: int) -> Span:
        """What a part was decoded from; whole characters of it."""
        first, last = self.starts[start], self.ends[end - 1]
        while first > 0 and self.original[first] & 0xC0 == 0x80:
            first -= 1
        while last < len(self.original) and self.original[last] & 0xC0 == 0x80:
            last += 1
        return first, last


def _decoded(text: bytes) -> _Decoded:
    """The text decoded until nothing is left to decode, in small letters."""
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
    """Decodes a text from its end: what an escape stands for is known once all behind it is decoded.

    So an escape of an escape needs no second pass, however deep. All lists are in reverse order.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._starts = array("q")
        self._ends = array("q")

    def put(self, piece: bytes, start: int) -> None:
        """Puts plain text before what there is."""
        end = start + len(piece)
        self._bytes += piece[::-1]
        self._starts.extend(range(end - 1, start - 1, -1))
        self._ends.extend(range(end, start, -1))

    def put_escape(self, byte: int, start: int, end: int) -> None:
        """Puts a character that may begin an escape; so may what that stands for."""
        while byte != 0x5C or self._bytes:
            taken, text = self._begins(byte)
            if not taken:
                break
            end = self._ends[-taken]
            del self._bytes[-taken:], self._starts[-taken:], self._ends[-taken:]
            text = text.translate(_FOLDED)
            for each in reversed(text[1:]):
                self._put(each, start, end)
            byte = text[0]
            if byte not in b"%\\&":
                break
        self._put(byte, start, end)

    def whole(self, original: bytes) -> _Decoded:
        """The decoded text."""
        return _Decoded(bytes(self._bytes[::-1]), self._starts[::-1], self._ends[::-1], original)

    def _put(self, byte: int, start: int, end: int) -> None:
        self._bytes.append(byte)
        self._starts.append(start)
        self._ends.append(end)

    def _begins(self, byte: int) -> tuple[int, bytes]:
        """How many bytes behind this one belong to its escape, 0 if it begins none; and what that stands for."""
        behind = bytes(self._bytes[: -_LONGEST_ENTITY - 1 : -1])
        if byte == 0x26:
            name, semicolon, _ = behind.partition(b";")
            text = _entity(name) if semicolon else None
            return (0, b"") if text is None else (len(name) + 1, text)
        if behind[:1] == b"u" and (code := _hex(behind[1:5], 4)) is not None:
            return self._character(code, 5)
        if byte == 0x25:
            code = _hex(behind[:2], 2)
            return (0, b"") if code is None else (2, bytes((code,)))
        if behind[:1] == b"x" and (code := _hex(behind[1:3], 2)) is not None:
            return 3, bytes((code,))
        # Of any other character it says that this is meant as it stands, as one more backslash says of a backslash.
        return 1, b" " if behind[:1] in (b"b", b"f", b"n", b"r", b"t") else behind[:1]

    def _character(self, code: int, taken: int) -> tuple[int, bytes]:
        """A character by its number, with the other half of a surrogate pair if that is behind its escape."""
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
    """What a secret looks like inside Base64 (RFC 4648, 4 and 5), after 0, 1 or 2 other bytes of its group of three."""
    if len(content) < _SHORTEST_IN_BASE64:
        return []
    # Characters that other bytes have a part in are left out.
    return [
        encode(bytes(before) + content)[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        for encode in (b64encode, urlsafe_b64encode)
        for before in range(3)
    ]
