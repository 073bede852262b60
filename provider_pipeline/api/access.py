"""Who is asking, and how often: told from a request's head alone, before a byte of its body is read.

Here: tokens, scopes and rate limits. Not here: tokens as stored (`catalog.api_tokens`).
"""

from datetime import UTC, datetime
from typing import Final

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.security import HTTPBearer

from provider_pipeline import catalog
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.service import CALLER, CHALLENGE, Caller, Service, service_of

BEARER: Final = HTTPBearer(auto_error=False, description="A token made with `provider-pipeline tokens create`.")


async def admit(request: Request, scope: catalog.api_tokens.Scope) -> None:
    """Admits a caller of a scope, and notes it with the request.

    Raises:
        ProblemError: 401: no token, or one that is not accepted; 403: its scope is too small; 429: it asks too often.
    """
    caller = await _caller(request)
    setattr(request.state, CALLER, caller)
    caller.require(scope)


async def _caller(request: Request) -> Caller:
    service = service_of(request)
    host = request.client.host if request.client else ""
    if not service.settings.needs_token:
        _limit(service, ("host", host))
        return Caller(None, "anybody", "admin")
    stranger = ("stranger", host)
    credentials = await BEARER(request)
    if credentials is None:
        _limit(service, stranger)
        raise ProblemError(401, "token-missing", "a token is needed", headers=CHALLENGE)
    digest = catalog.api_tokens.token_digest(credentials.credentials)
    # Before the database is asked: neither guesses nor a token that asks too often cost queries.
    who = ("token", digest) if digest in service.accepted_tokens else stranger
    _limit(service, who)
    found = await run_sync(_find, service.database, digest, limiter=service.token_threads)
    if found is None:
        service.accepted_tokens.discard(digest)
        raise ProblemError(401, "token-refused", "the token is unknown, expired or revoked", headers=CHALLENGE)
    if who is stranger:
        service.accepted_tokens.add(digest)
        service.buckets.put_back(stranger)
        _limit(service, ("token", digest))
    return Caller(found.id, found.name, found.scope)


def _find(database: catalog.database.Database, digest: bytes) -> catalog.api_tokens.ApiToken | None:
    with database.session() as session:
        return catalog.api_tokens.find(session, digest, now=datetime.now(UTC))


def _limit(service: Service, who: object) -> None:
    if wait := service.buckets.take(who):
        raise ProblemError(
            429, "too-many-requests", f"too many requests; the next in {wait} s", headers={"Retry-After": str(wait)}
        )
