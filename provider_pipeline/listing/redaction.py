"""Recognises secrets by their names and looks, and masks them in texts, bodies, URLs and the HTTP library's log.

The forms of well-known keys are in `data/key_patterns.toml`; how a secret may be encoded is in `secret_encodings`.
"""

import json
import logging
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import re2

from provider_pipeline.listing.secret_encodings import (
    ESCAPED_LETTER,
    MAX_SUSPICIONS,
    EncodedSecret,
    Span,
    merged,
    spans_in_body,
    spans_in_text,
    too_many_suspicions,
)

_SENSITIVE_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?key$|(?:^|-)token$|(?:access|auth|id|refresh|api)[-_]?token$"
    r"|secret|passw|credential|signature$|^sig$|(?:^|[-_])(?:auth|bearer|jwt|pat)$|authorization|cookie",
    re.IGNORECASE,
)
_SENSITIVE_VARIABLE: Final = re.compile(
    r"(?:^|_)(?:[A-Z]*KEYS?|[A-Z]*TOKENS?|PAT|PWD|PASS|DSN|JWT|COOKIES?|AUTH|BEARER)$"
    r"|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|CONNECTION_STRING|(?:DATABASE|DB|REDIS|MONGO\w*|AMQP|BROKER)_UR[IL]",
    re.IGNORECASE,
)
_OWN_PREFIXES: Final = ("PROVIDER_PIPELINE_", "DAGSTER_")
# Values under these names are ids, which may be as random as a key: `OpenAI-Organization: org-...`.
_IDENTIFYING_NAME: Final = re.compile(
    r"(?:^|[-_])(?:ids?|org|organi[sz]ation|project|account|tenant|team|workspace|customer|user|app|name|version)$",
    re.IGNORECASE,
)
# Boundaries on both sides, because 64 hexadecimal digits do not contain a UUID.
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}(-?)(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}(?![0-9A-Za-z])", re.IGNORECASE
)
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{40,}(?![0-9A-Za-z])", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_.~-]+")
# Not from upper to lower case, because words begin so.
_CHANGES: Final = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
# Twelve letters and digits, both among them.
_RUN: Final = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{12,}")
MIN_KEY_LENGTH: Final = 16
"""Characters of the shortest text that may be a key: no well-known form is shorter."""
_MIN_RANDOM_LENGTH: Final = 20
_RANDOM_CHANGES: Final = 0.28
"""Changes of kind per character: 0.44 in random letters and digits, 0.2 in joined words and versions."""
_PREFIXED_CHANGES: Final = 0.2
_MIN_ENTROPY: Final = 3.0
"""Bits per character; placeholders such as `xxxx` have fewer."""


def _well_known() -> str:
    text = (resources.files(__package__) / "data" / "key_patterns.toml").read_text(encoding="utf-8")
    patterns = tomllib.loads(text)["pattern"]
    sure = "|".join(each["regex"] for each in patterns if not each.get("mixed"))
    mixed = "|".join(each["regex"] for each in patterns if each.get("mixed"))
    return rf"(?:\b|_)({sure}|({mixed}))"


def _bytes_options() -> Any:
    """RE2 options to match raw bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


_WELL_KNOWN: Final = _well_known()
"""RE2: candidates for well-known keys, for `_confirmed_key`. Group 1 is the key, group 2 is set if `mixed`."""
_WELL_KNOWN_KEY: Final = re2.compile(_WELL_KNOWN.encode(), _bytes_options())


def is_sensitive_name(name: str) -> bool:
    """Whether a parameter or header of this name usually carries a secret (`key`, `api_key`, `access_token`, ...)."""
    return _SENSITIVE_NAME.search(name) is not None


def is_our_variable(name: str) -> bool:
    """Whether an environment variable belongs to this product or to Dagster, and so holds no provider's key."""
    return name.upper().startswith(_OWN_PREFIXES)


def is_sensitive_variable(name: str) -> bool:
    """Whether an environment variable of this name usually holds a secret (`ACME_KEY`, `HF_TOKEN`, `DATABASE_URL`)."""
    return _SENSITIVE_VARIABLE.search(name) is not None


def looks_like_a_key(text: str, *, name: str = "") -> bool:
    """Whether a text contains a key: of a well-known form, or random text unlike a name, version or date.

    A UUID, with hyphens or without, does not count: projects, accounts and tenants have UUIDs too. If `name`, of the
    header or parameter, is that of an id, only well-known forms count.
    """
    if len(text) < MIN_KEY_LENGTH:
        return False
    if holds_well_known_key(text):
        return True
    if _IDENTIFYING_NAME.search(name):
        return False
    return _HEX.search(text) is not None or any(map(_is_random, _WORD.findall(_UUID.sub(" ", text))))


def holds_well_known_key(text: str) -> bool:
    """Whether a text contains a key of a well-known form."""
    return next(_well_known_keys(text.encode("utf-8", "replace")), None) is not None


