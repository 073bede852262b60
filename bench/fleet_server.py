"""Serves the fleet over HTTP, in a process of its own.

A minimal server with keep-alive, ETags and counters. All responses are rendered in advance, so that it takes little
processor time from what is measured.

Run it: `python fleet_server.py real|even`; it prints its port. `POST /-/edition/3`, `POST /-/etags/1` and
`POST /-/counters` control it.
"""

import asyncio
import hashlib
import sys
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from fleet import FLEETS, Provider


@dataclass
class Counters:
    """Counts since they were last read."""

    connections: int = 0
    requests: int = 0
    not_modified: int = 0
    body_bytes: int = 0


class Site:
    """All responses of the fleet at one edition."""

    def __init__(self, providers: list[Provider]) -> None:
        self._providers = {provider.slug: provider for provider in providers}
        self._answers: dict[tuple[str, str | None], tuple[bytes, bytes]] = {}
        self.counters = Counters()
        self.etags = False
        self._edition = -2
        self.show(0)

    def show(self, edition: int) -> None:
        """Renders an edition; of the one after the current, only what differs."""
        is_next = edition == self._edition + 1
        self._edition = edition
        for slug, provider in self._providers.items():
            if is_next and not provider.is_changed_by(edition):
                continue
            for cursor, document in provider.pages(edition):
                body = orjson.dumps(document)
                etag = hashlib.sha256(body).hexdigest()[:32].encode()
                self._answers[slug, cursor] = (b'"' + etag + b'"', body)

    def answer(self, method: str, target: str, headers: dict[str, str]) -> bytes:
        """The bytes of one response."""
        url = urlsplit(target)
        parts = url.path.strip("/").split("/")
        if method == "POST" and parts[0] == "-":
            return _framed(b"200 OK", orjson.dumps(self._control(*parts[1:])))
        provider = self._providers.get(parts[0])
        paging = provider.shape.paging if provider else None
        cursor = dict(parse_qsl(url.query)).get(paging.parameter) if paging else None
        found = self._answers.get((parts[0], cursor))
        if found is None:
            return _framed(b"404 Not Found", b'{"error": {"message": "not found"}}')
        self.counters.requests += 1
        etag, body = found
        extra = b"etag: " + etag + b"\r\n" if self.etags else b""
        if self.etags and headers.get("if-none-match", "").encode() == etag:
            self.counters.not_modified += 1
            return b"HTTP/1.1 304 Not Modified\r\n" + extra + b"\r\n"
        self.counters.body_bytes += len(body)
        return _framed(b"200 OK", body, extra)

    def _control(self, what: str, value: str = "") -> Any:
        if what == "edition":
            self.show(int(value))
        elif what == "etags":
            self.etags = value == "1"
        seen, self.counters = asdict(self.counters), Counters()
        return seen


def _framed(status: bytes, body: bytes, extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (status, len(body), extra) + body


class Connection(asyncio.Protocol):
    """One client connection. Requests have no bodies here."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._site.counters.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answers every complete request."""
        assert self._transport is not None
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end].decode("latin-1"), self._received[end + 4 :]
            request, *lines = head.split("\r\n")
            method, target, _ = request.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self._transport.write(self._site.answer(method, target, headers))


async def serve(providers: list[Provider]) -> None:
    """Serves until standard input is closed, which happens when the parent process ends."""
    site = Site(providers)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(site), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(FLEETS[sys.argv[1]]()))
