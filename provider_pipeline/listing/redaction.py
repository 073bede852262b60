"""Keeping secret values out of every text that leaves the process.

Here: masking of secrets in texts, bodies and URLs, and the log filter for the HTTP library. Not here: where secrets
come from (`auth`). The concept: a secret exists only in the process environment and in the request it authorises.
"""

import logging
import re
from collections.abc import Iterable
from json import detect_encoding
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from provider_pipeline.listing.spellings import Spellings

MASK: Final = "***"

_SENSITIVE_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?key$|(?:^|-)token$|(?:access|auth|id|refresh|api)[-_]?token$"
    r"|secret|passw|credential|signature$|^sig$|^auth$|authorization|cookie",
    re.IGNORECASE,
)
_SHORTEST_IN_BODY: Final = 8


def is_sensitive_name(name: str) -> bool:
    """Whether a parameter or header of this name usually carries a secret (`key`, `api_key`, `access_token`, ...)."""
    return _SENSITIVE_NAME.search(name) is not None


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text, however URLs, JSON or Base64 spell it, by `***`."""
    for secret in _longest_first(secrets):
        text = Spellings.of(secret).replaced(text, MASK)
    return text


def redact_body(content: bytes, secrets: Iterable[str]) -> bytes:
    """Replace secrets that a server echoes in its body, such as a `next` URL that repeats the key.

    Secrets of fewer than 8 characters are left alone: they could be part of a model's name.

    Args:
        content: Text in any of the encodings of JSON.
        secrets: What to replace.
    """
    long = [secret for secret in _longest_first(secrets) if len(secret) >= _SHORTEST_IN_BODY]
    encoding = detect_encoding(content)
    if encoding.startswith("utf-8"):
        for secret in long:
            content = Spellings.of(secret).replaced_in_body(content, MASK.encode())
        return content
    try:
        return redact(content.decode(encoding), long).encode(encoding)
    except UnicodeError:
        # Not text, so not JSON, which is for the parser to say.
        return content


def redacted_url(url: str, secrets: Iterable[str] = ()) -> str:
    """The URL without user info, the values of parameters that usually are secret, and the given secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(one_line(url), secrets)
    netloc = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    query = "&".join(_redacted_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return redact(one_line(urlunsplit((parts.scheme, netloc, parts.path, query, "")), limit=500), secrets)


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


def _longest_first(secrets: Iterable[str]) -> list[str]:
    return sorted({secret for secret in secrets if secret}, key=lambda secret: (-len(secret), secret))


def _redacted_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and is_sensitive_name(name) else pair
