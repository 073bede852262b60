"""Masks secrets in texts, bodies and URLs, and keeps queries out of the HTTP library's log.

`spellings` finds our secrets, `foreign_keys` other people's.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import re2

from provider_pipeline.listing.foreign_keys import NAMED, named_secrets, well_known_secrets
from provider_pipeline.listing.key_look import WELL_KNOWN, bytes_options, is_sensitive_name, well_known_keys
from provider_pipeline.listing.secret_encodings import (
    HIDDEN,
    MAX_PLACES,
    Span,
    Spellings,
    merged,
    spans_in_body,
    spans_in_text,
    too_much_to_mask,
)

MASK: Final = "***"

Said = Callable[[str], str]
"""Redacts a text of the server's, before it is cut to a line: half a secret would no longer be recognised."""

_SHORTEST_IN_BODY: Final = 8
_ADDRESS: Final = re.compile(r"\b(https?://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_QUERY: Final = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text of ours by `***`, however it is encoded."""
    return _redacted(text, secrets, parts=False)


def redact_quote(text: str, secrets: Iterable[str] = ()) -> str:
    """A text of the server's without our secrets, parts of them, other people's keys, and the queries of addresses.

    Servers quote a refused key in part, and a login page's address quotes the one that was asked for, key included.
    """
    found = _redacted(text, secrets, parts=True)
    content = found.encode("utf-8", "surrogatepass")
    found = _masked(content, well_known_keys(content)).decode("utf-8", "surrogatepass")
    return _QUERY.sub("", _ADDRESS.sub(r"\1", found))


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """Replace our secrets in a body, such as the key in a `next` URL, and other people's keys.

    Secrets of fewer than 8 characters are left alone: they could be part of a model's name.

    Args:
        content: Text in any of the encodings of JSON.
        secrets: What to replace.

    Raises:
        ListingUnreadableError: It has too many suspicious places to examine.
    """
    long = [Spellings.of(secret) for secret in secrets if len(secret) >= _SHORTEST_IN_BODY]
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
        # Not text, so not JSON, which is for the parser to say.
        return content


def redact_document(document: Any) -> Any:
    """A JSON document that was not fetched, such as a sample from a file, without keys.

    Raises:
        ListingUnreadableError: See `redact_body`.
    """
    return json.loads(redact_body(json.dumps(document).encode(), ()))


def redacted_url(url: str, secrets: Iterable[str] = ()) -> str:
    """A URL of ours without user info, the values of parameters that usually are secret, and the given secrets."""
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
    """Cuts the query off every URL the HTTP library logs: it may hold a key, and the library logs it as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"\?[^\s\"')]+", f"?{MASK}", value) if isinstance(value, str) else value for value in record.args
            )
        return True


_LOG_FILTER: Final = _WithoutQueries()


def quiet_url_logging() -> None:
    """Make urllib3 log URLs without their queries, in this process; calling it again changes nothing."""
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_LOG_FILTER)


def _redacted(text: str, secrets: Iterable[str], *, parts: bool) -> str:
    known = [Spellings.of(secret) for secret in secrets if secret]
    if not known:
        return text
    content = text.encode("utf-8", "surrogatepass")
    return _masked(content, spans_in_text(content, known, parts=parts)).decode("utf-8", "surrogatepass")


def _redacted_body(content: bytes, secrets: Sequence[Spellings]) -> bytes:
    # For most bodies, this one pass is all.
    runs = frozenset().union(*(secret.runs for secret in secrets))
    places: list[Span] = []
    found: list[Span] = []
    for match in islice(_suspicions(runs).finditer(content), MAX_PLACES + 1):
        places.append(match.span())
        if match[3] is not None:
            found += named_secrets(content, match.end() - 1)
        elif match[1] is not None:
            found += well_known_secrets(content, match.span(1), mixed=match[2] is not None)
    if len(places) > MAX_PLACES:
        raise too_much_to_mask()
    return _masked(content, [*found, *spans_in_body(content, secrets, places)])


@lru_cache(maxsize=64)
def _suspicions(runs: frozenset[bytes]) -> Any:
    """Necessary condition for a secret in a body: one of these matches."""
    ours = [re.escape(run.decode("latin-1")) for run in sorted(runs) if run]
    pattern = f"{WELL_KNOWN}|({NAMED})|(?i:{'|'.join((HIDDEN, *ours))})"
    return re2.compile(pattern.encode("latin-1"), bytes_options())


def _masked(content: bytes, spans: Iterable[Span]) -> bytes:
    parts, done = [], 0
    for start, end in merged(spans):
        parts += [content[done:start], MASK.encode()]
        done = end
    return b"".join((*parts, content[done:])) if parts else content


def _redacted_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and is_sensitive_name(name) else pair