def _well_known_keys(text: bytes) -> Iterator[Span]:
    """The spans of keys of well-known forms, such as `ghp_...`."""
    for match in _WELL_KNOWN_KEY.finditer(text):
        yield from _confirmed_key(text, match.span(1), mixed=match[2] is not None)


def _confirmed_key(text: bytes, span: Span, *, mixed: bool) -> Iterator[Span]:
    """The span of a match of `_WELL_KNOWN`, unless it is a placeholder or an ordinary word with the same prefix."""
    start, end = span
    key = text[start:end].decode("latin-1")
    if key.startswith("BEGIN"):
        last = text.find(b"-----END", end)
        end = text.find(b"-----", last + 8) + 5 if last >= 0 else len(text)
        yield max(0, start - 5), end
    elif len(set(key)) >= 2**_MIN_ENTROPY and (not mixed or _is_mixed(key)):
        yield start, end


def _is_random(word: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return (
        all(any(map(kind, word)) for kind in kinds)
        and sum(map(str.isalnum, word)) >= _MIN_RANDOM_LENGTH
        and _mixes(word, _RANDOM_CHANGES)
        and _entropy(word) >= _MIN_ENTROPY
    )


def _is_mixed(key: str) -> bool:
    return _mixes(key, _PREFIXED_CHANGES) or _RUN.search(key) is not None


def _mixes(word: str, changes: float) -> bool:
    return len(_CHANGES.findall(word)) >= changes * sum(map(str.isalnum, word))


def _entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


# In a listing, names that end like this have secret values. Not `key`, `token` or `auth`: an id, a tokenizer's token, a
# kind of login.
_KEY_NAME: Final = (
    r"(?:(?:api|secret|private|access|account|subscription|signing|encryption|master|admin|service|auth|client|license"
    r"|shared|storage|virtual|bearer)[-_ ]?key|(?:access|auth|bearer|refresh|session|security|secret|api|id|personal)"
    r"[-_ ]?token|secret|passw(?:or)?d|passphrase|credential|authorization)s?"
)
_NAMED_SECRET: Final = rf'(?i:{_KEY_NAME}(?:\\*"\s*:\s*\\*["\[{{]|=[^\s"&=]))'
"""RE2: the name of a secret, up to the first character of its value; quotes may be escaped, as in JSON inside JSON."""
_TEXT: Final = rb"[^\"\\]*+(?:\\.[^\"\\]*+)*+"
_STRING: Final = re.compile(rb'"(%b)"' % _TEXT, re.DOTALL)
_STRINGS: Final = re.compile(rb'\[\s*+(?:"%b"\s*+(?:,\s*+)?)*+\]' % _TEXT, re.DOTALL)
_ESCAPED_STRING: Final = re.compile(rb'"([^"\\]*+)\\')
_FLAT_OBJECT: Final = re.compile(rb"\{[^{}]{0,4096}\}")
_MEMBER: Final = re.compile(rb':\s*+"(%b)"' % _TEXT, re.DOTALL)
_ASSIGNED: Final = re.compile(rb"([^\s\"'\\&,;<>]+)")
_PAGE_TOKEN_NAME: Final = re.compile(rb"page|next|cursor|continu|offset", re.IGNORECASE)
_MAX_NAME_DISTANCE: Final = 400
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
kerberos ldap header headers query cookie body form path env environment file vault prompt string str text object array
list boolean bool number integer int password passphrase secret token key api_key api-key apikey x-api-key authorization
access_token credential credentials login user username admin service service_account service-account account hidden
masked redacted
"""
_DESCRIPTIVE_WORDS: Final = frozenset(_DESCRIPTIONS.split())
"""Values that describe a key instead of being one."""


def _named_secrets(content: bytes, place: int) -> Iterator[Span]:
    """The spans of the secrets in the value, beginning at `place`, after a match of `_NAMED_SECRET`.

    Honest values are left alone: numbers, flags, placeholders, names of variables, words that describe a login.
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
            # Such an object also says, for example, where to get a key, so only values that look like keys count.
            flat = _FLAT_OBJECT.match(content, place)
            members = _MEMBER.finditer(content, place, flat.end()) if flat else ()
            values = [each for each in members if looks_like_a_key(_unescaped(each[1]))]
        case _:
            found = _ASSIGNED.match(content, place)
            values = [found] if found else []
    yield from (each.span(1) for each in values if _is_secret(each[1]))


def _well_known_secrets(content: bytes, span: Span, *, mixed: bool) -> Iterator[Span]:
    """The span of a match of `_WELL_KNOWN`, if it is a key and not the next page's token."""
    # A page token may be a JSON Web Token, and has to go back to the server unchanged.
    if not _PAGE_TOKEN_NAME.search(_name_of(content, span[0])):
        yield from _confirmed_key(content, span, mixed=mixed)


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


MASK: Final = "***"

Redactor = Callable[[str], str]
"""Redacts a text of the server's. Apply it before cutting the text: half a secret would no longer be recognised."""

_MIN_LENGTH_IN_BODY: Final = 8
_ADDRESS: Final = re.compile(r"\b(https?://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_QUERY: Final = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Mask every secret in a text of ours, however it is encoded."""
    return _redacted(text, secrets, parts=False)


def redact_quote(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask secrets, parts of them and other people's keys in a text of the server's, and cut the queries off its URLs.

    Servers quote a refused key in part, and the URL of a login page quotes the requested one, key included.
    """
    found = _redacted(text, secrets, parts=True)
    content = found.encode("utf-8", "surrogatepass")
    found = _masked(content, list(_well_known_keys(content))).decode("utf-8", "surrogatepass")
    return _QUERY.sub("", _ADDRESS.sub(r"\1", found))


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """Mask our secrets in a body, such as the key in a `next` URL, and other people's keys.

    Secrets of fewer than 8 characters are left alone: they could be part of a model's name.

    Args:
        content: Text in any of the encodings of JSON.
        secrets: What to mask.

    Raises:
        ListingUnreadableError: It has too many suspicious places to examine.
    """
    long = [EncodedSecret.of(secret) for secret in secrets if len(secret) >= _MIN_LENGTH_IN_BODY]
    encoding = json.detect_encoding(content)
    if encoding.startswith("utf-8"):
        return _redacted_body(content, long)
    try:
        text = content.decode(encoding)
        return (
            _redacted_body(text.encode("utf-8", "surrogatepass"), long)
            .decode("utf-8", "surrogatepass")
            .encode(encoding)
        )
    except UnicodeError:
        # The parser refuses what is not text.
        return content


def redact_document(document: Any) -> Any:
    """Mask the keys in a JSON document that was not fetched, such as a sample from a file.

    Raises:
        ListingUnreadableError: See `redact_body`.
    """
    return json.loads(redact_body(json.dumps(document).encode(), ()))


def redacted_url(url: str, secrets: Iterable[str] = ()) -> str:
    """A URL of ours without user info, the values of sensitive parameters, and the given secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(one_line(url), secrets)
    netloc = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    query = "&".join(_redacted_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return redact(one_line(urlunsplit((parts.scheme, netloc, parts.path, query, "")), limit=500), secrets)


def named_url(url: str, secrets: Iterable[str] = ()) -> str:
    """Scheme, host and path of a URL that the server named, redacted like any text of the server's."""
    try:
        parts = urlsplit(url)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        bare = re.split("[?#]", url, maxsplit=1)[0]
    return one_line(redact_quote(bare, secrets), limit=500)


def one_line(text: str, limit: int = 200) -> str:
    """A text from outside as one printable line of bounded length."""
    text = text[: 4 * limit]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


class _WithoutQueries(logging.Filter):
    """Cuts the query, which may hold a key, off every URL in a log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"\?[^\s\"')]+", f"?{MASK}", value) if isinstance(value, str) else value for value in record.args
            )
        return True


_LOG_FILTER: Final = _WithoutQueries()


def quiet_url_logging() -> None:
    """Make urllib3 log URLs without their queries, in this process; idempotent."""
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_LOG_FILTER)


def _redacted(text: str, secrets: Iterable[str], *, parts: bool) -> str:
    known = [EncodedSecret.of(secret) for secret in secrets if secret]
    if not known:
        return text
    content = text.encode("utf-8", "surrogatepass")
    return _masked(content, spans_in_text(content, known, parts=parts)).decode("utf-8", "surrogatepass")


def _redacted_body(content: bytes, secrets: Sequence[EncodedSecret]) -> bytes:
    # For most bodies, this one pass is all.
    runs = frozenset().union(*(secret.runs for secret in secrets))
    places: list[Span] = []
    found: list[Span] = []
    for match in islice(_suspicions(runs).finditer(content), MAX_SUSPICIONS + 1):
        places.append(match.span())
        if match[3] is not None:
            found += _named_secrets(content, match.end() - 1)
        elif match[1] is not None:
            found += _well_known_secrets(content, match.span(1), mixed=match[2] is not None)
    if len(places) > MAX_SUSPICIONS:
        raise too_many_suspicions()
    if secrets:
        found += spans_in_body(content, secrets, places)
    return _masked(content, found)


@lru_cache(maxsize=64)
def _suspicions(runs: frozenset[bytes]) -> Any:
    """Necessary condition for a secret in a body: one of these matches."""
    ours = [re.escape(run.decode("latin-1")) for run in sorted(runs) if run]
    pattern = f"{_WELL_KNOWN}|({_NAMED_SECRET})|(?i:{'|'.join((ESCAPED_LETTER, *ours))})"
    return re2.compile(pattern.encode("latin-1"), _bytes_options())


def _masked(content: bytes, spans: Sequence[Span]) -> bytes:
    if not spans:
        return content
    parts, done = [], 0
    for start, end in merged(spans):
        parts += [content[done:start], MASK.encode()]
        done = end
    return b"".join((*parts, content[done:]))


def _redacted_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and is_sensitive_name(name) else pair
