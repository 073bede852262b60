"""Finds other people's secrets in bodies: by the names and places they stand under, and by their look.

A gateway may list the keys of the providers behind it. What is honest under such names is left alone: numbers, flags,
placeholders, names of variables, words that describe a login.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from provider_pipeline.listing.key_looks import WELL_KNOWN, confirmed_key, looks_like_a_key
from provider_pipeline.listing.secret_encodings import Span

# In a listing, names that end like this have secret values. Not `key`, `token` or `auth`: an id, a tokenizer's token, a
# kind of login.
_NAME: Final = (
    r"(?:(?:api|secret|private|access|account|subscription|signing|encryption|master|admin|service|auth|client|license"
    r"|shared|storage|virtual|bearer)[-_ ]?key|(?:access|auth|bearer|refresh|session|security|secret|api|id|personal)"
    r"[-_ ]?token|secret|passw(?:or)?d|pwd|(?:user|db)[-_ ]?pass|passphrase|credential|authorization|(?:set-)?cookie)s?"
)
_NUMBERED: Final = rf"{_NAME}(?:[-_ ]?[0-9]{{1,3}})?"
_NAMED: Final = rf'{_NUMBERED}(?:\\*"\s*:\s*\\*["\[{{]|=[^\s"&=])'
# Here, only values that look like keys count: under weaker names, and in texts that are not JSON (`name: value`,
# <name>value, a pair of name and value, the header `Authorization`).
_WEAK_NAME: Final = r"(?:key|auth|bearer|jwt|pat|pass)(?:[-_ ]?(?:header|value|[0-9]{1,3}))?"
_ASSIGNMENT: Final = (
    rf"{_NUMBERED}(?:[-_ ]?(?:value|header|raw|plain(?:text)?|string))?(?:\\*[\"'])?\s*[:=>,]\s*"
    r"(?:\\*[\"'][A-Za-z_]{1,12}\\*[\"']\s*:\s*)?"
)
_RANDOM: Final = r"[A-Za-z0-9+/_.~-]{20,}={0,2}"
_LOOKED_AT: Final = (
    rf"(?:(?:{_ASSIGNMENT}(?:\\*[\"'])?|{_WEAK_NAME}\\*\"\s*:\s*\\*\")(?:(?:bearer|basic|token)\s+)?"
    rf"|\bbearer\s+|[?&]key=)({_RANDOM})"
)
_CONTAINER: Final = r'"(?:auth|authentication|keys?|headers?|env|environment)"\s*:\s*[\[{]'
_USER_INFO: Final = r"://([^\s\"'<>/?#@:\\]*)(?::([^\s\"'<>/?#@\\]+))?@[A-Za-z0-9\[]"

SUSPICIOUS: Final = rf"{WELL_KNOWN}|(?i:({_NAMED})|{_LOOKED_AT}|({_CONTAINER})|{_USER_INFO})"
"""RE2: where `secrets_at` may find a secret."""
GROUP_COUNT: Final = 7
"""Groups of `SUSPICIOUS`."""

_TEXT: Final = rb"[^\"\\]*+(?:\\.[^\"\\]*+)*+"
_STRING: Final = re.compile(rb'"(%b)"' % _TEXT, re.DOTALL)
_STRINGS: Final = re.compile(rb'\[\s*+(?:"%b"\s*+(?:,\s*+)?)*+\]' % _TEXT, re.DOTALL)
_ESCAPED_STRING: Final = re.compile(rb'"([^"\\]*+)\\')
_TOKEN: Final = re.compile(rb'"(%b)"|[\[\]{}]' % _TEXT, re.DOTALL)
_ASSIGNED: Final = re.compile(rb"([^\s\"'\\&,;<>]+)")
_PAGE_TOKEN_NAME: Final = re.compile(rb"page|next|cursor|continu|offset", re.IGNORECASE)
_PUBLIC_NAME: Final = re.compile(rb"public|cache|sort|hash|digest|fingerprint|last|start|after|before", re.IGNORECASE)
_MAX_NAME_DISTANCE: Final = 400
_MAX_CONTAINER: Final = 4096
_REFERENCE: Final = re.compile(
    r"(?i:(?:bearer|basic|token|key|api[- ]?key)\s+)?"
    r"(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|(?:os\.environ/|env[:./]|process\.env\.)\S+|\$\S+|%\w+%|<[^<>]+>|\{.+\})"
    r"|https?://[^\s?#@]+"
)
"""A variable's name, a placeholder, or a URL."""
_DESCRIPTIONS: Final = """
true false yes no on off none null nil undefined unknown n/a any all default auto automatic required optional mandatory
needed not-needed not-required supported unsupported enabled disabled available unavailable present missing set unset
valid invalid active inactive public private protected open closed internal external shared free paid anonymous guest
managed custom own basic bearer digest negotiate oauth oauth2 oauth2.0 openid oidc jwt saml iam sigv4 aws_sigv4 mtls
kerberos ldap header headers query cookie cookies session body form path env environment file vault prompt string str
text object array list boolean bool number integer int password pass passwd pwd passphrase secret token key api_key
api-key apikey x-api-key authorization access_token credential credentials login user username admin service
service_account service-account account hidden masked redacted
"""
_DESCRIPTIVE_WORDS: Final = frozenset(_DESCRIPTIONS.split())
"""Values that describe a key instead of being one."""


