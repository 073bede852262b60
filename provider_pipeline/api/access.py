"""Authentication, scopes, the context that an endpoint gets, and the audit log.

An endpoint takes a `Reader`, `Syncer` or `Admin` parameter: the request's context, and the scope it needs.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provider_pipeline import catalog
from provider_pipeline.api.limits import Slots, TokenBuckets
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.errors import CatalogError
from provider_pipeline.listing.client import ListingClient

BEARER: Final = HTTPBearer(auto_error=False, description="A token made with `provider-pipeline tokens create`.")

_CALLER: Final = "caller"  # in a request's state
_CHALLENGE: Final = 'Bearer realm="provider_pipeline"'
_FAST_THREADS: Final = 6
_TOKEN_THREADS: Final = 4
_HEALTH_THREADS: Final = 2
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_PATH: Final = 2000
_LOG = logging.getLogger("provider_pipeline.api")

SlowKind = Literal["sync", "computation"]


class Service:
    """What all requests of an application share.

    Attributes:
        accepted_tokens: Digests of tokens that were valid when last looked up.
        token_threads: Threads for token look-ups.
        health_threads: Threads for health and metrics, so that these answer however busy the others are.
    """

    def __init__(self, database: catalog.database.Database, settings: ApiSettings) -> None:
        self.database = database
        self.settings = settings
        self.client = ListingClient()
        self.buckets = TokenBuckets(settings.requests_per_second, settings.burst, time.monotonic)
        self.accepted_tokens: set[bytes] = set()
        self.token_threads = CapacityLimiter(_TOKEN_THREADS)
        self.health_threads = CapacityLimiter(_HEALTH_THREADS)
        self._slots: dict[SlowKind, Slots] = {
            "sync": Slots(settings.syncs_at_once, "syncs"),
            "computation": Slots(settings.computations_at_once, "computations"),
        }

    @property
    def threads(self) -> int:
        """Worker threads for everything but token look-ups and health.

        Slow requests leave some of them free, and all threads together are fewer than the database connections.
        """
        return self.settings.syncs_at_once + self.settings.computations_at_once + _FAST_THREADS

    def slot(self, kind: SlowKind | None) -> AbstractContextManager[None]:
        """Holds a slot of a slow kind of request; None is not limited.

        Raises:
            ProblemError: 429: all slots are taken.
        """
        return nullcontext() if kind is None else self._slots[kind].hold()


def service_of(request: Request) -> Service:
    """What the request's application shares."""
    service: Service = request.app.state.service
    return service


@dataclass(frozen=True)
class Caller:
    """Who sent a request; `id` is the token's, None where no token is needed."""

    id: int | None
    name: str
    scope: catalog.api_tokens.Scope

    def has(self, scope: catalog.api_tokens.Scope) -> bool:
        """Whether the caller has a scope."""
        return catalog.api_tokens.SCOPES.index(self.scope) >= catalog.api_tokens.SCOPES.index(scope)

    def require(self, scope: catalog.api_tokens.Scope, purpose: str = "this") -> None:
        """Refuses the request unless the caller has a scope; `purpose` names the part of the request that needs it.

        Raises:
            ProblemError: 403: the caller has a smaller one.
        """
        if not self.has(scope):
            raise ProblemError(
                403,
                "scope-missing",
                f"{purpose} needs a token with the scope {scope}; {self.name!r} has {self.scope}",
                headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'},
            )


def caller_of(request: Request) -> Caller:
    """Who sent a request that `admit` has admitted."""
    caller: Caller = getattr(request.state, _CALLER)
    return caller


@dataclass(frozen=True)
class RequestContext:
    """What an endpoint needs to answer an admitted request; the session ends with the endpoint."""

    session: Session
    caller: Caller
    service: Service

    @property
    def created_by_id(self) -> int | None:
        """Whom to record as the author of changes."""
        return self.caller.id

    def provider(self, slug: str) -> catalog.providers.Provider:
        """The provider with that slug.

        Raises:
            UnknownProviderError: No provider has that slug.
        """
        return catalog.providers.get(self.session, slug)


