"""The order in which a request is handled (caller, room, body), and the limits of bodies."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from provider_pipeline.api.app import create_app
from provider_pipeline.api.routing import StrictRequest
from provider_pipeline.api.settings import MAX_SYNCS_AT_ONCE, ApiSettings
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.api.server import running_api, serving_with
from provider_pipeline_tests.api.test_access import REQUESTS
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

GENERATE = "/api/providers/acme/metadata/generate-rules"


JSON = {"Content-Type": "application/json"}


TIMEOUT = 120


REQUESTS_WITH_BODY = [(method, path) for _, method, path, body in REQUESTS if body is not None or "sync-models" in path]


def status_without_body(app: FastAPI, method: str, path: str, token: str | None) -> int:
    """The status of the response to a request whose body must not be read."""
    statuses = []

    async def receive() -> dict:
        raise AssertionError("the body was read")

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    headers += [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    raw_path, _, query = path.encode().partition(b"?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": raw_path.decode(),
        "raw_path": raw_path,
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    asyncio.run(app(scope, receive, send))
    (status,) = statuses
    return status


@pytest.mark.parametrize(
    ("method", "path"), REQUESTS_WITH_BODY, ids=[f"{method} {path}" for method, path in REQUESTS_WITH_BODY]
)
def test_no_body_is_read_before_the_caller_is_admitted(api: Api, method: str, path: str):
    app = create_app(api.fleet.database)
    assert status_without_body(app, method, path, None) == 401
    assert status_without_body(app, method, path, "pp_guessed") == 401
    assert status_without_body(app, method, path, api.tokens["read"]) == 403


def test_over_the_rate_limit_no_body_is_read_and_unknown_tokens_cost_no_query(api: Api):
    app = create_app(api.fleet.database, ApiSettings(requests_per_second=0.01, burst=2))
    for token in (api.tokens["read"], "pp_guessed"):
        statuses = [status_without_body(app, "POST", "/api/providers", token) for _ in range(3)]
        assert statuses[-1] == 429
    with api.fleet.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE api_token RENAME TO no_query_finds_it"))
    assert status_without_body(app, "POST", "/api/providers", "pp_another_guess") == 429


def test_a_request_without_a_token_is_answered_before_its_body_is_sent(fleet: Fleet):
    with running_api(fleet.database) as api, socket.create_connection(api.address, timeout=TIMEOUT) as connection:
        connection.sendall(
            f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
            + b"Content-Length: 8000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("path", "member", "large"),
    [
        ("/api/providers", "name", False),
        ("/api/providers/acme/sync-models", "reason", False),
        ("/api/tasks/1/claim", "worker", False),
        (GENERATE, "endpoint", True),
        ("/api/tasks/1/propose", "note", True),
    ],
)
def test_only_samples_and_rules_may_be_large(api: Api, path: str, member: str, large: bool):
    api.fleet.add("acme")
    assert api("POST", path, json={member: "x" * 60_000}).status_code == 422
    answer = api("POST", path, json={member: "x" * 70_000})
    if large:
        assert answer.status_code == 422
    else:
        assert "65,536" in problem(answer, 413, "content-too-large")["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (GENERATE, {f"k{n}": n for n in range(101)}, 400),
        (GENERATE, {"sample_response": [0] * 400_001}, 400),
        ("/api/providers/acme/sync-models", {"accept": ["shrink"] * 21, "reason": "x"}, 422),
    ],
)
def test_a_body_cannot_cause_a_huge_error_response(api: Api, path: str, body: dict, status: int):
    api.fleet.add("acme")
    answer = api("POST", path, json=body)
    assert answer.status_code == status
    assert len(answer.content) < 1000


def test_the_event_loop_keeps_running_while_a_body_is_parsed():
    # An escaped quote and many keys: the slow way through the parser.
    body = b'{"sample_response": {"\\u0022": 0, ' + b", ".join(b'"k%d": 0' % n for n in range(300_000)) + b"}}"

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def turns() -> int:
        request = StrictRequest({"type": "http", "headers": []}, receive, len(body), 60)
        reading = asyncio.create_task(request.json())
        turned = 0
        while not reading.done():
            await asyncio.sleep(0.001)
            turned += 1
        assert len(reading.result()["sample_response"]) == 300_001
        return turned

    assert asyncio.run(turns()) > 10


def test_a_dripping_body_has_a_time_limit(fleet: Fleet):
    fleet.add("acme")
    settings = ApiSettings(needs_token=False, body_seconds=1)
    with (
        serving_with(fleet.database, settings) as api,
        socket.create_connection(api.address, timeout=TIMEOUT) as connection,
    ):
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode())
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.1):
                connection.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = b""
        while b"\r\n\r\n{" not in answer:
            answer += connection.recv(4000)
        over.set()
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert b"did not come within 1 s" in answer


class Silent:
    """A provider that accepts connections and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait_for(self, count: int) -> None:
        """Waits until this many syncs are waiting for an answer."""
        self._listener.settimeout(TIMEOUT)
        while len(self.connections) < count:
            self.connections.append(self._listener.accept()[0])

    def hang_up(self) -> None:
        """Closes the connections."""
        self._listener.close()
        for each in self.connections:
            each.close()


