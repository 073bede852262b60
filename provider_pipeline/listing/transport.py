"""A URL's answer, by as many requests as that takes: retries, redirects, renewed credentials.

Here: what is tried again or followed, and the errors that say what happened. Not here: one request (`exchange`), which
URLs follow (`paging`), what the bytes mean (`documents`). The concept: nothing a server does may make us hand its key
to somebody else, or come back sooner than it wants.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import urljoin

from provider_pipeline.errors import ListingError, ListingRefusedError
from provider_pipeline.listing.addresses import may_follow
from provider_pipeline.listing.auth.credentials import Authorizer, TokenExchange
from provider_pipeline.listing.connections import ListingSession
from provider_pipeline.listing.deadline import Deadline
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.error_responses import kept_headers
from provider_pipeline.listing.exchange import Answer, Exchange, Failure, Redirect, Wanted
from provider_pipeline.listing.policy import FetchLimits, RequestPolicy
from provider_pipeline.listing.rate_limits import HostGates, Turns
from provider_pipeline.listing.redaction import redact

MOST_REDIRECTS: Final = 3
_UNAUTHORIZED: Final = 401
_TOKEN_BODY: Final = 256 * 1024
_UNCONDITIONAL: Final[Mapping[str, str]] = {}


class Transport:
    """The HTTP side of one listing; a context manager, for one thread.

    Args:
        slug: The provider.
        authorize: Makes what lets its requests in, given the way to ask a token endpoint.
        limits: What the listing may cost.
        policy: Which addresses may be asked.
        deadline: How long all of it may take.
        gates: Where its requests take turns with others'; alone if None.
        chance: A random number from 0 to 1, by which waits differ.

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
        gates: HostGates | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._slug = slug
        self._limits = limits
        self._policy = policy
        self._authorizer = authorize(self.post_form)
        self._deadline = deadline
        self._session = ListingSession(self._deadline, policy, self._authorizer)
        self._gates = gates or HostGates()
        self._chance = chance
        turns = Turns(
            concurrency=limits.concurrency,
            interval=1 / policy.requests_per_second if policy.requests_per_second else 0.0,
            longest_pause=limits.longest_wait,
        )
        self._exchange = Exchange(slug, self._authorizer, self._session, self._deadline, limits, self._gates, turns)

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

    def where(self, url: str, *, named: bool = False) -> str:
        """Provider and redacted URL, as every error's text begins."""
        return self._exchange.where(url, named=named)

    def shown(self, url: str, *, named: bool = False) -> str:
        """A URL, redacted; of one that the server named, no query."""
        return self._exchange.shown(url, named=named)

    def said(self, text: str) -> str:
        """A text of the server's, redacted."""
        return self._exchange.said(text)

    def kept_headers(self, answer: Answer) -> dict[str, str]:
        """An answer's headers that are worth keeping, redacted."""
        return kept_headers(answer.headers, self._authorizer.secrets)

    def get(
        self, url: str, *, most_bytes: int, conditions: Mapping[str, str] = _UNCONDITIONAL, named: bool = False
    ) -> Answer:
        """Fetch a URL, trying again where that may help.

        Args:
            url: Without credentials; they are added for the wire only.
            most_bytes: How large the body may be, decompressed.
            conditions: Headers that ask whether what this very URL gave before has changed; not sent where it
                redirects to.
            named: The server named the URL; see `Wanted`.

        Raises:
            ListingUnreachableError: No answer's headers came: name, connection, TLS, time-out.
            ListingRefusedError: An error status came, or a redirect that is not followed.
            ListingUnreadableError: A body began that is too large, in an unknown encoding, or broke off.
        """
        return self._ask(Wanted(url, headers=conditions, named=named), most_bytes)

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Send a form to a token endpoint, within this listing's time, and read its JSON answer.

        On a connection of its own, so that the listing's stays watched. Redirects are not followed.

        Raises:
            ListingUnreachableError: See `get`.
            ListingRefusedError: See `get`.
            ListingUnreadableError: See `get`; or the answer is not a JSON document.
        """
        bystander = Authorizer(hint=self._authorizer.hint, secrets=self._authorizer.secrets)
        deadline = Deadline(self._deadline.left, self._slug)
        with Transport(
            self._slug,
            lambda _: bystander,
            self._limits,
            self._policy,
            deadline,
            gates=self._gates,
            chance=self._chance,
        ) as transport:
            answer = transport._ask(Wanted(url, form, headers), _TOKEN_BODY)
        kind = answer.headers.get("Content-Type")
        return parse_document(answer.content, where=answer.where, content_type=kind, said=self.said)

    def _ask(self, wanted: Wanted, most_bytes: int) -> Answer:
        renewed = False
        with self._deadline.running():
            outcome, attempts = self._attempt(wanted, most_bytes), 1
            while isinstance(outcome, Failure):
                wait = self._wait(outcome, attempts)
                if outcome.status == _UNAUTHORIZED and not renewed and self._authorizer.renew():
                    wait, renewed = 0.0, True
                if wait is None or wait >= self._deadline.left:
                    break
                time.sleep(wait)
                outcome, attempts = self._attempt(wanted, most_bytes), attempts + 1
        # Outside of any handler, so that no original exception, whose text may hold the key, hangs on to the error.
        if isinstance(outcome, Failure):
            raise self._error(wanted, outcome, attempts)
        return outcome

    def _wait(self, failure: Failure, attempts: int) -> float | None:
        return retry_wait(attempts, failure.retry_after, self._limits, self._chance()) if failure.transient else None

    def _error(self, wanted: Wanted, failure: Failure, attempts: int) -> ListingError:
        where = self._exchange.where(wanted.url, wanted.method, named=wanted.named)
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

    def _attempt(self, wanted: Wanted, most_bytes: int) -> Answer | Failure:
        url = wanted.url
        outcome = self._exchange.once(wanted, most_bytes)
        for _ in range(MOST_REDIRECTS):
            if not isinstance(outcome, Redirect):
                return outcome
            target = _resolved(url, outcome.location)
            if wanted.form is not None or target is None or not may_follow(wanted.url, target):
                where = self.shown(target or outcome.location, named=True)
                return Failure(
                    f"answered {outcome.status} with a redirect to {where}, "
                    "which is not followed: credentials stay on the configured host",
                    ListingRefusedError,
                    transient=False,
                    hint="if the provider has moved, change its configured URL",
                    status=outcome.status,
                )
            url = target
            outcome = self._exchange.once(Wanted(url, named=True), most_bytes)
        if not isinstance(outcome, Redirect):
            return outcome
        return Failure(
            f"answered with more than {MOST_REDIRECTS} redirects",
            ListingRefusedError,
            transient=False,
            hint="check the base URL",
            status=outcome.status,
        )


def retry_wait(attempts: int, retry_after: float | None, limits: FetchLimits, chance: float) -> float | None:
    """Seconds to wait before the next attempt, after so many; None when there should be none.

    The wait doubles with each attempt, and is somewhere between its half and its whole, so that those who failed
    together do not come back together. A server is never asked sooner than it wants; one that asks for more than
    `limits.longest_wait` is left alone rather than asked too early.

    Args:
        attempts: How many there were.
        retry_after: What the server asks for, in seconds.
        limits: How patient to be.
        chance: From 0 to 1: which of the waits to take.
    """
    if attempts > limits.retries or (retry_after is not None and retry_after > limits.longest_wait):
        return None
    wait = min(limits.backoff * 2.0 ** (attempts - 1), limits.longest_wait) * (1 + chance) / 2
    return wait if retry_after is None else max(retry_after, limits.backoff) + limits.backoff * chance / 2


def _resolved(url: str, location: str) -> str | None:
    try:
        return urljoin(url, location)
    except ValueError:
        return None
