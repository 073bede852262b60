"""Reading refusals: what an error answer says, whether it may pass, how long to wait.

Here: pure functions on status, headers and error bodies. Not here: acting on them (`transport`). The concept: an
operator should see what the server said, in one short line and without any part of a key.
"""

import email.utils
import json
import re
from typing import Any, Final

from provider_pipeline.listing.documents import looks_like_markup, page_title
from provider_pipeline.listing.redaction import MASK, one_line

_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CLOUDFLARE_FIRST: Final = 520
_MASKED_WORD: Final = re.compile(r"\S*(?:\*{3}|\.{3}|…|•{2})\S*")


def status_may_pass(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _MAY_PASS or status >= _CLOUDFLARE_FIRST


def retry_after_seconds(header: str | None, *, now: float) -> float | None:
    """What a Retry-After header asks for, in seconds from `now`; None without a usable one.

    Args:
        header: A number of seconds or an HTTP date (RFC 9110, 10.2.3).
        now: Seconds since the epoch.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def what_it_says(body: bytes, content_type: str | None) -> str:
    """Content type, and the title of an error page or the message of a JSON error."""
    kind = one_line(content_type or "no content type", limit=60)
    if looks_like_markup(body):
        title = page_title(body)
        return f"{kind}, titled {title!r}" if title else kind
    message = _message(body)
    # Servers quote a refused key with its middle starred out; its ends are still a part of it.
    return f"{kind}: {_MASKED_WORD.sub(MASK, message)!r}" if message else kind


def refused_hint(status: int, secret_hint: str) -> str:
    """What to do about an error status; `secret_hint` says what to check about the key."""
    if status in (401, 403, 407):
        return secret_hint
    if status in (404, 405, 410):
        return "check the base URL and the endpoint's path"
    if status_may_pass(status):
        return "the provider is failing or busy; the next scheduled check tries again"
    return "check the base URL, the endpoint's path and its parameters"


def _message(body: bytes) -> str:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for key in ("error", "message", "detail", "error_description"):
        if isinstance(document, dict) and key in document:
            document = document[key]
    return one_line(document, limit=160) if isinstance(document, str) else ""
