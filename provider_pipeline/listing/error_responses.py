"""Explains failed requests and error responses, and classifies them as transient or permanent."""

import contextlib
import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import (
    ListingError,
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    Stage,
)
from provider_pipeline.listing.documents import describe_page, looks_like_markup
from provider_pipeline.listing.limits import FetchLimits, RateLimited
from provider_pipeline.listing.redaction import MASK, Redactor, one_line


@dataclass(frozen=True)
class FailedAttempt:
    """A request that failed; `reason` continues the words "GET <url>"."""

    reason: str
    kind: type[ListingError]
    transient: bool
    hint: str | None = None
    status: int | None = None
    retry_after: float | None = None
    stage: Stage = "listing"


_TRIES_AGAIN: Final = "the next scheduled check tries again"
_PROXY_MISCONFIGURED: Final = "a proxy in between may be misconfigured"


def unreadable(reason: str, hint: str = _PROXY_MISCONFIGURED) -> FailedAttempt:
    """A response that no retry would make readable."""
    return FailedAttempt(reason, ListingUnreadableError, transient=False, hint=hint)


def too_late(came: str, kind: type[ListingError], limits: FetchLimits) -> FailedAttempt:
    """The deadline passed; `came` is what had arrived by then."""
    return FailedAttempt(
        f"took too long: {came} within the {limits.deadline:g} s a whole listing may take",
        kind,
        transient=True,
        hint=f"{_TRIES_AGAIN}; a slow provider needs a longer deadline",
    )


def host_paused(limited: RateLimited, limits: FetchLimits) -> FailedAttempt:
    """The rate limit of the host left no slot in time."""
    if limited.pause is None:
        return too_late("no slot among the requests to this host became free", ListingUnreachableError, limits)
    return FailedAttempt(
        f"is not sent: the host answered {limited.status} to another request, and asks to be left alone for "
        f"{limited.pause:.0f} s",
        ListingRefusedError,
        transient=True,
        retry_after=limited.pause,
        hint=f"{_TRIES_AGAIN}; give the provider less concurrency or requests per second",
        status=limited.status,
    )


def network_failure(error: requests.RequestException, limits: FetchLimits) -> FailedAttempt:
    """Why no response came."""
    again = _TRIES_AGAIN
    no_connection = f"no connection within {limits.connect_timeout:g} s"
    silent = f"it was silent for {limits.read_timeout:g} s"
    url, address, tls = "check the base URL", "check the base URL's host and port", "check host and certificate"
    proxy, network = "check HTTPS_PROXY and NO_PROXY", "check the base URL and the network"
    unsendable = f"the request cannot be sent ({type(error).__name__})"
    # The first that fits; requests nests its own errors, so the more specific ones come first.
    known: tuple[tuple[type[BaseException], Stage, str, bool, str], ...] = (
        (requests.exceptions.SSLError, "tls", "TLS failed or its certificate is not trusted", False, tls),
        (requests.exceptions.ProxyError, "connection", "the proxy refused or is not there", True, proxy),
        (urllib3_errors.NameResolutionError, "name", "the host's name is not known", True, network),
        (requests.exceptions.ConnectTimeout, "connection", no_connection, True, again),
        (requests.exceptions.ReadTimeout, "listing", silent, True, again),
        (ConnectionRefusedError, "connection", "the connection was refused", True, address),
        (urllib3_errors.NewConnectionError, "connection", "no connection to the host could be made", True, again),
        (requests.exceptions.ConnectionError, "listing", "the connection failed or was closed too early", True, again),
        (requests.RequestException, "connection", unsendable, False, url),
    )
    stage, reason, transient, hint = next(entry[1:] for entry in known if _is_caused_by(error, entry[0]))
    return FailedAttempt(f"got no answer: {reason}", ListingUnreachableError, transient, hint, stage=stage)


BODY_ERRORS: Final = (requests.RequestException, urllib3_errors.HTTPError, OSError, ValueError)
"""What reading a body raises; a chunk of a negative size raises the last."""


def broken_body(error: Exception, received: int, limits: FetchLimits) -> FailedAttempt:
    """Why a response's body ended early, after this many bytes."""
    came = f"({received:,} bytes came)"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return unreadable(f"answered with a body that its Content-Encoding does not fit {came}")
    silent = _is_caused_by(error, urllib3_errors.ReadTimeoutError)
    how = f"stopped in the middle of its answer for {limits.read_timeout:g} s" if silent else None
    return FailedAttempt(
        f"{how or 'broke off in the middle of its answer'} {came}",
        ListingUnreadableError,
        transient=True,
        hint=_TRIES_AGAIN,
    )


