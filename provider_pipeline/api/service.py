"""What every endpoint stands on: the catalogue, the settings, and who is asking.

Here: the dependencies `Reader`, `Syncer` and `Admin`, which an endpoint takes instead of a session. Not here: tokens
themselves (`catalog.api_tokens`).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.api.limits import TokenBuckets
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.listing import ListingClient

CALLER: Final = "caller"

_BEARER = HTTPBearer(auto_error=False, description="A token made with `provider-pipeline tokens create`.")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="provider_pipeline"'}


@dataclass(frozen=True)
class Service:
    """The application's parts.

    Attributes:
        database: The catalogue.
        settings: The settings.
        client: Fetches listings.
        buckets: The rate limits.
    """

    database: catalog.Database
    settings: ApiSettings
    client: ListingClient = field(default_factory=ListingClient)
    buckets: TokenBuckets = field(init=False)

    def __post_init__(self) -> None:
        buckets = TokenBuckets(self.settings.requests_per_second, self.settings.burst, time.monotonic)
        object.__setattr__(self, "buckets", buckets)


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
    scope: catalog.Scope


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

    def require(self, scope: catalog.Scope, purpose: str = "this") -> None:
        """Refuses the request unless the caller has a scope.

        Args:
            scope: The least that is needed.
            purpose: What needs it, where that is only a part of what the endpoint does.

        Raises:
            ProblemError: 403: it has a smaller one.
        """
        if catalog.SCOPES.index(self.caller.scope) < catalog.SCOPES.index(scope):
            raise ProblemError(
                403,
                "scope-missing",
                f"{purpose} needs a token of the scope {scope}; {self.caller.name!r} has {self.caller.scope}",
                headers={"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="insufficient_scope"'},
            )

    def provider(self, slug: str) -> catalog.Provider:
        """The provider of that slug.

        Raises:
            UnknownProviderError: There is none.
        """
        return catalog.get_provider(self.session, slug)


def service_of(request: Request) -> Service:
    """The application's parts."""
    found: Service = request.app.state.service
    return found


def _calls(scope: catalog.Scope) -> Callable[..., Iterator[Call]]:
    def call(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> Iterator[Call]:
        service = service_of(request)
        with service.database.session() as session:
            caller = _caller(service, session, credentials, request)
            setattr(request.state, CALLER, caller)
            allowed = Call(session, caller, service)
            allowed.require(scope)
            session.rollback()
            yield allowed

    return call


def _caller(
    service: Service, session: Session, credentials: HTTPAuthorizationCredentials | None, request: Request
) -> Caller:
    host = request.client.host if request.client else ""
    if not service.settings.needs_token:
        _limit(service, ("host", host))
        return Caller(None, "anybody", "admin")
    token = None if credentials is None else catalog.find_token(session, credentials.credentials, now=datetime.now(UTC))
    if token is None:
        _limit(service, ("stranger", host))
        detail = "a token is needed" if credentials is None else "the token is unknown, expired or revoked"
        raise ProblemError(401, "token-missing" if credentials is None else "token-refused", detail, headers=_CHALLENGE)
    _limit(service, ("token", token.id))
    return Caller(token.id, token.name, token.scope)


def _limit(service: Service, who: object) -> None:
    if wait := service.buckets.take(who):
        raise ProblemError(
            429, "too-many-requests", f"too many requests; the next in {wait} s", headers={"Retry-After": str(wait)}
        )


# The session ends with the endpoint, not with the last byte that a slow client reads.
Reader = Annotated[Call, Depends(_calls("read"), scope="function")]
Syncer = Annotated[Call, Depends(_calls("sync"), scope="function")]
Admin = Annotated[Call, Depends(_calls("admin"), scope="function")]
