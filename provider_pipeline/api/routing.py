"""The route that all guarded endpoints share: who asks, then whether there is room, and only then the body.

Bodies are read within limits of size and time, and as strictly as providers' responses are.
"""

import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from anyio import fail_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope

from provider_pipeline import catalog
from provider_pipeline.api.access import BEARER, RequiredScope, SlowKind, admit, service_of
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.rules.issues import shown

SMALL_BODY: Final = 64 * 1024
MAX_MEMBERS: Final = 100
"""Members of a body itself: each unknown one is a separate error in the response."""
MAX_VALUES: Final = 400_000
"""Values in a body, estimated: a sample of 50,000 models, whose rule takes a thread some seconds to write."""

_COST: Final = "provider_pipeline_cost"
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL's text takes neither
_E = TypeVar("_E", bound=Callable[..., Any])


def router(tag: str, prefix: str = "/api") -> APIRouter:
    """A router for guarded endpoints, documented with the problems that any of them may answer with."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=GuardedRoute,
        dependencies=[Depends(BEARER)],  # for OpenAPI only: the route has admitted the caller by then
        responses={**responses(400, 401, 403, 404, 408, 413, 422, 429, 500, 503)},
    )


@dataclass(frozen=True)
class _Cost:
    slow: SlowKind | None = None
    large_body: bool = False
    listing: bool = False


def costs(*, slow: SlowKind | None = None, large_body: bool = False, listing: bool = False) -> Callable[[_E], _E]:
    """Marks an endpoint that costs more than a query and a few lines of JSON.

    Args:
        slow: Which limit on concurrent requests it counts towards.
        large_body: Whether its body holds a sample, a rule or a set of overrides.
        listing: Whether it is part of the listing, which the operator can make public.
    """

    def marked(endpoint: _E) -> _E:
        setattr(endpoint, _COST, _Cost(slow, large_body, listing))
        return endpoint

    return marked


class GuardedRoute(APIRoute):
    """A route whose endpoint takes a `Reader`, `Syncer` or `Admin`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the guards in front of it."""
        handler = super().get_route_handler()
        (required,) = [each.call for each in self.dependant.dependencies if isinstance(each.call, RequiredScope)]
        scope: catalog.api_tokens.Scope = required.scope
        cost: _Cost = getattr(self.endpoint, _COST, _Cost())
        known = frozenset(_query_names(self.dependant))

        async def guarded(request: Request) -> Response:
            service = service_of(request)
            await admit(request, scope, listing=cost.listing)
            _refuse_unknown_parameters(request, known)
            largest = service.settings.most_bytes
            max_bytes = largest if cost.large_body else min(SMALL_BODY, largest)
            # The slot comes before the body, because requests that wait with their bodies would fill the memory.
            with service.slot(cost.slow):
                body_seconds = service.settings.body_seconds
                return await handler(StrictRequest(request.scope, request.receive, max_bytes, body_seconds))

        return guarded


def _query_names(dependant: Dependant) -> Iterator[str]:
    for each in dependant.query_params:
        kind = each.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield each.alias
    for further in dependant.dependencies:
        yield from _query_names(further)


def _refuse_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    """A filter that is misspelt must not be an answer without that filter."""
    for name in request.query_params:
        if name not in known:
            hint = f"there are {', '.join(sorted(known))}" if known else "there is none here"
            raise ProblemError(422, "unknown-parameter", f"no parameter {shown(name)}", hint=hint)


class StrictRequest(Request):
    """A request whose body is within limits of size and time, has only one meaning, and can be stored."""

    def __init__(self, scope: Scope, receive: Receive, max_bytes: int, seconds: float) -> None:
        super().__init__(scope, receive)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._content: bytes | None = None

    async def body(self) -> bytes:
        """The body.

        Raises:
            HTTPException: 413: it is too large, or announces to be; 408: it comes too slowly.
        """
        if self._content is None:
            # uvicorn already rejects a Content-Length that is not a number.
            if int(self.headers.get("content-length", 0)) > self._max_bytes:
                raise self._too_large()
            try:
                with fail_after(self._seconds):
                    self._content = await self._read()
            except TimeoutError as error:
                raise HTTPException(
                    408, f"the body did not come within {self._seconds:g} s; send it faster, or less of it"
                ) from error
        return self._content

    async def json(self) -> Any:
        """The body, parsed.

        Raises:
            HTTPException: 400: it is not strict JSON, or PostgreSQL cannot store it.
        """
        # In a thread: megabytes take a second, and the event loop serves others meanwhile.
        return await run_sync(_parse_body, await self.body())

    async def _read(self) -> bytes:
        content = bytearray()
        async for chunk in self.stream():
            content += chunk
            if len(content) > self._max_bytes:
                raise self._too_large()
        return bytes(content)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body of this request may have at most {self._max_bytes:,} bytes")


def _parse_body(content: bytes) -> Any:
    if content.count(b",") >= MAX_VALUES:
        raise HTTPException(400, f"the body has more than {MAX_VALUES:,} values; send a part of the sample")
    try:
        document = parse_document(content, where="the request", content_type=None)
    except ListingUnreadableError as error:
        raise HTTPException(400, error.message.replace("the request answered", "the body is")) from error
    if isinstance(document, dict) and len(document) > MAX_MEMBERS:
        raise HTTPException(400, f"the body has {len(document):,} members; no request takes more than {MAX_MEMBERS}")
    refuse_unstorable(document)
    return document


def refuse_unstorable(document: Any) -> None:
    """Refuses JSON with texts that PostgreSQL cannot store.

    Raises:
        HTTPException: 400: it has some.
    """
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if _UNSTORABLE.search(value):
                raise HTTPException(400, "the body holds a NUL character, or half of a surrogate pair")
        elif isinstance(value, dict):
            pending.extend(value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
