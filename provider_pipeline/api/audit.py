"""The record of who asked to change what.

Here: a row for each request that could change something, written before its answer is sent. Not here: what it changed;
that has its author in its own table.
"""

import logging
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provider_pipeline import catalog
from provider_pipeline.api.service import CALLER, Caller
from provider_pipeline.errors import CatalogError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_PATH = 2000
_LOG = logging.getLogger("provider_pipeline.api")


class Audit:
    """Notes the requests of known callers that could change something.

    Args:
        app: The application.
        database: The catalogue.
    """

    def __init__(self, app: ASGIApp, database: catalog.database.Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and CALLER in state:
                await run_in_threadpool(self._note, state[CALLER], scope, message["status"])
            await send(message)

        await self._app(scope, receive, noting)

    def _note(self, caller: Caller, scope: Scope, status: int) -> None:
        path = scope["raw_path"].decode("ascii", "backslashreplace").partition("?")[0][:_LONGEST_PATH]
        try:
            with self._database.session() as session:
                catalog.api_tokens.record_request(
                    session, token_id=caller.id, method=scope["method"], path=path, status=status
                )
                session.commit()
        except CatalogError as error:
            # The answer says what happened to the request, and that is decided.
            _LOG.error("not noted: %s %s by %s: %s", scope["method"], path, caller.name, error.message)