@contextmanager
def in_background(asked, *arguments) -> Iterator[list]:
    """Runs a call in a thread; the list gets its result."""
    came = []
    thread = threading.Thread(target=lambda: came.append(asked(*arguments)))
    thread.start()
    try:
        yield came
    finally:
        thread.join(TIMEOUT)


def test_syncs_waiting_for_silent_providers_leave_room_for_reads_and_more_syncs_are_refused(fleet: Fleet):
    silent = Silent()
    with ExitStack() as stack:
        api = stack.enter_context(running_api(fleet.database, "--no-auth", "--syncs-at-once", "2"))
        client = stack.enter_context(httpx.Client(base_url=api.url, timeout=TIMEOUT))
        stack.callback(silent.hang_up)
        for slug in ("one", "two", "three"):
            fleet.add(slug)
            assert client.patch(f"/api/providers/{slug}", json={"base_url": silent.url}).status_code == 200
        first, second = (
            stack.enter_context(in_background(client.post, f"/api/providers/{slug}/sync-models"))
            for slug in ("one", "two")
        )
        silent.wait_for(2)
        refused = client.post("/api/providers/three/sync-models")
        document = problem(refused, 429, "too-many-at-once")
        assert int(refused.headers["retry-after"]) > 0
        assert document["detail"] == "2 syncs are already running, which is the limit"
        for path in ("/healthz", "/readyz", "/metrics", "/api/models", "/api/providers"):
            assert client.get(path).status_code == 200
        silent.hang_up()
    assert [each.status_code for each in (*first, *second)] == [504, 504]


def test_long_computations_are_limited_from_before_the_body_is_read(fleet: Fleet):
    fleet.add("acme")
    sample = json.dumps({"sample_response": listing(*CHAT_MODELS)}).encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(sample)}\r\nExpect: 100-continue\r\n\r\n"
    settings = ApiSettings(needs_token=False, computations_at_once=1)
    with (
        serving_with(fleet.database, settings) as api,
        httpx.Client(base_url=api.url, timeout=TIMEOUT) as client,
        socket.create_connection(api.address, timeout=TIMEOUT) as first,
    ):
        first.sendall(head.encode())
        assert first.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        problem(client.get("/api/digest"), 429, "too-many-at-once")
        problem(client.post(GENERATE, content=sample, headers=JSON), 429, "too-many-at-once")
        overrides = b'{"set": "prices", "overrides": []}'
        problem(client.put("/api/overrides", content=overrides, headers=JSON), 429, "too-many-at-once")
        first.sendall(sample)
        assert first.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert client.post(GENERATE, content=sample, headers=JSON).status_code == 200


def test_there_are_fewer_threads_than_database_connections(fleet: Fleet):
    pool = fleet.database.engine.pool
    service = create_app(fleet.database, ApiSettings(syncs_at_once=MAX_SYNCS_AT_ONCE)).state.service
    threads = service.threads + service.token_threads.total_tokens + service.health_threads.total_tokens
    assert threads <= pool.size() + pool._max_overflow


def test_a_body_that_is_too_large_is_refused_with_and_without_a_content_length(serving):
    api = serving(ApiSettings(most_bytes=1000))
    body = b'{"sample_response": "' + b"x" * 2000 + b'"}'

    async def chunks():
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    path = "/api/providers/acme/metadata/generate-rules"
    for content in (body, chunks()):
        answer = api("POST", path, content=content, headers={"Content-Type": "application/json"})
        problem(answer, 413, "content-too-large")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body is"),
        (b'{"sample_response": NaN}', "the body is"),
        (b'{"sample_response": 1, "sample_response": 2}', "the body is"),
        (b'{"sample_response": "\\u0000"}', "NUL"),
        (b'{"sample_response": {"\\ud800": 1}}', "surrogate"),
        (b'{"sample_response": ' + b"[" * 1000 + b"]" * 1000 + b"}", "the body is"),
        (b"\xff\xfe\xfa", "the body is"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(api: Api, body: bytes, said: str):
    api.fleet.add("acme")
    path = "/api/providers/acme/metadata/generate-rules"
    answer = api("POST", path, content=body, headers={"Content-Type": "application/json"})
    assert said in problem(answer, 400, "bad-request")["detail"]
