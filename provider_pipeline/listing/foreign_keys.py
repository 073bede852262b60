"""Finds other people's keys in a listing, by name and look together.

Honest fields stay: numbers, flags, names of environment variables, words for a kind of login, `key` as an id, tokens of
a tokenizer or of the next page.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from provider_pipeline.listing.key_look import confirmed_key, looks_like_a_key
from provider_pipeline.listing.secret_encodings import Span

# Ends of names whose values are secrets. Not `key`, `token`, `auth`: many listings use these for other things.
_NAME: Final = (
    r"(?:(?:api|secret|private|access|account|subscription|signing|encryption|master|admin|service|auth|client|license"
    r"|shared|storage|virtual|bearer)[-_ ]?key|(?:access|auth|bearer|refresh|session|security|secret|api|id|personal)"
    r"[-_ ]?token|secret|passw(?:or)?d|passphrase|credential|authorization)s?"
)
NAMED: Final = rf'(?i:{_NAME}(?:\\*"\s*:\s*\\*["\[{{]|=[^\s"&=]))'
"""RE2: the name of a secret up to its value's first character; quotes may be escaped, as in JSON inside JSON."""
_TEXT: Final = rb"[^\"\\]*+(?:\\.[^\"\\]*+)*+"
_STRING: Final = re.compile(rb'"(%b)"' % _TEXT, re.DOTALL)
_STRINGS: Final = re.compile(rb'\[\s*+(?:"%b"\s*+(?:,\s*+)?)*+\]' % _TEXT, re.DOTALL)
_ESCAPED_STRING: Final = re.compile(rb'"([^"\\]*+)\\')
_FLAT_OBJECT: Final = re.compile(rb"\{[^{}]{0,4096}\}")
_MEMBER: Final = re.compile(rb':\s*+"(%b)"' % _TEXT, re.DOTALL)
_ASSIGNED: Final = re.compile(rb"([^\s\"'\\&,;<>]+)")
_PLACE_IN_LISTING: Final = re.compile(rb"page|next|cursor|continu|offset", re.IGNORECASE)
_BEFORE: Final = 400
_NO_SECRET: Final = re.compile(
    r"(?i:(?:bearer|basic|token|key|api[- ]?key)\s+)?"
    r"(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|(?:os\.environ/|env[:./]|process\.env\.)\S+|\$\S+|%\w+%|<[^<>]+>|\{.+\})"
    r"|https?://[^\s?#@]+"
)
"""A variable's name, a placeholder, or an address."""
_TOLD: Final = """
true false yes no on off none null nil undefined unknown n/a any all default auto automatic required optional mandatory
needed not-needed not-required supported unsupported enabled disabled available unavailable present missing set unset
valid invalid active inactive public private protected open closed internal external shared free paid anonymous guest
managed custom own basic bearer digest negotiate oauth oauth2 oauth2.0 openid oidc jwt saml iam sigv4 aws_sigv4 mtls
kerberos ldap header headers query cookie body form path env environment file vault prompt string str text object array
list boolean bool number integer int password passphrase secret token key api_key api-key apikey x-api-key authorization
access_token credential credentials login user username admin service service_account service-account account hidden
masked redacted
"""
_WORDS: Final = frozenset(_TOLD.split())
"""Values that describe a key instead of being one."""


def named_secrets(content: bytes, place: int) -> Iterator[Span]:
    """The secrets in the value after a match of `NAMED`.

    Args:
        content: JSON in UTF-8, or any text.
        place: Where the value begins.
    """
    match content[place : place + 1]:
        case b'"':
            written = _ESCAPED_STRING if content[place - 1 : place] == b"\\" else _STRING
            found = written.match(content, place)
            values = [found] if found else []
        case b"[":
            listed = _STRINGS.match(content, place)
            values = list(_STRING.finditer(content, place, listed.end())) if listed else []
        case b"{":
            # An object around the key also says, for example, where to get one; so here the look decides.
            flat = _FLAT_OBJECT.match(content, place)
            members = _MEMBER.finditer(content, place, flat.end()) if flat else ()
            values = [each for each in members if looks_like_a_key(_text(each[1]))]
        case _:
            found = _ASSIGNED.match(content, place)
            values = [found] if found else []
    yield from (each.span(1) for each in values if _is_secret(each[1]))


def well_known_secrets(content: bytes, span: Span, *, mixed: bool) -> Iterator[Span]:
    """A match of `WELL_KNOWN`, if it is a key and not the next page's token."""
    # A page token may be a JSON Web Token, and the server needs it unchanged.
    if not _PLACE_IN_LISTING.search(_name_of(content, span[0])):
        yield from confirmed_key(content, span, mixed=mixed)


def _name_of(content: bytes, place: int) -> bytes:
    """The name of the JSON member whose string contains this place, or nothing."""
    begin = max(0, place - _BEFORE)
    value = content.rfind(b'"', begin, place)
    end = content.rfind(b'"', begin, max(begin, value))
    start = content.rfind(b'"', begin, max(begin, end))
    return content[start + 1 : end] if start >= 0 and content[end + 1 : value].strip() == b":" else b""


def _is_secret(written: bytes) -> bool:
    text = _text(written).strip()
    return bool(text) and text.lower().replace(" ", "-") not in _WORDS and not _NO_SECRET.fullmatch(text)


def _text(written: bytes) -> str:
    try:
        return str(json.loads(b'"' + written + b'"', strict=False))
    except ValueError:
        return written.decode("utf-8", "replace")
