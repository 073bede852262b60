"""JSON bodies, read as strictly as providers' answers are.

Here: what a body may hold. Not here: what each endpoint wants of it (`bodies.py`).
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing import parse_document

# No table can hold them.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class StrictRequest(Request):
    """A request whose body means the same to everybody, and can be stored."""

    async def json(self) -> Any:
        """The body.

        Raises:
            HTTPException: 400: it is not strict JSON, or holds what no table can.
        """
        try:
            document = parse_document(await self.body(), where="the request", content_type=None)
        except ListingUnreadableError as error:
            raise HTTPException(400, error.message.replace("the request answered", "the body is")) from error
        _refuse_unstorable(document)
        return document


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _refuse_unstorable(document: Any) -> None:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _UNSTORABLE.search(value):
                raise HTTPException(400, "the body holds a NUL character, or half of a surrogate pair")
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
