"""JSON bodies, read as strictly as providers' answers are, and within limits.

Here: what a body may hold, and how large and slow it may be. Not here: what each endpoint wants of it (`bodies.py`),
and when it is read (`routing.py`).
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from anyio import fail_after
from anyio.to_thread import run_sync
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import parse_document

# No table can hold them.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

MAX_MEMBERS: Final = 100
"""Of a body itself: each one that an endpoint does not know is an error of its own."""

MAX_VALUES: Final = 400_000
"""Values in a body, about: a sample of 50,000 models, whose rule takes a thread some seconds to write."""


@dataclass(frozen=True)
class BodyLimits:
    """How large a body may be, and how long it may take to come.

    Attributes:
        bytes: Its size.
        seconds: From the first byte to the last.
    """

    bytes: int
    seconds: float


class StrictRequest(Request):
    """A request whose body means the same to everybody, and can be stored.

    Args:
        scope: What ASGI says of it.
        receive: Its body.
        limits: Of the body.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits) -> None:
        super().__init__(scope, receive)
        self._limits = limits
        self._content: bytes | None = None

    async def body(self) -> bytes:
        """The body, read within its limits.

        Raises:
            HTTPException: 413: it is larger, or says so; 408: it comes too slowly.
        """
        if self._content is None:
            # uvicorn has refused what is no number.
            if int(self.headers.get("content-length", 0)) > self._limits.bytes:
                raise self._too_large()
            try:
                with fail_after(self._limits.seconds):
                    self._content = await self._read()
            except TimeoutError as error:
                raise HTTPException(
                    408, f"the body did not come within {self._limits.seconds:g} s; send it faster, or less of it"
                ) from error
        return self._content

    async def json(self) -> Any:
        """The body's document.

        Raises:
            HTTPException: 400: it is not strict JSON, or holds what no table can.
        """
        # In a thread: megabytes take a second, and whoever asks meanwhile does not wait for them.
        return await run_sync(_document, await self.body())

    async def _read(self) -> bytes:
        content = bytearray()
        async for chunk in self.stream():
            content += chunk
            if len(content) > self._limits.bytes:
                raise self._too_large()
        return bytes(content)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"this request may have at most {self._limits.bytes:,} bytes")


def _document(content: bytes) -> Any:
    if content.count(b",") >= MAX_VALUES:
        raise HTTPException(400, f"the body has more than {MAX_VALUES:,} values; send a part of the sample")
    try:
        document = parse_document(content, where="the request", content_type=None)
    except ListingUnreadableError as error:
        raise HTTPException(400, error.message.replace("the request answered", "the body is")) from error
    if isinstance(document, dict) and len(document) > MAX_MEMBERS:
        raise HTTPException(400, f"the body has {len(document):,} members, more than any request knows")
    _refuse_unstorable(document)
    return document


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
