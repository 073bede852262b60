"""The requests of one listing, with retries, redirects and renewed credentials.

No response can make us send the key to another host, or come back sooner than the host asks.
"""

import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import ListingError, ListingRefusedError, ListingUnreachableError, ListingUnreadableError
from provider_pipeline.listing.auth.credentials import Authorizer, TokenExchange
from provider_pipeline.listing.connections import AddressRefused, ListingSession
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.error_responses import (
    BODY_ERRORS,
    HOST_WIDE,
    NOT_MODIFIED,
    UNAUTHORISED,
    FailedAttempt,
    beginning_of_body,
    broken_body,
    describe_error_body,
    host_paused,
    is_transient_status,
    network_failure,
    retry_after_seconds,
    retry_wait,
    status_hint,
    too_late,
    unreadable,
)
from provider_pipeline.listing.limits import Deadline, FetchLimits, HostLimiter, HostLimits, RateLimit, RateLimited
from provider_pipeline.listing.pages import kept_headers
from provider_pipeline.listing.policy import RequestPolicy, may_follow, resolved_url
from provider_pipeline.listing.redaction import named_url, one_line, redact, redact_body, redact_quote, redacted_url

MAX_REDIRECTS: Final = 3
_MAX_TOKEN_BYTES: Final = 256 * 1024
_CHUNK: Final = 256 * 1024
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_SUCCESS: Final = frozenset({200, 203})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_UNAUTHORIZED: Final = 401
_UNCONDITIONAL: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class HttpRequest:
    """A GET of a listing's page, or a form for a token endpoint.

    Attributes:
        url: Without credentials.
        form: None for a GET.
        named: The server named the URL; its query is not shown, since it may quote an earlier request.
        known: The fingerprint of the stored page, from `body_fingerprint`.
    """

    url: str = field(repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: bool = False
    known: str | None = None

    @property
    def method(self) -> str:
        """Its method."""
        return "GET" if self.form is None else "POST"


@dataclass(frozen=True)
class HttpResponse:
    """A successful response.

    Attributes:
        url: After redirects, without credentials.
        shown_url: The same, redacted.
        where: The same, with the provider, as an error's text begins.
        named: See `HttpRequest`.
        status: 200, 203, or 304 to a conditional request.
        content: The body, decompressed, with secrets masked unless it is a token that was asked for; empty for a 304.
        fingerprint: Of the content, from `body_fingerprint`; None if it was not compared with a known one.
    """

    url: str = field(repr=False)
    shown_url: str
    where: str
    named: bool
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    received_at: datetime
    fingerprint: str | None = None


def body_fingerprint(headers: Mapping[str, str], content: bytes) -> str:
    """SHA-256 of content type and content."""
    kind = headers.get("Content-Type", "")
    return hashlib.sha256(kind.encode() + b"\n" + content).hexdigest()


@dataclass(frozen=True)
class _Redirect:
    status: int
    location: str


class Transport:
    """Sends the requests of one listing; a context manager, for one thread.

    Args:
        authorize: Makes the authorizer, given the way to ask a token endpoint.
        host_limits: Shared with other listings; its own if None.
        jitter: A random number from 0 to 1, by which waits differ.

    Raises:
        MissingCredentialError: See `AuthConfig.authorizer`.
    """

    def __init__(
        self,
        slug: str,
        authorize: Callable[[TokenExchange], Authorizer],
        limits: FetchLimits,
        policy: RequestPolicy,
        deadline: Deadline,
        *,
        host_limits: HostLimits | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._slug = slug
        self._limits = limits
        self._policy = policy
        self._authorizer = authorize(self.post_form)
        self._deadline = deadline
        self._session = ListingSession(self._deadline, policy, self._authorizer)
        self._host_limits = host_limits or HostLimits()
        self._jitter = jitter
        self._rate_limit = RateLimit(
            concurrency=limits.concurrency,
            interval=1 / policy.requests_per_second if policy.requests_per_second else 0.0,
            max_pause=limits.longest_wait,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._deadline.release()

    @contextlib.contextmanager
    def borrow_deadline(self) -> Iterator[float]:
        """Keep the deadline running while worker transports fetch; yields the seconds left."""
        with self._deadline.running():
            yield self._deadline.left

    def where(self, url: str, method: str = "GET", *, named: bool = False) -> str:
        """Provider and redacted URL, as every error's text begins."""
        return f"{self._slug}: {method} {self.shown(url, named=named)}"

    def shown(self, url: str, *, named: bool = False) -> str:
        """The redacted URL; without its query if the server named it."""
        return (named_url if named else redacted_url)(url, self._authorizer.secrets)

    def redacted(self, text: str) -> str:
        """A text of the server's, redacted."""
        return redact_quote(text, self._authorizer.secrets)

    def kept_headers(self, response: HttpResponse) -> dict[str, str]:
        """The headers worth keeping with a page, redacted."""
        return kept_headers(response.headers, self._authorizer.secrets)

    def get(
        self,
        url: str,
        *,
        max_bytes: int,
        conditions: Mapping[str, str] = _UNCONDITIONAL,
        named: bool = False,
        known: str | None = None,
    ) -> HttpResponse:
        """Fetch a URL, with retries.

        Args:
            url: Without credentials.
            max_bytes: How large the body may be, decompressed.
            conditions: Headers that ask whether this URL's content has changed; not sent after a redirect.
            named: The server named the URL; see `HttpRequest`.
            known: The fingerprint of the stored page. The same page again is not searched for secrets.

        Raises:
            ListingUnreachableError: No response's headers came: name, connection, TLS, time-out.
            ListingRefusedError: An error status came, or a redirect that is not followed.
            ListingUnreadableError: The body is too large, in an unknown encoding, or broke off.
        """
        return self._fetch(HttpRequest(url, headers=conditions, named=named, known=known), max_bytes)

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Send a form to a token endpoint, within this listing's time, and parse its JSON response.

        It uses a separate connection, so that the deadline keeps watching the listing's. Redirects are not followed.

        Raises:
            ListingError: See `get`; or the response is not a JSON document.
        """
        bystander = Authorizer(hint=self._authorizer.hint, secrets=self._authorizer.secrets)
        with Transport(
            self._slug,
            lambda _: bystander,
            self._limits,
            self._policy,
            Deadline(self._deadline.left, self._slug),
            host_limits=self._host_limits,
            jitter=self._jitter,
        ) as transport:
            response = transport._fetch(HttpRequest(url, form, headers), _MAX_TOKEN_BYTES)
        kind = response.headers.get("Content-Type")
        return parse_document(response.content, where=response.where, content_type=kind, redactor=self.redacted)

    def _fetch(self, request: HttpRequest, max_bytes: int) -> HttpResponse:
        renewed = False
        with self._deadline.running():
            outcome, attempts = self._attempt(request, max_bytes), 1
            while isinstance(outcome, FailedAttempt):
                wait = None
                if outcome.transient:
                    wait = retry_wait(attempts, outcome.retry_after, self._limits, self._jitter())
                if outcome.status == _UNAUTHORIZED and not renewed and self._authorizer.renew():
                    wait, renewed = 0.0, True
                if wait is None or wait >= self._deadline.left:
                    break
                time.sleep(wait)
                outcome, attempts = self._attempt(request, max_bytes), attempts + 1
        # Outside of any handler: the original exception may hold the key, and must not be chained to this one.
        if isinstance(outcome, FailedAttempt):
            raise self._error(request, outcome, attempts)
        return outcome

    def _error(self, request: HttpRequest, failure: FailedAttempt, attempts: int) -> ListingError:
        where = self.where(request.url, request.method, named=request.named)
        tries = f", after {attempts} attempts" if attempts > 1 else ""
        text = redact(f"{where} {failure.reason}{tries}", self._authorizer.secrets)
        if failure.kind is ListingRefusedError:
            return ListingRefusedError(
                text,
                status=failure.status or 0,
                stage=failure.stage,
                hint=failure.hint,
                transient=failure.transient,
            )
        return failure.kind(text, stage=failure.stage, hint=failure.hint, transient=failure.transient)

    def _attempt(self, request: HttpRequest, max_bytes: int) -> HttpResponse | FailedAttempt:
        """Send a request and follow its redirects."""
        url = request.url
        outcome = self._once(request, max_bytes)
        for _ in range(MAX_REDIRECTS):
            if not isinstance(outcome, _Redirect):
                return outcome
            target = resolved_url(url, outcome.location)
            if request.form is not None or target is None or not may_follow(request.url, target):
                where = self.shown(target or outcome.location, named=True)
                return FailedAttempt(
                    f"answered {outcome.status} with a redirect to {where}, "
                    "which is not followed: credentials stay on the configured host",
                    ListingRefusedError,
                    transient=False,
                    hint="if the provider has moved, change its configured URL",
                    status=outcome.status,
                )
            url = target
            outcome = self._once(HttpRequest(url, named=True), max_bytes)
        if not isinstance(outcome, _Redirect):
            return outcome
        return FailedAttempt(
            f"answered with more than {MAX_REDIRECTS} redirects",
            ListingRefusedError,
            transient=False,
            hint="check the base URL",
            status=outcome.status,
        )

    def _once(self, request: HttpRequest, max_bytes: int) -> HttpResponse | FailedAttempt | _Redirect:
        """Send one request as soon as the host's rate limit allows, and read its response."""
        try:
            # Preparing may fetch a token, perhaps from the same host, so it must not hold a slot there.
            prepared = self._session.prepare(request.method, request.url, request.form, request.headers)
            with self._limiter(request.url).slot(self._rate_limit, self._deadline.left):
                return self._send(request, prepared, max_bytes)
        except RateLimited as limited:
            return host_paused(limited, self._limits)
        except AddressRefused as refused:
            refusal = refused.refusal
            return FailedAttempt(
                refusal.reason, ListingUnreachableError, transient=False, hint=refusal.hint, stage="connection"
            )
        except requests.exceptions.InvalidHeader:
            # In the response, such as two different lengths; the request's headers were checked when it was prepared.
            return unreadable("answered with headers that contradict each other")
        except requests.RequestException as error:
            return self._no_response() if self._deadline.expired else network_failure(error, self._limits)
        except (urllib3_errors.HTTPError, OSError, ValueError) as error:
            # requests does not wrap errors of malformed proxies, unusable host names and undecodable header bytes.
            return FailedAttempt(
                f"could not be sent: {type(error).__name__}",
                ListingUnreachableError,
                transient=False,
                hint="check the URL",
                stage="connection",
            )

    def _no_response(self) -> FailedAttempt:
        return too_late("no answer came", ListingUnreachableError, self._limits)

    def _limiter(self, url: str) -> HostLimiter:
        return self._host_limits.at(urlsplit(url).netloc.lower())

    def _send(
        self, request: HttpRequest, prepared: requests.PreparedRequest, max_bytes: int
    ) -> HttpResponse | FailedAttempt | _Redirect:
        # The deadline cannot interrupt connecting, so that gets what is left, and a little more, for the deadline to
        # be the stated reason.
        timeouts = (min(self._limits.connect_timeout, self._deadline.left + 0.1), self._limits.read_timeout)
        with self._session.send(prepared, timeouts) as response:
            if self._deadline.expired:
                # The shut-down connection looked like the end of the headers.
                return self._no_response()
            return self._read(request, response, max_bytes)

    def _read(
        self, request: HttpRequest, response: requests.Response, max_bytes: int
    ) -> HttpResponse | FailedAttempt | _Redirect:
        status = response.status_code
        if status == NOT_MODIFIED and request.headers and request.form is None:
            return self._success(request, response, b"")
        if status in _REDIRECTS and "Location" in response.headers:
            return _Redirect(status, response.headers["Location"])
        if status not in _SUCCESS:
            return self._refusal(request, response)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            named = one_line(self.redacted(encoding), 40)
            return unreadable(f"answered in content encoding {named!r}, though only gzip and deflate were offered")
        body = self._body(response, max_bytes)
        return body if isinstance(body, FailedAttempt) else self._success(request, response, body)

    def _body(self, response: requests.Response, max_bytes: int) -> bytes | FailedAttempt:
        body = bytearray()
        stated = response.headers.get("Content-Length", "")
        too_large = stated.isdecimal() and len(stated) < 20 and int(stated) > max_bytes
        try:
            for chunk in () if too_large else response.iter_content(_CHUNK):
                body += chunk
                too_large = len(body) > max_bytes
                if too_large:
                    break
        except BODY_ERRORS as error:
            if not self._deadline.expired:
                return broken_body(error, len(body), self._limits)
        if self._deadline.expired:
            came = f"{len(body):,} bytes of an answer that was not complete"
            return too_late(came, ListingUnreadableError, self._limits)
        if too_large:
            return unreadable(
                f"answered with more than the {max_bytes:,} bytes this page may have",
                "if this listing really is that large, raise the limits",
            )
        return bytes(body)

    def _success(self, request: HttpRequest, response: requests.Response, body: bytes) -> HttpResponse | FailedAttempt:
        fingerprint = body_fingerprint(response.headers, body) if request.known else None
        try:
            # What is stored is redacted already, so a body that equals it needs no search, which takes longer than the
            # hash. A token endpoint's response is not stored, and the secret in it is what was asked for.
            is_safe = request.form is not None or (fingerprint is not None and fingerprint == request.known)
            content = body if is_safe else redact_body(body, self._authorizer.secrets)
        except ListingUnreadableError as error:
            return FailedAttempt(error.message, ListingUnreadableError, transient=False, hint=error.hint)
        shown = self.shown(request.url, named=request.named)
        return HttpResponse(
            url=request.url,
            shown_url=shown,
            where=f"{self._slug}: {request.method} {shown}",
            named=request.named,
            status=response.status_code,
            headers=response.headers,
            content=content,
            received_at=datetime.now(UTC),
            fingerprint=fingerprint if content is body else None,
        )

    def _refusal(self, request: HttpRequest, response: requests.Response) -> FailedAttempt:
        status = response.status_code
        says = describe_error_body(beginning_of_body(response), response.headers.get("Content-Type"), self.redacted)
        if self._deadline.expired:
            came = f"status {status} and an error page that was not complete"
            return too_late(came, ListingUnreadableError, self._limits)
        wait = retry_after_seconds(response.headers, now=time.time())
        if wait is not None and status in HOST_WIDE:
            self._limiter(request.url).pause(wait, status)
        asks = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        # A token endpoint also answers 400 to an unknown client (RFC 6749, 5.2).
        unauthorised = status in UNAUTHORISED or (request.form is not None and status == 400)
        reason = one_line(self.redacted(response.reason or ""), 60)
        return FailedAttempt(
            f"answered {status}{f' {reason}' if reason else ''} ({says}){asks}",
            ListingRefusedError,
            transient=is_transient_status(status),
            hint=self._authorizer.hint if unauthorised else status_hint(status),
            status=status,
            retry_after=wait,
            stage="authorised" if unauthorised else "listing",
        )
