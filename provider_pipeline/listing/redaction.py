"""Masks secrets in texts, bodies, URLs and the HTTP library's log.

How a secret of ours may be encoded is in `secret_encodings`, where other people's may stand in `listed_secrets`.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import re2

from provider_pipeline.listing.key_looks import bytes_options, is_sensitive_name
from provider_pipeline.listing.listed_secrets import GROUP_COUNT, SUSPICIOUS, SecretFinder
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
    content = _redacted(text, secrets, parts=True).encode("utf-8", "surrogatepass")
    found = _redacted_body(content, ()).decode("utf-8", "surrogatepass")
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
    places: list[Span] = []
    found: list[Span] = []
    finder = SecretFinder(content)
    for match in islice(_suspicions().finditer(content), MAX_SUSPICIONS + 1):
        places.append(match.span())
        if match.lastindex:
            found += finder.secrets_at([match.span(group) for group in range(GROUP_COUNT + 1)])
    if len(places) > MAX_SUSPICIONS:
        raise too_many_suspicions()
    if secrets:
        found += spans_in_body(content, secrets, places)
    return _masked(content, found)


@cache
def _suspicions() -> Any:
    """Matches wherever somebody's secret, or an escaped part of ours, may be in a body."""
    return re2.compile(f"{SUSPICIOUS}|(?i:{ESCAPED_LETTER})".encode("latin-1"), bytes_options())


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
