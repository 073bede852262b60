"""Connections that wait, drip, flood, or never read are closed in time, while others are served."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest

from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.api.conftest import make_tokens
from provider_pipeline_tests.api.server import Running, running_api, serving_with

TIMEOUT = 120
MIB = 2**20
HEAD = b"POST /api/providers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HALF_HEAD = b"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"
HALF_BODY = HEAD + b"Content-Length: 60000\r\n\r\n{"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def ends(connection: socket.socket) -> bytes:
    """Everything a server sends until it closes the connection."""
    connection.settimeout(TIMEOUT)
    said = b""
    while part := connection.recv(100_000):
        said += part
    return said


def refuses(connection: socket.socket, sent: bytes) -> bytes:
    """What a server answers; empty if it resets the connection while bytes are on their way."""
    try:
        connection.sendall(sent)
        return ends(connection)
    except (ConnectionResetError, BrokenPipeError):
        return b""


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection that it sent nothing over."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.setblocking(True)


@contextmanager
def dripping(connections: list[socket.socket], byte: bytes) -> Iterator[None]:
    """Keeps sending a byte over each connection, five times a second."""
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.2):
            for each in connections:
                try:
                    each.sendall(byte)
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def hasty(shared_database: Database) -> Iterator[Running]:
    """An API that waits two seconds for heads and for clients that do not read."""
    with serving_with(shared_database, ApiSettings(head_seconds=2, unread_seconds=2)) as api:
        yield api


@pytest.fixture(scope="module")
def api(shared_database: Database) -> Iterator[Running]:
    """The API with default settings."""
    with running_api(shared_database) as running:
        yield running


@pytest.fixture(scope="module")
def token(shared_database: Database) -> str:
    """A token with the scope read."""
    return make_tokens(shared_database)["read"]


@pytest.mark.parametrize(
    ("sent", "drip", "said"),
    [
        (b"", b"", b""),
        (HALF_HEAD, b"", b""),
        (HALF_HEAD, b"a", b""),
        (HALF_BODY, b"", b"HTTP/1.1 401 "),
        (HALF_BODY, b" ", b"HTTP/1.1 401 "),
        (WHOLE, b"", b"HTTP/1.1 200 "),
        (WHOLE + HALF_HEAD, b"a", b"HTTP/1.1 200 "),
    ],
    ids=["idle", "half a head", "dripping head", "half a body", "dripping body", "kept alive", "dripping second head"],
)
def test_a_waiting_connection_is_closed(hasty: Running, sent: bytes, drip: bytes, said: bytes):
    with socket.create_connection(hasty.address) as connection:
        connection.sendall(sent)
        with dripping([connection] if drip else [], drip):
            assert ends(connection)[: len(said)] == said


def test_a_client_that_does_not_read_its_response_is_disconnected(hasty: Running):
    path = b"/docs/swagger-ui/swagger-ui-bundle.js"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(hasty.address)
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        here = connection.getsockname()
        server = psutil.Process(hasty.process.pid)
        deadline = time.monotonic() + TIMEOUT
        while here in [each.raddr for each in server.net_connections("tcp")]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert len(httpx.get(f"{hasty.url}{path.decode()}", timeout=TIMEOUT).content) > MIB


def test_beyond_the_limit_of_connections_the_longest_waiting_ones_are_closed(shared_database: Database):
    with serving_with(shared_database, ApiSettings(head_seconds=600)) as api, ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(api.address)) for _ in range(600)]
        for _ in range(20):
            assert httpx.get(f"{api.url}/healthz", timeout=TIMEOUT).status_code == 200
        assert len(psutil.Process(api.process.pid).net_connections("tcp")) <= 513  # and the one that listens
        closed = [place for place, each in enumerate(waiting) if is_closed(each)]
        assert len(closed) >= 80
        assert max(closed) < 300  # a busy machine accepts some later than they came
        waiting[-1].sendall(WHOLE)
        assert waiting[-1].recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /healthz?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 4 * MIB,
    ],
    ids=["many headers", "a large header", "a large address", "a header without end"],
)
def test_the_size_of_a_head_is_limited(hasty: Running, sent: bytes):
    with socket.create_connection(hasty.address) as connection:
        assert refuses(connection, sent)[:12] in (b"HTTP/1.1 400", b"")
    assert httpx.get(f"{hasty.url}/healthz", timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize(
    "beside",
    [b"0\r\nX: " + b"x" * 4 * MIB, b"1;" + b"x" * 4 * MIB, b"0\r\n" + b"a: b\r\n" * 100_000],
    ids=["a trailer without end", "an extension without end", "many trailers"],
)
def test_the_size_of_trailers_and_chunk_extensions_is_limited(hasty: Running, beside: bytes):
    with socket.create_connection(hasty.address) as connection:
        said = refuses(connection, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + beside)
        assert said[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 400", b"")


def test_pipelined_requests_are_answered_in_order(hasty: Running):
    paths = [b"/healthz", b"/readyz", b"/nowhere", b"/healthz"]
    with socket.create_connection(hasty.address) as connection:
        connection.sendall(b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths))
        said = ends(connection)
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404", b"200"]


def test_a_body_in_many_chunks_arrives_complete(database: Database):
    body = b'{"slug": "acme", "base_url": "https://acme.example"' + b" " * 30_000 + b"}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with (
        running_api(database, "--no-auth") as api,
        socket.create_connection(api.address) as connection,
    ):
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + WHOLE)
        said = ends(connection)
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"201", b"200"]


def keys() -> bytes:
    return b'{"\\u0022": 1, ' + b", ".join(b'"k%d": 1' % n for n in range(500_000)) + b"}"


def levels() -> bytes:
    return b"[" + b",".join(b"[" * 99 + b"]" * 99 for _ in range(5_000)) + b"]"


def floats() -> bytes:
    return b"[" + b",".join(b"0.1234567890123456789" for _ in range(350_000)) + b"]"


def posted(body: Callable[[], bytes]) -> bytes:
    content = body()
    return HEAD + b"Authorization: Bearer pp_guess\r\nContent-Length: %d\r\n\r\n" % len(content) + content


FLOODS = {
    "many keys": lambda: posted(keys),
    "many levels": lambda: posted(levels),
    "many numbers": lambda: posted(floats),
    "chunks of one byte": lambda: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000,
    "many requests at once": lambda: b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3_000,
    "many headers": lambda: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200_000,
    "half a head": lambda: HALF_HEAD,
    "half a body": lambda: HALF_BODY,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_hostile_connections_take_neither_time_nor_memory_from_others(api: Running, token: str, flood: str):
    sent, many = FLOODS[flood](), 600 if "half" in flood else 12
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=api.url, timeout=TIMEOUT))
        client.headers["Authorization"] = f"Bearer {token}"
        ask = [lambda: client.get("/healthz"), lambda: client.get("/api/models")]
        for each in ask * 3:
            assert each().status_code == 200
        process = psutil.Process(api.process.pid)
        before = process.memory_info().rss
        strangers = [stack.enter_context(socket.create_connection(api.address)) for _ in range(many)]
        threads = [threading.Thread(target=floods, args=(strangers[start::12], sent)) for start in range(min(12, many))]
        for thread in threads:
            thread.start()
        slowest, grown = 0.0, 0
        for each in ask * 15:
            started = time.monotonic()
            assert each().status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            grown = max(grown, process.memory_info().rss - before)
        for stranger in strangers:
            stranger.close()
        for thread in threads:
            thread.join()
    assert grown < 64 * MIB
    assert slowest < 5  # half a second where nothing else runs


def floods(connections: list[socket.socket], sent: bytes) -> None:
    for each in connections:
        try:
            each.sendall(sent)
        except OSError:
            continue
