"""The ways in which one text can be written: plain, escaped as in JSON, quoted as in URLs, in Base64.

Here: finding a secret in whatever a server echoes. Not here: which secrets, and what replaces them (`redaction`). The
concept: a key that comes back with its slashes escaped or quoted is the key again as soon as somebody reads it.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

_SHORT: Final = {char: f"\\{sign}" for char, sign in zip('"\\/\b\f\n\r\t', '"\\/bfnrt', strict=True)} | {" ": "+"}
_SHORTEST_IN_BASE64: Final = 8


@dataclass(frozen=True)
class Spellings:
    """One secret in all its spellings."""

    _plain: bytes = field(repr=False)
    _escaped: re.Pattern[bytes] = field(repr=False)
    _in_base64: re.Pattern[bytes] | None = field(repr=False)
    _any: re.Pattern[str] = field(repr=False)
    _base64_runs: tuple[bytes, ...] = field(repr=False)
    _escapes: Mapping[bytes, tuple[bytes, ...]] = field(repr=False)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, secret: str) -> Self:
        """The spellings of a secret."""
        characters = {char: _escapes(char) for char in secret}
        # An escape comes first: it may begin with the very character that it stands for.
        escaped = "".join(f"(?:(?i:{'|'.join(map(re.escape, characters[char]))})|{re.escape(char)})" for char in secret)
        spelt_in_base64 = _in_base64(secret)
        in_base64 = "|".join(_with_either_sign(each) for each in spelt_in_base64)
        return cls(
            _plain=secret.encode(),
            _escaped=re.compile(escaped.encode()),
            _in_base64=re.compile(in_base64.encode()) if in_base64 else None,
            _any=re.compile("|".join(filter(None, (escaped, in_base64))), re.IGNORECASE),
            _base64_runs=tuple(max(re.split("[+/]", each), key=len).encode() for each in spelt_in_base64),
            _escapes=_by_lead({escape for escapes in characters.values() for escape in escapes}),
        )

    def replaced(self, text: str, mask: str) -> str:
        """A text with the mask for the secret, in capitals or not."""
        return self._any.sub(mask, text)

    def replaced_in_body(self, content: bytes, mask: bytes) -> bytes:
        """The same for UTF-8, which may be long, and in which most often no character of the secret is escaped."""
        if self._may_be_escaped(content):
            content = self._escaped.sub(mask, content)
        else:
            content = content.replace(self._plain, mask)
        if self._in_base64 is not None and any(run in content for run in self._base64_runs):
            content = self._in_base64.sub(mask, content)
        return content

    def _may_be_escaped(self, content: bytes) -> bool:
        """Whether an escape of one of the secret's characters begins anywhere."""
        if not any(lead in content for lead in self._escapes):
            return False
        small = content.lower()
        return any(after.startswith(rest) for lead, rest in self._escapes.items() for after in small.split(lead)[1:])


def _escapes(char: str) -> list[str]:
    in_json = "".join(f"\\u{unit:04x}" for unit in memoryview(char.encode("utf-16-le")).cast("H"))
    in_urls = "".join(f"%{byte:02x}" for byte in char.encode())
    return [in_json, in_urls, *([_SHORT[char]] if char in _SHORT else [])]


def _by_lead(escapes: Iterable[str]) -> dict[bytes, tuple[bytes, ...]]:
    """What a content must hold if it holds one of these escapes, as most do not, and the next two characters."""
    found: dict[bytes, set[bytes]] = {}
    for escape in escapes:
        length = 4 if escape.startswith("\\u00") else 2 if escape.startswith("\\") else 1
        found.setdefault(escape[:length].encode(), set()).add(escape[length : length + 2].encode())
    return {lead: tuple(following) for lead, following in found.items()}


def _in_base64(secret: str) -> list[str]:
    """What a secret looks like inside Base64, after 0, 1 or 2 other bytes of its group of three."""
    content = secret.encode()
    if len(content) < _SHORTEST_IN_BASE64:
        return []
    # Characters that other bytes have a part in are left out.
    return [
        b64encode(bytes(before) + content).decode()[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        for before in range(3)
    ]


def _with_either_sign(text: str) -> str:
    """A pattern for Base64 as in RFC 4648, 4 and 5."""
    return re.sub("[+/]", lambda sign: "[+-]" if sign[0] == "+" else "[/_]", text)
