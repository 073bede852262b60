"""A raw-socket server that misbehaves in ways an HTTP library would not let a server misbehave."""

import contextlib
import socket
import threading
from collections.abc import Callable

Script = Callable[["Conversation"], None]


class Conversation:
    """One connection, after its request was read."""

    def __init__(self, connection: socket.socket, request: bytes, over: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self._over = over

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.sendall(part)

    def drip(self, content: bytes = b"", *, forever: bytes = b" ", every: float = 0.02) -> None:
        """Send a byte at a time, then `forever`, until the client or the test has had enough."""
        for byte in content:
            self.connection.sendall(bytes([byte]))
            if self._over.wait(every):
                return
        while not self._over.wait(every):
            self.connection.sendall(forever)

    def stay_silent(self) -> None:
        self._over.wait(60)

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.connection.close()


class HostileServer:
    """Runs one script for each connection; `requests` holds what came in."""

    def __init__(self, script: Script, *, read_request: bool = True) -> None:
        self._script = script
        self._read_request = read_request
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            request = b""
            while self._read_request and b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            self.requests.append(request)
            self._script(Conversation(connection, request, self._over))


def answer(
    body: bytes, *headers: str, status: str = "200 OK", length: int | None = None, kind: str = "application/json"
) -> bytes:
    """A whole answer; `length` lies about the body's."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
