"""Connections that may not wait for ever, nor bring more than the API is ready to hold.

Here: uvicorn's protocol with limits that it lacks; it has a time-out for idle connections between requests only. Not
here: the time and size of a body that is awaited (`strict.py`).
The parser is httptools: h11 takes two seconds of CPU for a megabyte that comes in chunks of one byte, and stops the
event loop meanwhile. httptools has no bound on heads and parses all pipelined requests at once; both are bounded here.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from provider_pipeline.api.settings import ApiSettings

MAX_CONNECTIONS: Final = 512
"""Processes may have 1,024 files open by default, and the catalogue needs some."""
MAX_HEADERS: Final = 100
MAX_HEAD: Final = 32 * 1024
_PIECE: Final = 4 * 1024
DRAIN_SECONDS: Final = 5
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class ConnectionLimits:
    """How long connections may wait.

    Attributes:
        head_seconds: For the head of a request, from when one could come.
        unread_seconds: For a client that does not read its answer.
    """

    head_seconds: float
    unread_seconds: float


def bounded_protocol(settings: ApiSettings) -> type[asyncio.Protocol]:
    """The protocol for uvicorn's `http` setting."""
    limits = ConnectionLimits(settings.head_seconds, settings.unread_seconds)
    return type("Protocol", (BoundedProtocol,), {"limits": limits})


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on one connection, with limits."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._received = bytearray()
        self._is_feeding = False
        self._has_head = False
        self._is_in_head = False
        self._head_bytes = 0
        self._body_left = 0
        self._awaits_since: float | None = None
        self._unread_since: float | None = None
        self._next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Makes room for a connection."""
        super().connection_made(transport)
        self._awaits_since = self.loop.time()
        self._look()
        if len(self.connections) > MAX_CONNECTIONS:
            self._longest_awaited().transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets a connection."""
        super().connection_lost(exc)
        if self._next_look is not None:
            self._next_look.cancel()

    def data_received(self, data: bytes) -> None:
        """Takes what came, a piece in each turn of the event loop: others wait for one piece at most."""
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
        """Takes a header; what comes after the body is none."""
        if not self._is_in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError("too many headers")  # which is answered with 400
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
        self._awaits_since = self.loop.time() if is_answered else None

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        if self.cycle.response_complete:  # else another one came meanwhile
            # If the rest of the request is still to come, it is awaited: closed now, the client might lose the answer.
            self._awaits_since = self.loop.time()
        if not self._is_feeding:
            self._feed()

    def _feed(self) -> None:
        self._is_feeding = False
        if self.transport.is_closing():
            self._received.clear()
        elif not self.pipeline and self._received:
            # A body of known length is one part, however long; the parts of others may be a byte each.
            size = max(_PIECE, self._body_left)
            piece = bytes(self._received[:size])
            del self._received[:size]
            # All that is no body counts: trailers, and extensions of chunks, too.
            self._head_bytes += len(piece)
            super().data_received(piece)
            if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response(f"A head may have at most {MAX_HEAD} bytes.")
        self._go_on()

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return
        if self._received:
            self.transport.pause_reading()
            if not self.pipeline:  # else once the requests that wait in it are answered
                self._is_feeding = True
                self.loop.call_soon(self._feed)
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def _look(self) -> None:
        """Ends the connection if it is late."""
        now = self.loop.time()
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if self._unread_since is not None and now - self._unread_since > self.limits.unread_seconds:
            self.transport.abort()
        elif self._awaits_since is not None and now - self._awaits_since > self._patience():
            self.transport.close()
        self._next_look = self.loop.call_later(min(_LOOK_SECONDS, self.limits.head_seconds / 2), self._look)

    def _patience(self) -> float:
        if not self._has_head:
            return self.limits.head_seconds
        # While a body is read, the time for it is the application's.
        return DRAIN_SECONDS if self.cycle.response_complete else math.inf

    def _longest_awaited(self) -> "BoundedProtocol":
        """The connection whose client owes a request, or the rest of one, for longest; if none does, this one."""
        connections = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        return min(connections, key=lambda each: each._awaits_since or math.inf, default=self)
