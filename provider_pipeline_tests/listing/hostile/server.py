"""A raw-socket server that misbehaves in ways no HTTP library allows."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

Script = Callable[["Conversation"], object]
Stage = Literal["before accept", "before request", "after request"]

RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER value that makes closing a connection send RST instead of FIN."""


class Conversation:
    """One connection, after its request was read.

    Attributes:
        request: What was read of it: the request's line and headers.
        attempt: Which request it is, from 1.
        waited: Seconds since the request before it; None for the first.
        elsewhere: Address of another server.
    """

    def __init__(
        self,
        connection: socket.socket,
        request: bytes,
        over: threading.Event,
        *,
        attempt: int = 1,
        waited: float | None = None,
        elsewhere: str = "",
    ) -> None:
        self.connection = connection
        self.request = request
        self.attempt = attempt
        self.waited = waited
        self.elsewhere = elsewhere
        self._over = over

    @property
    def target(self) -> str:
        """Path and query, as requested."""
        return self.request.split(b" ", 2)[1].decode()

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(urlsplit(self.target).query))

    def header(self, name: str) -> str:
        """The value of a header, or an empty string."""
        for line in self.request.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.sendall(part)

    def flood(self, start: bytes, block: bytes) -> None:
        """Send `block` until the client hangs up."""
        self.send(start)
        while not self._over.is_set():
            self.send(block)

    def drip(self, content: bytes = b"", *, forever: bytes = b" ", every: float = 0.02) -> None:
        """Send a byte at a time, then `forever`, until the client hangs up or the test ends."""
        for byte in content:
            self.connection.sendall(bytes([byte]))
            if self._over.wait(every):
                return
        while not self._over.wait(every):
            self.connection.sendall(forever)

    def pause(self, seconds: float) -> None:
        self._over.wait(seconds)

    def stay_silent(self) -> None:
        self._over.wait(60)

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()


class HostileServer:
    """Runs a script for each connection; `requests` records what came in.

    Args:
        script: What is done with a connection.
        elsewhere: Address of another server, for the scripts that point there.
    """

    def __init__(self, script: Script, *, elsewhere: str = "") -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._elsewhere = elsewhere
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.behave(script)
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def behave(self, script: Script, stage: Stage = "after request") -> None:
        """Run this script at this stage from now on, and reset `requests`."""
        self._script = script
        self._stage = stage
        self._last_request: float | None = None
        self.requests: list[bytes] = []

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection in list(self._open):
            # A client that hung up with a full window leaves a thread sending until its connection is shut down.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def threads(self) -> set[threading.Thread]:
        """The server's own threads."""
        return {self._acceptor, *self._threads}

    def _accept(self) -> None:
        while not self._over.is_set():
            # Ending the server wakes this up, unless the listener is being replaced just then.
            if not select.select([self._listener], [], [], 1)[0] or self._over.is_set():
                continue
            if self._stage == "before accept":
                # Closing a listener resets the connections not yet accepted.
                self._listener.close()
                self._listener = socket.create_server(("127.0.0.1", self.port))
                continue
            connection, _ = self._listener.accept()
            self._open.add(connection)
            thread = threading.Thread(target=self._converse, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            try:
                self._play(connection)
            finally:
                self._open.discard(connection)

    def _play(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        request = b""
        while self._stage == "after request" and b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        now = time.monotonic()
        waited = None if self._last_request is None else now - self._last_request
        self._last_request = now
        self.requests.append(request)
        self._script(
            Conversation(
                connection,
                request,
                self._over,
                attempt=len(self.requests),
                waited=waited,
                elsewhere=self._elsewhere,
            )
        )


def answer(
    body: bytes, *headers: str, status: str = "200 OK", length: int | None = None, kind: str = "application/json"
) -> bytes:
    """A complete response; `length` overrides the body's length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
