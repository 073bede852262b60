"""What every endpoint stands on: the catalogue, the settings, and the request that it may answer.

Here: the dependencies `Reader`, `Syncer` and `Admin`, which an endpoint takes instead of a session and which say the
scope it needs. Not here: who is asking (`access.py`).
"""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Request
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.api.limits import Slots, TokenBuckets
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.listing.client import ListingClient

CALLER: Final = "caller"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="provider_pipeline"'}

_QUICK_THREADS: Final = 6
_TOKEN_THREADS: Final = 4
_HEALTH_THREADS: Final = 2

Slow = Literal["sync", "computation"]


@dataclass(frozen=True)
class Service:
    """The application's parts.

    Attributes:
        database: The catalogue.
        settings: The settings.
        client: Fetches listings.
        buckets: The rate limits.
        accepted_tokens: Digests of tokens that were accepted before.
        token_threads: Threads that look tokens up.
        health_threads: Threads that answer how the service is doing, whatever the others are busy with.
    """

    database: catalog.database.Database
    settings: ApiSettings
    client: ListingClient = field(default_factory=ListingClient)
    buckets: TokenBuckets = field(init=False)
    accepted_tokens: set[bytes] = field(default_factory=set, repr=False)
    token_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_TOKEN_THREADS))
    health_threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_HEALTH_THREADS))
    _slots: dict[Slow, Slots] = field(init=False)

    def __post_init__(self) -> None:
        chosen = self.settings
        object.__setattr__(self, "buckets", TokenBuckets(chosen.requests_per_second, chosen.burst, time.monotonic))
        slots: dict[Slow, Slots] = {
            "sync": Slots(chosen.syncs_at_once, "syncs"),
            "computation": Slots(chosen.computations_at_once, "computations"),
        }
        object.__setattr__(self, "_slots", slots)

    @property
    def threads(self) -> int:
        """How many threads there are for all but the look-up of tokens and health.

        All that is slow leaves some free. With the others they are fewer than the engine has connections.
        """
        return self.settings.syncs_at_once + self.settings.computations_at_once + _QUICK_THREADS

    def slot(self, kind: Slow | None) -> AbstractContextManager[None]:
        """Holds one of the slots of a slow kind of request; of the others there may be any number.

        Raises:
            ProblemError: 429: all are taken.
        """
        return nullcontext() if kind is None else self._slots[kind].one()


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        id: The token's number; None where no token is needed.
        name: The token's name.
        scope: What it is good for.
    """

    id: int | None
    name: str
    scope: catalog.api_tokens.Scope

    def require(self, scope: catalog.api_tokens.Scope, purpose: str = "this") -> None:
        """Refuses the request unless the caller has a scope.

        Args:
            scope: The least that is needed.
            purpose: What needs it, where that is only a part of what the endpoint does.

        Raises:
            ProblemError: 403: it has a smaller one.
        """
        if catalog.api_tokens.SCOPES.index(self.scope) < catalog.api_tokens.SCOPES.index(scope):
            raise ProblemError(
                403,
                "scope-missing",
                f"{purpose} needs a token of the scope {scope}; {self.name!r} has {self.scope}",
                headers={"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="insufficient_scope"'},
            )


@dataclass(frozen=True)
class Call:
    """A request that may be answered.

    Attributes:
        session: A session without pending changes, closed with the request.
        caller: Who asks.
        service: What to answer with.
    """

    session: Session
    caller: Caller
    service: Service

    @property
    def created_by_id(self) -> int | None:
        """Who is responsible for what the request changes."""
        return self.caller.id

    def provider(self, slug: str) -> catalog.providers.Provider:
        """The provider of that slug.

        Raises:
            UnknownProviderError: There is none.
        """
        return catalog.providers.get(self.session, slug)


def service_of(request: Request) -> Service:
    """The application's parts."""
    found: Service = request.app.state.service
    return found


@dataclass(frozen=True)
class Needs:
    """The dependency of an endpoint on a caller of a scope, whom `GuardedRoute` has admitted by then."""

    scope: catalog.api_tokens.Scope

    async def __call__(self, request: Request) -> AsyncIterator[Call]:
        """The request, with a session of its own."""
        service = service_of(request)
        session = service.database.session()
        try:
            yield Call(session, getattr(request.state, CALLER), service)
        finally:
            # It may ask the database; waiting for a thread meanwhile, it would keep a connection from those at work.
            await run_sync(session.close, limiter=CapacityLimiter(1))


# The session ends with the endpoint, not with the last byte that a slow client reads.
Reader = Annotated[Call, Depends(Needs("read"), scope="function")]
Syncer = Annotated[Call, Depends(Needs("sync"), scope="function")]
Admin = Annotated[Call, Depends(Needs("admin"), scope="function")]
