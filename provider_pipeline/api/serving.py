"""The HTTP server: uvicorn, with limits on connections that it lacks."""

import asyncio
import math
import sys
from typing import Any, ClassVar, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.gc_tuning import relaxed_gc

MAX_CONNECTIONS: Final = 512
"""A process may open 1,024 files by default, and the catalogue needs some of them."""
MAX_HEADERS: Final = 100
MAX_HEAD: Final = 32 * 1024
DRAIN_SECONDS: Final = 5

_CHUNK: Final = 4 * 1024
_CHECK_SECONDS: Final = 1.0
_SWITCH_SECONDS: Final = 0.0005
"""Python's thread switch interval. A request changes threads a dozen times: with the default of 5 ms, each thread that
works on a sample adds 60 ms to every request."""


def serve(database: catalog.database.Database, settings: ApiSettings, *, host: str, port: int) -> None:
    """Serves the API in the foreground; port 0 is any free one."""
    run(create_app(database, settings), settings, host=host, port=port)


def run(app: ASGIApp, settings: ApiSettings, *, host: str, port: int) -> None:
    """Serves an application in the foreground, within the limits on connections."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    with relaxed_gc():
        uvicorn.run(
            app,
            host=host,
            port=port,
            http=type("Protocol", (BoundedProtocol,), {"limits": settings}),  # uvicorn makes the instances
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=30,
        )


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on one connection, with limits.

    uvicorn only limits how long a connection is idle between requests. This also limits the number of connections, the
    size of a head, and the time to send a head or to read a response. The time to send a body is the application's
    limit (`routing.py`).
    """

    # The parser is httptools: h11 takes two seconds of CPU for a megabyte in chunks of one byte, and blocks the event
    # loop meanwhile. httptools bounds no heads and parses all pipelined requests at once; both are bounded here.

    limits: ClassVar[ApiSettings]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._received = bytearray()
        self._is_feeding = False
        self._has_head = False
        self._is_in_head = False
        self._head_bytes = 0
        self._body_left = 0
        self._waiting_since: float | None = None
        self._unread_since: float | None = None
        self._next_check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a connection, and drops another one if there are too many."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._end_if_late()
        if len(self.connections) > MAX_CONNECTIONS:
            self._longest_waiting().transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the checks."""
        super().connection_lost(exc)
        if self._next_check is not None:
            self._next_check.cancel()

    def data_received(self, data: bytes) -> None:
        """Parses the data, one chunk per turn of the event loop so as not to block other connections."""
        self._received += data
        if not self._is_feeding:
            self._feed()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._body_left = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; trailers after the body are ignored."""
        if not self._is_in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError("too many headers")  # uvicorn answers 400
        if name.lower() == b"content-length":
            self._body_left = int(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._is_in_head = False
        self._has_head = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a part of a body."""
        self._head_bytes = 0
        self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        is_answered = self.cycle.response_complete
        super().on_message_complete()
        self._has_head = False
        self._waiting_since = self.loop.time() if is_answered else None

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        if self.cycle.response_complete:  # else another request has begun
            # The rest of the request may still be on its way: closing now could lose the response.
            self._waiting_since = self.loop.time()
        if not self._is_feeding:
            self._feed()

    def _feed(self) -> None:
        self._is_feeding = False
        if self.transport.is_closing():
            self._received.clear()
        elif not self.pipeline and self._received:
            # A body of known length goes to the parser whole; a chunked one may come in parts of a byte each.
            size = max(_CHUNK, self._body_left)
            chunk = bytes(self._received[:size])
            del self._received[:size]
            # Everything but bodies counts as head: trailers and chunk extensions too.
            self._head_bytes += len(chunk)
            super().data_received(chunk)
            if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response(f"The head of a request may have at most {MAX_HEAD} bytes.")
        self._continue()

    def _continue(self) -> None:
        if self.transport.is_closing():
            return
        if self._received:
            self.transport.pause_reading()
            if not self.pipeline:  # else it continues when the pipelined requests are answered
                self._is_feeding = True
                self.loop.call_soon(self._feed)
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def _end_if_late(self) -> None:
        """Closes the connection if it has waited too long, and schedules the next check."""
        now = self.loop.time()
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if self._unread_since is not None and now - self._unread_since > self.limits.unread_seconds:
            self.transport.abort()
        elif self._waiting_since is not None and now - self._waiting_since > self._max_wait():
            self.transport.close()
        self._next_check = self.loop.call_later(min(_CHECK_SECONDS, self.limits.head_seconds / 2), self._end_if_late)

    def _max_wait(self) -> float:
        if not self._has_head:
            return self.limits.head_seconds
        # While a body is read, its time limit is the application's.
        return DRAIN_SECONDS if self.cycle.response_complete else math.inf

    def _longest_waiting(self) -> "BoundedProtocol":
        """The connection that has waited longest for (the rest of) a request; this one if none waits."""
        connections = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        return min(connections, key=lambda each: each._waiting_since or math.inf, default=self)
