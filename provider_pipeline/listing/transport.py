"""One bounded HTTP exchange: time-outs, retries, redirects, sizes, and errors that say what happened.

Here: everything between a URL and the bytes of its answer. Not here: which URLs follow (`paging`), what the bytes
mean (`documents`). The concept: nothing a server does may hang us, burst us, or make us hand its key to somebody
else; each failure is classified once, as transient or permanent, where it is seen.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import urljoin

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    ModelSyncerError,
)
from provider_pipeline.listing.answers import (
    kept_headers,
    refused_hint,
    retry_after_seconds,
    status_may_pass,
    what_it_says,
)
from provider_pipeline.listing.auth import Authorizer, TokenExchange
from provider_pipeline.listing.connections import AddressRefused
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.failures import is_caused_by, why_unreachable
from provider_pipeline.listing.policy import FetchLimits, RequestPolicy
from provider_pipeline.listing.redaction import one_line, redact, redact_body, redacted_url
from provider_pipeline.listing.session import listing_session
from provider_pipeline.listing.urls import may_follow

MOST_REDIRECTS: Final = 3
_CHUNK: Final = 64 * 1024
_ERROR_BODY: Final = 16 * 1024
_TOKEN_BODY: Final = 256 * 1024
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ANSWERS: Final = frozenset({200, 203})
NOT_MODIFIED: Final = 304
_UNCONDITIONAL: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Answer:
    """A successful answer.

    Attributes:
        url: Where it came from, after redirects, without credentials.
        shown_url: The same, redacted.
        where: The same, with the provider, as an error's text begins.
        status: 200, 203, or 304 if that was asked for.
        headers: As received.
        content: The body, decompressed, with echoed secrets masked; empty for a 304.
        received_at: When it was complete.
    """

    url: str = field(repr=False)
    shown_url: str
    where: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class _Failure:
    """One failed attempt; `reason` continues the words "GET <url>"."""

    reason: str
    kind: type[ModelSyncerError]
    transient: bool
    hint: str | None = None
    status: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True)
class _Wanted:
    """A request: a GET of a listing's page, or a form for a token endpoint."""

    url: str = field(repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def method(self) -> str:
        return "GET" if self.form is None else "POST"


class Transport:
    """The HTTP side of one listing; a context manager, for one thread.

    Args:
        slug: The provider.
        authorize: Makes what lets its requests in, given the way to ask a token endpoint.
        limits: What the listing may cost.
        policy: Which addresses may be asked.
        seconds: How long all requests and waits may take, if it is less than the limits say.

    Raises:
        MissingCredentialError: See `AuthConfig.authorizer`.
    """

    def __init__(
        self,
        slug: str,
        authorize: Callable[[TokenExchange], Authorizer],
        limits: FetchLimits,
        policy: RequestPolicy,
        seconds: float | None = None,
    ) -> None:
        self._slug = slug
        self._limits = limits
        self._policy = policy
        self._authorizer = authorize(self.post_form)
        self._deadline = Deadline(limits.deadline if seconds is None else seconds)
        self._session = listing_session(self._deadline, policy, self._authorizer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._deadline.release()

    @contextlib.contextmanager
    def lending(self) -> Iterator[float]:
        """Spend the deadline while others work in this transport's stead; gives the seconds that they have."""
        with self._deadline.running():
            yield self._deadline.left

    def where(self, url: str, method: str = "GET") -> str:
        """Provider and redacted URL, as every error's text begins."""
        return f"{self._slug}: {method} {self.shown(url)}"

    def shown(self, url: str) -> str:
        """A URL, redacted."""
        return redacted_url(url, self._authorizer.secrets)

    def kept_headers(self, answer: Answer) -> dict[str, str]:
        """An answer's headers that are worth keeping, redacted."""
        return kept_headers(answer.headers, self._authorizer.secrets)

    def get(self, url: str, *, most_bytes: int, conditions: Mapping[str, str] = _UNCONDITIONAL) -> Answer:
        """Fetch a URL, trying again where that may help.

        Args:
            url: Without credentials; they are added for the wire only.
            most_bytes: How large the body may be, decompressed.
            conditions: Headers that ask whether what this very URL gave before has changed; not sent where it
                redirects to.

        Raises:
            ListingUnreachableError: No answer's headers came: name, connection, TLS, time-out.
            ListingRefusedError: An error status came, or a redirect that is not followed.
            ListingUnreadableError: A body began that is too large, in an unknown encoding, or broke off.
        """
        return self._ask(_Wanted(url, headers=conditions), most_bytes)

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Send a form to a token endpoint, within this listing's time, and read its JSON answer.

        On a connection of its own, so that the listing's stays watched. Redirects are not followed.

        Raises:
            ListingUnreachableError: See `get`.
            ListingRefusedError: See `get`.
            ListingUnreadableError: See `get`; or the answer is not a JSON document.
        """
        bystander = Authorizer(hint=self._authorizer.hint, secrets=self._authorizer.secrets)
        with Transport(self._slug, lambda _: bystander, self._limits, self._policy, self._deadline.left) as transport:
            answer = transport._ask(_Wanted(url, form, headers), _TOKEN_BODY)
        kind = answer.headers.get("Content-Type")
        return parse_document(answer.content, where=answer.where, content_type=kind)

    def _ask(self, wanted: _Wanted, most_bytes: int) -> Answer:
        renewed = False
        with self._deadline.running():
            outcome, attempts = self._attempt(wanted, most_bytes), 1
            while isinstance(outcome, _Failure):
                if outcome.status == 401 and not renewed and self._authorizer.renew():
                    wait, renewed = 0.0, True
                elif (
                    outcome.transient and (pause := retry_wait(attempts, outcome.retry_after, self._limits)) is not None
                ):
                    wait = pause
                else:
                    break
                if wait >= self._deadline.left:
                    break
                time.sleep(wait)
                outcome, attempts = self._attempt(wanted, most_bytes), attempts + 1
        # Outside of any handler, so that no original exception, whose text may hold the key, hangs on to the error.
        if isinstance(outcome, _Failure):
            raise self._error(wanted, outcome, attempts)
        return outcome

    def _error(self, wanted: _Wanted, failure: _Failure, attempts: int) -> ModelSyncerError:
        tries = f", after {attempts} attempts" if attempts > 1 else ""
        text = redact(f"{self.where(wanted.url, wanted.method)} {failure.reason}{tries}", self._authorizer.secrets)
        if failure.kind is ListingRefusedError:
            return ListingRefusedError(text, status=failure.status or 0, hint=failure.hint, transient=failure.transient)
        return failure.kind(text, hint=failure.hint, transient=failure.transient)

    def _attempt(self, wanted: _Wanted, most_bytes: int) -> Answer | _Failure:
        url = wanted.url
        outcome = self._exchange(wanted, most_bytes)
        for _ in range(MOST_REDIRECTS):
            if not isinstance(outcome, _Redirect):
                return outcome
            target = _resolved(url, outcome.location)
            if wanted.form is not None or target is None or not may_follow(wanted.url, target):
                return _Failure(
                    f"answered {outcome.status} with a redirect to {self.shown(target or outcome.location)}, "
                    "which is not followed: credentials stay on the configured host",
                    ListingRefusedError,
                    transient=False,
                    hint="if the provider has moved, change its configured URL",
                    status=outcome.status,
                )
            url = target
            outcome = self._exchange(_Wanted(url), most_bytes)
        if not isinstance(outcome, _Redirect):
            return outcome
        return _Failure(
            f"answered with more than {MOST_REDIRECTS} redirects",
            ListingRefusedError,
            transient=False,
            hint="check the base URL",
            status=outcome.status,
        )

    def _exchange(self, wanted: _Wanted, most_bytes: int) -> "Answer | _Failure | _Redirect":
        # Only a connection that stands can be cut at the deadline, so connecting gets no more than what is left, and a
        # little, for the deadline to be the reason.
        timeouts = (min(self._limits.connect_timeout, self._deadline.left + 0.1), self._limits.read_timeout)
        try:
            response = self._session.request(
                wanted.method,
                wanted.url,
                data=wanted.form,
                headers=wanted.headers,
                stream=True,
                allow_redirects=False,
                timeout=timeouts,
            )
        except AddressRefused as refused:
            refusal = refused.refusal
            return _Failure(refusal.reason, ListingUnreachableError, transient=False, hint=refusal.hint)
        except requests.RequestException as error:
            return self._no_answer(error)
        except (urllib3_errors.HTTPError, OSError, ValueError) as error:
            # What requests lets through unwrapped: malformed proxies, unusable host names, header bytes it cannot
            # decode.
            return _Failure(
                f"could not be sent: {type(error).__name__}",
                ListingUnreachableError,
                transient=False,
                hint="check the URL",
            )
        with response:
            if self._deadline.expired:
                # The cut connection looked like the end of the headers.
                return self._late("no answer came", ListingUnreachableError)
            return self._read(wanted, response, most_bytes)

    def _read(self, wanted: _Wanted, response: requests.Response, most_bytes: int) -> "Answer | _Failure | _Redirect":
        status = response.status_code
        if status == NOT_MODIFIED and wanted.headers and wanted.form is None:
            return self._answer(wanted, response, b"")
        if status in _REDIRECTS and "Location" in response.headers:
            return _Redirect(status, response.headers["Location"])
        if status not in _ANSWERS:
            return self._refusal(wanted, response)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            return _Failure(
                f"answered in content encoding {one_line(encoding, 40)!r}, though only gzip and deflate were offered",
                ListingUnreadableError,
                transient=False,
                hint="a proxy in between may be misconfigured",
            )
        body = self._body(response, most_bytes)
        if isinstance(body, _Failure):
            return body
        return self._answer(wanted, response, redact_body(body, self._authorizer.secrets))

    def _answer(self, wanted: _Wanted, response: requests.Response, content: bytes) -> Answer:
        return Answer(
            url=wanted.url,
            shown_url=self.shown(wanted.url),
            where=self.where(wanted.url, wanted.method),
            status=response.status_code,
            headers=response.headers,
            content=content,
            received_at=datetime.now(UTC),
        )

    def _body(self, response: requests.Response, most_bytes: int) -> bytes | _Failure:
        body = bytearray()
        stated = response.headers.get("Content-Length", "")
        too_large = stated.isdecimal() and len(stated) < 20 and int(stated) > most_bytes
        try:
            for chunk in () if too_large else response.iter_content(_CHUNK):
                body += chunk
                too_large = len(body) > most_bytes
                if too_large:
                    break
        except (requests.RequestException, urllib3_errors.HTTPError, OSError) as error:
            if not self._deadline.expired:
                return self._broken_body(error, len(body))
        if self._deadline.expired:
            return self._late(f"{len(body):,} bytes of an answer that was not complete", ListingUnreadableError)
        if too_large:
            return _Failure(
                f"answered with more than the {most_bytes:,} bytes a page may have",
                ListingUnreadableError,
                transient=False,
                hint="if this listing really is that large, raise the limits",
            )
        return bytes(body)

    def _broken_body(self, error: Exception, received: int) -> _Failure:
        if isinstance(error, requests.exceptions.ContentDecodingError):
            reason, transient = "answered with a body that its Content-Encoding does not fit", False
        elif is_caused_by(error, urllib3_errors.ReadTimeoutError):
            reason, transient = f"stopped in the middle of its answer for {self._limits.read_timeout:g} s", True
        else:
            reason, transient = "broke off in the middle of its answer", True
        return _Failure(
            f"{reason} ({received:,} bytes came)",
            ListingUnreadableError,
            transient=transient,
            hint="the next scheduled check tries again" if transient else "a proxy in between may be misconfigured",
        )

    def _refusal(self, wanted: _Wanted, response: requests.Response) -> _Failure:
        status = response.status_code
        # Masked before it is cut to a line: of a secret cut in two, the first half would not be known again.
        body = redact_body(_beginning(response), self._authorizer.secrets)
        says = what_it_says(body, response.headers.get("Content-Type"))
        if self._deadline.expired:
            return self._late(f"status {status} and an error page that was not complete", ListingUnreadableError)
        wait = retry_after_seconds(response.headers.get("Retry-After"), now=time.time())
        asks = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        reason = one_line(response.reason or "", 60)
        return _Failure(
            f"answered {status}{f' {reason}' if reason else ''} ({says}){asks}",
            ListingRefusedError,
            transient=status_may_pass(status),
            # A token endpoint says 400, too, when it does not know the client (RFC 6749, 5.2).
            hint=refused_hint(401 if wanted.form and status == 400 else status, self._authorizer.hint),
            status=status,
            retry_after=wait,
        )

    def _late(self, came: str, kind: type[ModelSyncerError]) -> _Failure:
        return _Failure(
            f"took too long: {came} within the {self._limits.deadline:g} s a whole listing may take",
            kind,
            transient=True,
            hint="the next scheduled check tries again; a slow provider needs a longer deadline",
        )

    def _no_answer(self, error: requests.RequestException) -> _Failure:
        if self._deadline.expired:
            return self._late("no answer came", ListingUnreachableError)
        reason, transient, hint = why_unreachable(error, self._limits)
        return _Failure(reason, ListingUnreachableError, transient=transient, hint=hint)


def retry_wait(attempts: int, retry_after: float | None, limits: FetchLimits) -> float | None:
    """Seconds to wait before the next attempt, after so many; None when there should be none.

    A server that asks for more than `limits.longest_wait` is left alone rather than asked too early.
    """
    if attempts > limits.retries:
        return None
    if retry_after is not None:
        return max(retry_after, limits.backoff) if retry_after <= limits.longest_wait else None
    return min(limits.backoff * 2.0 ** (attempts - 1), limits.longest_wait)


@dataclass(frozen=True)
class _Redirect:
    status: int
    location: str


def _resolved(url: str, location: str) -> str | None:
    try:
        return urljoin(url, location)
    except ValueError:
        return None


def _beginning(response: requests.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(4096):
            body += chunk
            if len(body) >= _ERROR_BODY:
                break
    except (requests.RequestException, urllib3_errors.HTTPError, OSError):
        # The status already says that it failed; what came of the page's text is enough.
        return bytes(body)
    return bytes(body)