def _is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of this kind is among the causes, contexts or arguments of an error."""
    seen: list[Any] = [error]
    for candidate in seen:
        if isinstance(candidate, kind):
            return True
        related = [candidate.__cause__, candidate.__context__, getattr(candidate, "reason", None), *candidate.args]
        seen += [
            item for item in related if isinstance(item, BaseException) and not any(item is other for other in seen)
        ]
    return False


NOT_MODIFIED: Final = 304
UNAUTHORISED: Final = frozenset({401, 403, 407})
"""Statuses of a refused key."""

HOST_WIDE: Final = frozenset({429, 503})
"""Statuses whose Retry-After holds for all requests to the host."""
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CLOUDFLARE_FIRST: Final = 520
_MAX_ERROR_BYTES: Final = 16 * 1024
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)


def is_transient_status(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _TRANSIENT or status >= _CLOUDFLARE_FIRST


def status_hint(status: int) -> str:
    """What to do about an error status that is not about the key."""
    if status == NOT_MODIFIED:
        return "the request was not conditional; a cache in between may be broken"
    if status in (404, 405, 410):
        return "check the base URL and the endpoint's path"
    if is_transient_status(status):
        return f"the provider is failing or busy; {_TRIES_AGAIN}"
    return "check the base URL, the endpoint's path and its parameters"


def retry_wait(attempts: int, retry_after: float | None, limits: FetchLimits, jitter: float) -> float | None:
    """Seconds to wait before the next attempt; None if there should be none.

    Exponential backoff minus up to half of it, by `jitter` from 0 to 1. A server is never asked sooner than it wants;
    one that asks for more than `limits.longest_wait` is left alone.
    """
    if attempts > limits.retries or (retry_after is not None and retry_after > limits.longest_wait):
        return None
    wait = min(limits.backoff * 2.0 ** (attempts - 1), limits.longest_wait) * (1 + jitter) / 2
    return wait if retry_after is None else max(retry_after, limits.backoff) + limits.backoff * jitter / 2


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """The wait a server asks for, in seconds; None if it asks for none, or unreadably.

    `Retry-After` holds a number of seconds, also with decimals, or an HTTP date in any of its three forms (RFC 9110,
    5.6.7 and 10.2.3); a past date asks for no wait. `retry-after-ms`, of Azure and OpenAI, is finer and goes first.

    Args:
        headers: The response's headers.
        now: Seconds since the epoch.
    """
    in_milliseconds = _number(headers.get("retry-after-ms"))
    if in_milliseconds is not None:
        return in_milliseconds / 1000
    text = headers.get("Retry-After")
    seconds = _number(text)
    return _seconds_until(text, now) if seconds is None else seconds


def _number(text: str | None) -> float | None:
    found = _DECIMAL.fullmatch((text or "").strip())
    return float(found.group()) if found else None


def _seconds_until(date: str | None, now: float) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime((date or "").strip())
        # The form of C's asctime() names no zone; all HTTP dates are in GMT.
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


_ERRORS: Final = ("error", "errors", "detail", "details")
_ERROR_WORDS: Final = frozenset({"error", "fail", "failed", "failure"})
_MESSAGES: Final = frozenset({"message", "msg", "detail", "error_description", "title"})
_BESIDE_A_MESSAGE: Final = frozenset({"code", "status", "statusCode", "status_code", "type", "instance", "request_id"})
_MESSAGE_KEYS: Final = ("error", "errors", "message", "msg", "detail", "error_description", "title", "code")
_OAUTH: Final = ("error", "error_description")  # a code, and what it means (RFC 6749, 5.2)
_MAX_MESSAGE_DEPTH: Final = 5
_MAX_MESSAGE: Final = 4_000
_MASKED_WORD: Final = re.compile(r"\S*(?:\*{3}|\.{3}|…|•{2})\S*")


def error_message_in(document: Any, redactor: Redactor, *, no_items: bool) -> str | None:
    """The message of an error object sent with a success status, else None.

    An error object has a non-empty `error` or `errors`, a false `success` or `ok`, an `object`, `type` or `status` that
    is "error", or hardly anything but a message.

    Args:
        document: The parsed body.
        redactor: Redacts what is quoted of it.
        no_items: The document is known to hold no items; otherwise any container beside the error may hold them.
    """
    if not isinstance(document, dict):
        return None
    if not no_items and any(
        value and isinstance(value, (dict, list)) for key, value in document.items() if key not in _ERRORS
    ):
        return None
    is_error = (
        any(document.get(key) for key in ("error", "errors"))
        or any(document.get(key) is False for key in ("success", "ok"))
        or any(str(document.get(key)).lower() in _ERROR_WORDS for key in ("object", "type", "status"))
        or (bool(document.keys() & _MESSAGES) and document.keys() <= _MESSAGES | _BESIDE_A_MESSAGE)
    )
    return (_message_in(document, redactor) or "an error without a message") if is_error else None


def beginning_of_body(response: requests.Response) -> bytes:
    """As much of an error page as is worth reading."""
    body = bytearray()
    # The status already says that it failed; the received part is enough.
    with contextlib.suppress(*BODY_ERRORS):
        for chunk in response.iter_content(4096):
            body += chunk
            if len(body) >= _MAX_ERROR_BYTES:
                break
    return bytes(body)


def describe_error_body(body: bytes, content_type: str | None, redactor: Redactor) -> str:
    """Content type, and the title of an error page or the message of a JSON error, in one line."""
    kind = one_line(redactor(content_type or "no content type"), limit=60)
    if looks_like_markup(body):
        return f"{kind}, {describe_page(body, redactor)}"
    try:
        message = _message_in(json.loads(body), redactor)
    except (ValueError, RecursionError):
        message = ""
    return f"{kind}: {message!r}" if message else kind


def _message_in(document: Any, redactor: Redactor) -> str:
    if isinstance(document, dict) and all(isinstance(document.get(key), str) for key in _OAUTH):
        document = ": ".join(document[key] for key in _OAUTH)
    for _ in range(_MAX_MESSAGE_DEPTH):
        if isinstance(document, list) and document:
            document = document[0]
        elif isinstance(document, dict):
            values = (document.get(key) for key in _MESSAGE_KEYS)
            document = next((value for value in values if value and isinstance(value, (str, dict, list))), None)
    if not isinstance(document, str):
        return ""
    # Servers quote a refused key with its middle starred out; its ends are still a part of it.
    return _MASKED_WORD.sub(MASK, one_line(redactor(document[:_MAX_MESSAGE]), limit=160))
