"""The sample provider server: real HTTP on loopback; a provider's base URL is the server's URL and its slug."""

import contextlib
import errno
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Protocol, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.samples.providers import (
    ProviderRequest,
    ProviderResponse,
    SampleProvider,
    bundled_providers,
    directory_providers,
)

HOST: Final = "127.0.0.1"


class _Served(Protocol):
    @property
    def described(self) -> SampleProvider: ...

    def reply(self, request: ProviderRequest) -> ProviderResponse: ...


class SampleServer:
    """Serves sample providers while its context is open.

    Args:
        port: The port on loopback; 0 for any that is free.
        or_any_port: Fall back to any free port if that one is taken.

    Raises:
        ConfigurationError: On entering, if the port is taken.
    """

    def __init__(self, port: int = 0, *, or_any_port: bool = False) -> None:
        self._served: Sequence[_Served] = bundled_providers()
        self._port = port
        self._or_any_port = or_any_port
        self._httpd: _Server | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def from_directory(cls, directory: Path | str, port: int = 0, *, or_any_port: bool = False) -> Self:
        """A server that serves each `*.json` file of a folder as a provider; the file's stem is the slug.

        Raises:
            ConfigurationError: There is no such folder, or it has no such file.
        """
        server = cls(port, or_any_port=or_any_port)
        server._served = directory_providers(Path(directory))
        return server

    @property
    def providers(self) -> tuple[SampleProvider, ...]:
        """The providers, by slug."""
        return tuple(served.described for served in self._served)

    @property
    def url(self) -> str:
        """The server's URL, without a slash at its end.

        Raises:
            ConfigurationError: The server is not running.
        """
        if self._httpd is None:
            raise ConfigurationError("the sample server is not running", hint="use it as a context manager")
        return f"http://{HOST}:{self._httpd.server_address[1]}"

    def base_url(self, slug: str) -> str:
        """A provider's base URL."""
        return f"{self.url}/{quote(slug, safe='')}"

    def __enter__(self) -> Self:
        self._httpd = self._bind()
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        httpd, thread = self._httpd, self._thread
        self._httpd = self._thread = None
        if httpd is not None and thread is not None:
            httpd.shutdown()
            thread.join()
            httpd.hang_up()
            httpd.server_close()

    def _bind(self) -> "_Server":
        routes = {served.described.slug: served for served in self._served}
        try:
            return _Server(self._port, routes)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            if self._or_any_port:
                return _Server(0, routes)
        raise ConfigurationError(
            f"the sample server cannot listen on {HOST}:{self._port}, the port is taken or not allowed",
            hint="choose another port, or 0 for any",
        )


class _Server(ThreadingHTTPServer):
    """Tracks its open connections, so that closing it ends them all and waits for their threads."""

    daemon_threads = False
    block_on_close = True
    # Some systems would otherwise let two servers share a port, each receiving some of the requests.
    allow_reuse_port = False

    def __init__(self, port: int, routes: dict[str, _Served]) -> None:
        self.routes = routes
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close connections that clients keep open."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "provider-pipeline-samples"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        slug, _, path = parts.path.lstrip("/").partition("/")
        request = ProviderRequest(
            url=f"http://{HOST}:{self.server.server_address[1]}{parts.path}",
            path=f"/{path}",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        served = self.server.routes.get(unquote(slug))
        reply = ProviderResponse.not_found(request) if served is None else served.reply(request)
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""