class SecretFinder:
    """Confirms the matches of `SUSPICIOUS` in one body, in order."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._container_end = 0

    def secrets_at(self, spans: Sequence[Span]) -> Iterator[Span]:
        """The spans of the secrets at a match of `SUSPICIOUS`.

        Args:
            spans: Of the whole match, then of each group; (-1, -1) for one that took no part.
        """
        whole, known, mixed, named, value, container, user, password = spans
        if known[0] >= 0:
            if not _PAGE_TOKEN_NAME.search(_name_of(self._content, known[0])):
                # A page token may be a JSON Web Token, and has to go back to the server unchanged.
                yield from confirmed_key(self._content, known, mixed=mixed[0] >= 0)
        elif named[0] >= 0:
            yield from self._named(whole[1] - 1)
        elif value[0] >= 0:
            name = _name_of(self._content, value[0])
            if not _PAGE_TOKEN_NAME.search(name) and not _PUBLIC_NAME.search(name) and self._is_key(value):
                yield value
        elif container[0] >= 0:
            yield from self._in_container(whole[1] - 1)
        elif password[0] >= 0 and _is_secret(self._content[slice(*password)]):
            yield password
        elif user[0] >= 0 and self._is_key(user):
            yield user

    def _named(self, place: int) -> Iterator[Span]:
        """The secrets in the value that begins at `place`, after the name of a secret."""
        content = self._content
        match content[place : place + 1]:
            case b'"':
                written = _ESCAPED_STRING if content[place - 1 : place] == b"\\" else _STRING
                found = written.match(content, place)
                values = [found] if found else []
            case b"[" | b"{":
                listed = _STRINGS.match(content, place)
                if not listed:
                    yield from self._in_container(place)
                values = list(_STRING.finditer(content, place, listed.end())) if listed else []
            case _:
                found = _ASSIGNED.match(content, place)
                values = [found] if found else []
        yield from (each.span(1) for each in values if _is_secret(each[1]))

    def _in_container(self, place: int) -> Iterator[Span]:
        """The texts in an object or list that look like keys: it also says, for example, where to get one."""
        if place < self._container_end:  # in one that was searched
            return
        depth, end = 0, place
        for token in _TOKEN.finditer(self._content, place, place + _MAX_CONTAINER):
            end = token.end()
            if token[1] is not None:
                if looks_like_a_key(_unescaped(token[1])) and not _PUBLIC_NAME.search(
                    _name_of(self._content, token.start(1))
                ):
                    yield token.span(1)
                continue
            depth += 1 if token[0] in (b"[", b"{") else -1
            if depth <= 0:
                break
        self._container_end = end

    def _is_key(self, span: Span) -> bool:
        return looks_like_a_key(self._content[slice(*span)].decode("utf-8", "replace"))


def _name_of(content: bytes, place: int) -> bytes:
    """The name of the JSON member whose string contains this place, or an empty one."""
    begin = max(0, place - _MAX_NAME_DISTANCE)
    value = content.rfind(b'"', begin, place)
    end = content.rfind(b'"', begin, max(begin, value))
    start = content.rfind(b'"', begin, max(begin, end))
    return content[start + 1 : end] if start >= 0 and content[end + 1 : value].strip() == b":" else b""


def _is_secret(written: bytes) -> bool:
    text = _unescaped(written).strip()
    return bool(text) and text.lower().replace(" ", "-") not in _DESCRIPTIVE_WORDS and not _REFERENCE.fullmatch(text)


def _unescaped(written: bytes) -> str:
    try:
        return str(json.loads(b'"' + written + b'"', strict=False))
    except ValueError:
        return written.decode("utf-8", "replace")
