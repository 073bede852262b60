"""Serves agents over HTTP, with the API's tokens, scopes and limits. Without sessions: each request stands alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from fastapi import FastAPI
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from provider_pipeline import catalog
from provider_pipeline.api import problems, serving
from provider_pipeline.api.access import Service, admit, caller_of
from provider_pipeline.api.limits import LoopbackOnly, is_loopback
from provider_pipeline.api.routes import health
from provider_pipeline.api.routing import StrictRequest
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.mcp_server.server import create_server

PATH: Final = "/mcp"
MAX_BODY: Final = 2**20
"""A proposed rule is the largest thing that is sent."""


def serve(database: catalog.database.Database, *, host: str, port: int) -> None:
    """Serves in the foreground; port 0 is any free one."""
    settings = ApiSettings()
    serving.run(create_app(database, settings, host=host), settings, host=host, port=port)


def create_app(database: catalog.database.Database, settings: ApiSettings, *, host: str) -> FastAPI:
    """The application on a catalogue, which must stay open as long as the application runs.

    Args:
        host: Where it listens. On a loopback address it serves this machine only; web pages are refused everywhere.
    """
    service = Service(database, settings)
    server = create_server(
        service,
        lambda context: caller_of(cast("Request", context.request)),
        scope_hint="make a token that has it: provider-pipeline tokens create NAME --scope sync",
    )
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=MAX_BODY)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with manager.run():
            yield

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    app.router.routes.append(Route(PATH, _Endpoint(manager, settings.body_seconds), methods=["POST"]))
    app.include_router(health.routes)
    problems.install(app)
    app.add_middleware(
        LoopbackOnly,
        text="only programs may call this, and no web pages"
        if not is_loopback(host)
        else "only programs on this machine may call this, and no web pages",
        any_host=not is_loopback(host),
    )
    return app


class _Endpoint:
    """Admits a caller from a request's head, then reads the body within the limits, then hands both to the SDK."""

    def __init__(self, manager: StreamableHTTPSessionManager, body_seconds: float) -> None:
        self._manager = manager
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = StrictRequest(scope, receive, MAX_BODY, self._body_seconds)
        await admit(request, "read")
        body: Message = {"type": "http.request", "body": await request.body(), "more_body": False}
        pending = [body]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._manager.handle_request(scope, replay, send)