@dataclass(frozen=True)
class RequiredScope:
    """An endpoint's dependency on a caller with a scope, whom `GuardedRoute` has admitted by then."""

    scope: catalog.api_tokens.Scope

    async def __call__(self, request: Request) -> AsyncIterator[RequestContext]:
        """The request's context, with a session of its own."""
        service = service_of(request)
        session = service.database.session()
        try:
            yield RequestContext(session, caller_of(request), service)
        finally:
            # Closing may ask the database. In the queue for a worker thread it would hold its connection meanwhile.
            await run_sync(session.close, limiter=CapacityLimiter(1))


# Function scope: the session ends with the endpoint, not with the last byte that a slow client reads.
Reader = Annotated[RequestContext, Depends(RequiredScope("read"), scope="function")]
Syncer = Annotated[RequestContext, Depends(RequiredScope("sync"), scope="function")]
Admin = Annotated[RequestContext, Depends(RequiredScope("admin"), scope="function")]


async def admit(request: Request, scope: catalog.api_tokens.Scope, *, listing: bool = False) -> None:
    """Admits a caller with a scope, from the request's head alone.

    Args:
        listing: Whether the endpoint is part of the listing, which may be public. Its clients send some key or other,
            which is then not looked at.

    Raises:
        ProblemError: 401: no valid token; 403: its scope is too small; 429: too many requests.
    """
    service = service_of(request)
    if listing and service.settings.public_listing and service.settings.needs_token:
        _check_rate(service, ("stranger", request.client.host if request.client else ""))
        caller = Caller(None, "anyone", "read")
    else:
        caller = await _authenticate(request)
    setattr(request.state, _CALLER, caller)
    caller.require(scope)


async def _authenticate(request: Request) -> Caller:
    service = service_of(request)
    host = request.client.host if request.client else ""
    if not service.settings.needs_token:
        _check_rate(service, ("host", host))
        return Caller(None, "operator", "admin")
    stranger = ("stranger", host)
    credentials = await BEARER(request)
    if credentials is None:
        _check_rate(service, stranger)
        raise ProblemError(
            401, "token-missing", "the request has no bearer token", headers={"WWW-Authenticate": _CHALLENGE}
        )
    digest = catalog.api_tokens.token_digest(credentials.credentials)
    # Checked before the look-up, so that neither guesses nor a token over its limit cost queries.
    bucket = ("token", digest) if digest in service.accepted_tokens else stranger
    _check_rate(service, bucket)
    found = await run_sync(_find_token, service.database, digest, limiter=service.token_threads)
    if found is None:
        service.accepted_tokens.discard(digest)
        raise ProblemError(
            401,
            "token-refused",
            "the token is unknown, expired or revoked",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    if bucket is stranger:
        service.accepted_tokens.add(digest)
        service.buckets.put_back(stranger)
        _check_rate(service, ("token", digest))
    return Caller(found.id, found.name, found.scope)


def _find_token(database: catalog.database.Database, digest: bytes) -> catalog.api_tokens.ApiToken | None:
    with database.session() as session:
        return catalog.api_tokens.find(session, digest, now=datetime.now(UTC))


def _check_rate(service: Service, bucket: object) -> None:
    if wait := service.buckets.take(bucket):
        text = f"too many requests; try again in {wait} s"
        raise ProblemError(429, "too-many-requests", text, headers={"Retry-After": str(wait)})


class AuditLog:
    """Middleware that records each request of a known caller that could change something.

    The row is written before the response is sent. What the request changed has its author in its own table.
    """

    def __init__(self, app: ASGIApp, database: catalog.database.Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start" and _CALLER in state:
                await run_in_threadpool(self._record, state[_CALLER], scope, message["status"])
            await send(message)

        await self._app(scope, receive, recorded)

    def _record(self, caller: Caller, scope: Scope, status: int) -> None:
        path = scope["raw_path"].decode("ascii", "backslashreplace").partition("?")[0][:_MAX_PATH]
        record_request(self._database, caller, method=scope["method"], path=path, status=status)


def record_request(database: catalog.database.Database, caller: Caller, *, method: str, path: str, status: int) -> None:
    """Adds a request to the audit log, or says in the process's log that this failed."""
    try:
        with database.session() as session:
            catalog.api_tokens.record_request(session, token_id=caller.id, method=method, path=path, status=status)
            session.commit()
    except CatalogError as error:
        # Too late to fail the request: what it did is already committed.
        _LOG.error("not in api_audit: %s %s by %s: %s", method, path, caller.name, error.message)
