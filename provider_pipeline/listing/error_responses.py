"""What an error answer or a failed request means, in words and as an exception."""

import email.utils
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import Stage
from provider_pipeline.listing.documents import described_page, looks_like_markup
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.redaction import MASK, Said, one_line, redact_quote


@dataclass(frozen=True)
class Unreachable:
    """Why no answer came.

    Attributes:
        stage: What went wrong.
        reason: In words.
        transient: Whether it may pass.
        hint: What to do about it.
    """

    stage: Stage
    reason: str
    transient: bool
    hint: str


def why_unreachable(error: requests.RequestException, limits: FetchLimits) -> Unreachable:
    """The reason for which the HTTP library gave up."""
    again = "the next scheduled check tries again"
    # The first that fits; requests nests its own errors, so the more telling ones come first.
    known: tuple[tuple[type[BaseException], Stage, str, bool, str], ...] = (
        (
            requests.exceptions.SSLError,
            "tls",
            "TLS failed or its certificate is not trusted",
            False,
            "check host and certificate",
        ),
        (
            requests.exceptions.ProxyError,
            "connection",
            "the proxy refused or is not there",
            True,
            "check HTTPS_PROXY and NO_PROXY",
        ),
        (
            urllib3_errors.NameResolutionError,
            "name",
            "the host's name is not known",
            True,
            "check the base URL and the network",
        ),
        (
            requests.exceptions.ConnectTimeout,
            "connection",
            f"no connection within {limits.connect_timeout:g} s",
            True,
            again,
        ),
        (requests.exceptions.ReadTimeout, "listing", f"it was silent for {limits.read_timeout:g} s", True, again),
        (
            ConnectionRefusedError,
            "connection",
            "the connection was refused",
            True,
            "check the base URL's host and port",
        ),
        (urllib3_errors.NewConnectionError, "connection", "no connection to the host could be made", True, again),
        (
            requests.exceptions.ConnectionError,
            "listing",
            "the connection failed or was closed too early",
            True,
            again,
        ),
        (
            requests.RequestException,
            "connection",
            f"the request cannot be sent ({type(error).__name__})",
            False,
            "check the base URL",
        ),
    )
    stage, reason, transient, hint = next(entry[1:] for entry in known if is_caused_by(error, entry[0]))
    return Unreachable(stage, f"got no answer: {reason}", transient, hint)


def is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
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
"""What a server answers to a key it does not like."""

_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_CLOUDFLARE_FIRST: Final = 520
_KEPT_HEADERS: Final = (
    "content-type",
    "date",
    "etag",
    "last-modified",
    "request-id",
    "x-request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "cf-ray",
)
_VALIDATOR: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_LONGEST_HEADER: Final = 200
_ERRORS: Final = ("error", "errors", "detail", "details")
_ERROR_WORDS: Final = frozenset({"error", "fail", "failed", "failure"})
_MESSAGES: Final = frozenset({"message", "msg", "detail", "error_description", "title"})
_SAYING: Final = ("error", "errors", "message", "msg", "detail", "error_description", "title", "code")
_OAUTH: Final = ("error", "error_description")  # a code, and what it means (RFC 6749, 5.2)
_MESSAGE_DEPTH: Final = 5
_LONGEST_MESSAGE: Final = 4_000
_BESIDE_A_MESSAGE: Final = frozenset({"code", "status", "statusCode", "status_code", "type", "instance", "request_id"})
_MASKED_WORD: Final = re.compile(r"\S*(?:\*{3}|\.{3}|…|•{2})\S*")


