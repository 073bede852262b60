"""One HTTP request and its answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as urllib3_errors

from provider_pipeline.errors import (
    ListingError,
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    Stage,
)
from provider_pipeline.listing.auth.credentials import Authorizer
from provider_pipeline.listing.connections import AddressRefused, ListingSession
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.error_responses import (
    NOT_MODIFIED,
    UNAUTHORISED,
    asked_wait,
    is_caused_by,
    refused_hint,
    status_may_pass,
    what_it_says,
    why_unreachable,
)
from provider_pipeline.listing.policy import FetchLimits
from provider_pipeline.listing.rate_limits import HostGate, HostGates, TurnMissed, Turns
from provider_pipeline.listing.redaction import named_url, one_line, redact_body, redact_quote, redacted_url


@dataclass(frozen=True)
class Answer:
    """A successful answer.

    Attributes:
        url: Where it came from, after redirects, without credentials.
        shown_url: The same, redacted.
        where: The same, with the provider, as an error's text begins.
        named: The server named the URL; see `Wanted`.
        status: 200, 203, or 304 if that was asked for.
        headers: As received.
        content: The body, decompressed, with secrets masked unless it is a token that was asked for; empty for a 304.
        received_at: When it was complete.
    """

    url: str = field(repr=False)
    shown_url: str
    where: str
    named: bool
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Failure:
    """One failed attempt; `reason` continues the words "GET <url>"."""

    reason: str
    kind: type[ListingError]
    transient: bool
    hint: str | None = None
    status: int | None = None
    retry_after: float | None = None
    stage: Stage = "listing"


@dataclass(frozen=True)
class Wanted:
    """A request: a GET of a listing's page, or a form for a token endpoint.

    Attributes:
        url: Without credentials.
        form: What is posted; None for a GET.
        headers: Further headers.
        named: The server named the URL; its query is not shown, since it may quote an earlier request.
    """

    url: str = field(repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    named: bool = False

    @property
    def method(self) -> str:
        """Its method, as texts name it."""
        return "GET" if self.form is None else "POST"


@dataclass(frozen=True)
class Redirect:
    """An answer that names another URL."""

    status: int
    location: str


_CHUNK: Final = 64 * 1024
_ERROR_BODY: Final = 16 * 1024
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ANSWERS: Final = frozenset({200, 203})
_ASKS_EVERYBODY: Final = frozenset({429, 503})
_BROKEN: Final = (requests.RequestException, urllib3_errors.HTTPError, OSError, ValueError)
"""What reading a body raises; a chunk of a negative size, the last of them."""


class Exchange:
    """Sends requests, one at a time and each once; for one thread.

    Args:
        slug: The provider.
        authorizer: Whose secrets no text may show.
        session: What requests are sent with.
        deadline: Runs while a request does.
        limits: What an answer may cost.
        gates: Where requests take their turns at a host.
        turns: What they keep to.
    """

    def __init__(
        self,
        slug: str,
        authorizer: Authorizer,
        session: ListingSession,
        deadline: Deadline,
        limits: FetchLimits,
        gates: HostGates,
        turns: Turns,
    ) -> None:
        self._slug = slug
        self._authorizer = authorizer
        self._session = session
        self._deadline = deadline
        self._limits = limits
        self._gates = gates
        self._turns = turns

    def where(self, url: str, method: str = "GET", *, named: bool = False) -> str:
        """Provider and redacted URL, as every error's text begins."""
        return f"{self._slug}: {method} {self.shown(url, named=named)}"

    def shown(self, url: str, *, named: bool = False) -> str:
        """A URL, redacted; of one that the server named, no query."""
        return (named_url if named else redacted_url)(url, self._authorizer.secrets)

    def said(self, text: str) -> str:
        """A text of the server's, redacted."""
        return redact_quote(text, self._authorizer.secrets)

    def once(self, wanted: Wanted, most_bytes: int) -> Answer | Failure | Redirect:
        """Send a request when it is its turn, and read its answer."""
        try:
            # Authorising may ask for a token first, at the same host perhaps: not during a turn there.
            request = self._session.prepare(wanted.method, wanted.url, wanted.form, wanted.headers)
            with self._gate(wanted.url).turn(self._turns, self._deadline.left):
                return self._send(wanted, request, most_bytes)
        except TurnMissed as missed:
            return self._not_our_turn(missed)
        except AddressRefused as refused:
            refusal = refused.refusal
            return Failure(
                refusal.reason, ListingUnreachableError, transient=False, hint=refusal.hint, stage="connection"
            )
        except requests.exceptions.InvalidHeader:
            # Of the answer, such as two lengths that differ; those of the request were checked when it was prepared.
            return Failure(
                "answered with headers that contradict each other",
                ListingUnreadableError,
                transient=False,
                hint="a proxy in between may be misconfigured",
            )
        except requests.RequestException as error:
            return self._no_answer(error)
        except (urllib3_errors.HTTPError, OSError, ValueError) as error:
            # What requests lets through unwrapped: malformed proxies, unusable host names, header bytes it cannot
            # decode.
            return Failure(
                f"could not be sent: {type(error).__name__}",
                ListingUnreachableError,
                transient=False,
                hint="check the URL",
                stage="connection",
            )

    def _send(self, wanted: Wanted, request: requests.PreparedRequest, most_bytes: int) -> Answer | Failure | Redirect:
        # Only a connection that stands can be cut at the deadline, so connecting gets no more than what is left, and a
        # little, for the deadline to be the reason.
        timeouts = (min(self._limits.connect_timeout, self._deadline.left + 0.1), self._limits.read_timeout)
        with self._session.send(request, timeouts) as response:
            if self._deadline.expired:
                # The cut connection looked like the end of the headers.
                return self._late("no answer came", ListingUnreachableError)
            return self._read(wanted, response, most_bytes)

    def _gate(self, url: str) -> HostGate:
        return self._gates.at(urlsplit(url).netloc.lower())

    def _not_our_turn(self, missed: TurnMissed) -> Failure:
        if missed.pause is None:
            return self._late("no turn among the requests to this host came", ListingUnreachableError)
        return Failure(
            f"is not sent: the host answered {missed.status} to another request, and asks to be left alone for "
            f"{missed.pause:.0f} s",
            ListingRefusedError,
            transient=True,
            retry_after=missed.pause,
            hint="the next scheduled check tries again; give the provider less concurrency or requests per second",
            status=missed.status,
        )

    def _read(self, wanted: Wanted, response: requests.Response, most_bytes: int) -> Answer | Failure | Redirect:
        status = response.status_code
        if status == NOT_MODIFIED and wanted.headers and wanted.form is None:
            return self._answer(wanted, response, b"")
        if status in _REDIRECTS and "Location" in response.headers:
            return Redirect(status, response.headers["Location"])
        if status not in _ANSWERS:
            return self._refusal(wanted, response)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            return Failure(
                f"answered in content encoding {one_line(self.said(encoding), 40)!r}, though only gzip and deflate "
                "were offered",
                ListingUnreadableError,
                transient=False,
                hint="a proxy in between may be misconfigured",
            )
        body = self._body(response, most_bytes)
        return body if isinstance(body, Failure) else self._answer(wanted, response, body)

    def _answer(self, wanted: Wanted, response: requests.Response, body: bytes) -> Answer | Failure:
        try:
            # A token endpoint's answer is not stored, and the secret in it is what was asked for.
            content = body if wanted.form is not None else redact_body(body, self._authorizer.secrets)
        except ListingUnreadableError as error:
            return Failure(error.message, ListingUnreadableError, transient=False, hint=error.hint)
        shown = self.shown(wanted.url, named=wanted.named)
        return Answer(
            url=wanted.url,
            shown_url=shown,
            where=f"{self._slug}: {wanted.method} {shown}",
            named=wanted.named,
            status=response.status_code,
            headers=response.headers,
            content=content,
            received_at=datetime.now(UTC),
        )

    def _body(self, response: requests.Response, most_bytes: int) -> bytes | Failure:
        body = bytearray()
        stated = response.headers.get("Content-Length", "")
        too_large = stated.isdecimal() and len(stated) < 20 and int(stated) > most_bytes
        try:
            for chunk in () if too_large else response.iter_content(_CHUNK):
                body += chunk
                too_large = len(body) > most_bytes
                if too_large:
                    break
        except _BROKEN as error:
            if not self._deadline.expired:
                return self._broken_body(error, len(body))
        if self._deadline.expired:
            return self._late(f"{len(body):,} bytes of an answer that was not complete", ListingUnreadableError)
        if too_large:
            return Failure(
                f"answered with more than the {most_bytes:,} bytes this page may have",
                ListingUnreadableError,
                transient=False,
                hint="if this listing really is that large, raise the limits",
            )
        return bytes(body)

    def _broken_body(self, error: Exception, received: int) -> Failure:
        if isinstance(error, requests.exceptions.ContentDecodingError):
            reason, transient = "answered with a body that its Content-Encoding does not fit", False
        elif is_caused_by(error, urllib3_errors.ReadTimeoutError):
            reason, transient = f"stopped in the middle of its answer for {self._limits.read_timeout:g} s", True
        else:
            reason, transient = "broke off in the middle of its answer", True
        return Failure(
            f"{reason} ({received:,} bytes came)",
            ListingUnreadableError,
            transient=transient,
            hint="the next scheduled check tries again" if transient else "a proxy in between may be misconfigured",
        )

    def _refusal(self, wanted: Wanted, response: requests.Response) -> Failure:
        status = response.status_code
        says = what_it_says(_beginning(response), response.headers.get("Content-Type"), self.said)
        if self._deadline.expired:
            return self._late(f"status {status} and an error page that was not complete", ListingUnreadableError)
        wait = asked_wait(response.headers, now=time.time())
        if wait is not None and status in _ASKS_EVERYBODY:
            self._gate(wanted.url).pause(wait, status)
        asks = f" and asks to wait {wait:.0f} s" if wait is not None else ""
        # A token endpoint says 400, too, when it does not know the client (RFC 6749, 5.2).
        unauthorised = status in UNAUTHORISED or (wanted.form is not None and status == 400)
        reason = one_line(self.said(response.reason or ""), 60)
        return Failure(
            f"answered {status}{f' {reason}' if reason else ''} ({says}){asks}",
            ListingRefusedError,
            transient=status_may_pass(status),
            hint=self._authorizer.hint if unauthorised else refused_hint(status),
            status=status,
            retry_after=wait,
            stage="authorised" if unauthorised else "listing",
        )

    def _late(self, came: str, kind: type[ListingError]) -> Failure:
        return Failure(
            f"took too long: {came} within the {self._limits.deadline:g} s a whole listing may take",
            kind,
            transient=True,
            hint="the next scheduled check tries again; a slow provider needs a longer deadline",
        )

    def _no_answer(self, error: requests.RequestException) -> Failure:
        if self._deadline.expired:
            return self._late("no answer came", ListingUnreachableError)
        why = why_unreachable(error, self._limits)
        return Failure(why.reason, ListingUnreachableError, transient=why.transient, hint=why.hint, stage=why.stage)


def _beginning(response: requests.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_content(4096):
            body += chunk
            if len(body) >= _ERROR_BODY:
                break
    except _BROKEN:
        # The status already says that it failed; what came of the page's text is enough.
        return bytes(body)
    return bytes(body)