def status_may_pass(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _MAY_PASS or status >= _CLOUDFLARE_FIRST


def asked_wait(headers: Mapping[str, str], *, now: float) -> float | None:
    """The wait a server asks for, in seconds from `now`; None if it asks for none, or nobody can tell which.

    Args:
        headers: `Retry-After` holds a number of seconds, decimals too, or an HTTP date in any of its three forms (RFC
            9110, 5.6.7 and 10.2.3), of which one that has passed asks for no wait; `retry-after-ms`, of Azure and
            OpenAI, is finer and goes first.
        now: Seconds since the epoch.
    """
    in_milliseconds = _number(headers.get("retry-after-ms"))
    if in_milliseconds is not None:
        return in_milliseconds / 1000
    text = headers.get("Retry-After")
    seconds = _number(text)
    return _until(text, now) if seconds is None else seconds


def _number(text: str | None) -> float | None:
    found = _DECIMAL.fullmatch((text or "").strip())
    return float(found.group()) if found else None


def _until(date: str | None, now: float) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime((date or "").strip())
        # The form of C's asctime() names no zone; all HTTP dates are in GMT.
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def kept_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """The headers worth keeping with a page, by lower-case name, redacted.

    A validator (`etag`, `last-modified`) that cannot be sent back exactly as it came is left out.
    """
    kept = {name: redact_quote(headers[name], secrets) for name in _KEPT_HEADERS if name in headers}
    for name, value in list(kept.items()):
        if name not in ("etag", "last-modified"):
            kept[name] = one_line(value, _LONGEST_HEADER)
        elif len(value) > _LONGEST_HEADER or value != headers[name] or not _VALIDATOR.fullmatch(value):
            del kept[name]
    return kept


def error_in(document: Any, said: Said, *, whole: bool) -> str | None:
    """What a document without items says that is an error, though its status says otherwise; None if it is none.

    An error is told by `error` or `errors` that hold something, by `success` or `ok` that is false, by an `object`,
    `type` or `status` that is "error", or by a message that is nearly all there is.

    Args:
        document: The body, parsed.
        said: Redacts what is quoted of it.
        whole: It is known to hold no items; otherwise they could be in any container beside the error.
    """
    if not isinstance(document, dict):
        return None
    if not whole and any(
        value and isinstance(value, (dict, list)) for key, value in document.items() if key not in _ERRORS
    ):
        return None
    told = (
        any(document.get(key) for key in ("error", "errors"))
        or any(document.get(key) is False for key in ("success", "ok"))
        or any(str(document.get(key)).lower() in _ERROR_WORDS for key in ("object", "type", "status"))
        or (bool(document.keys() & _MESSAGES) and document.keys() <= _MESSAGES | _BESIDE_A_MESSAGE)
    )
    return (_message_in(document, said) or "an error without a message") if told else None


def what_it_says(body: bytes, content_type: str | None, said: Said) -> str:
    """Content type, and the title of an error page or the message of a JSON error."""
    kind = one_line(said(content_type or "no content type"), limit=60)
    if looks_like_markup(body):
        return f"{kind}, {described_page(body, said)}"
    message = _message(body, said)
    return f"{kind}: {message!r}" if message else kind


def refused_hint(status: int) -> str:
    """What to do about an error status that is not about the key."""
    if status == NOT_MODIFIED:
        return "nothing was asked conditionally; a cache in between may be broken"
    if status in (404, 405, 410):
        return "check the base URL and the endpoint's path"
    if status_may_pass(status):
        return "the provider is failing or busy; the next scheduled check tries again"
    return "check the base URL, the endpoint's path and its parameters"


def _message(body: bytes, said: Said) -> str:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return _message_in(document, said)


def _message_in(document: Any, said: Said) -> str:
    if isinstance(document, dict) and all(isinstance(document.get(key), str) for key in _OAUTH):
        document = ": ".join(document[key] for key in _OAUTH)
    for _ in range(_MESSAGE_DEPTH):
        if isinstance(document, list) and document:
            document = document[0]
        elif isinstance(document, dict):
            document = next((document[key] for key in _SAYING if _may_say(document.get(key))), None)
    if not isinstance(document, str):
        return ""
    # Servers quote a refused key with its middle starred out; its ends are still a part of it.
    return _MASKED_WORD.sub(MASK, one_line(said(document[:_LONGEST_MESSAGE]), limit=160))


def _may_say(value: Any) -> bool:
    return bool(value) and isinstance(value, (str, dict, list))
