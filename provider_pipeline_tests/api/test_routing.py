"""In which order a request is dealt with: who asks, whether there is room, and only then what it says."""

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
from provider_pipeline.api.settings import MAX_SYNCS_AT_ONCE, ApiSettings
from provider_pipeline.api.strict import BodyLimits, StrictRequest
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.api.server import running_api, serving_with
from provider_pipeline_tests.api.test_access import EVERY
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

GENERATE = "/api/providers/acme/metadata/generate-rules"
JSON = {"Content-Type": "application/json"}
PATIENCE = 120
WITH_BODIES = [(method, path) for _, method, path, body in EVERY if body is not None or "sync-models" in path]


def asked_without_reading(app: FastAPI, method: str, path: str, token: str | None) -> int:
    """The status of the answer to a request whose body may not be read."""
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


@pytest.mark.parametrize(("method", "path"), WITH_BODIES, ids=[f"{method} {path}" for method, path in WITH_BODIES])
def test_nobody_s_body_is_read_before_it_is_known_who_asks(api: Api, method: str, path: str):
    app = create_app(api.fleet.database)
    assert asked_without_reading(app, method, path, None) == 401
    assert asked_without_reading(app, method, path, "pp_guessed") == 401
    assert asked_without_reading(app, method, path, api.tokens["read"]) == 403


def test_who_asks_too_often_is_refused_without_reading_and_strangers_without_a_query(api: Api):
    app = create_app(api.fleet.database, ApiSettings(requests_per_second=0.01, burst=2))
    for token in (api.tokens["read"], "pp_guessed"):
        statuses = [asked_without_reading(app, "POST", "/api/providers", token) for _ in range(3)]
        assert statuses[-1] == 429
    with api.fleet.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE api_token RENAME TO no_query_finds_it"))
    assert asked_without_reading(app, "POST", "/api/providers", "pp_another_guess") == 429


def test_the_server_answers_a_stranger_before_the_body_is_sent(fleet: Fleet):
    with running_api(fleet.database) as api, socket.create_connection(api.address, timeout=PATIENCE) as connection:
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
def test_a_body_cannot_be_made_of_errors(api: Api, path: str, body: dict, status: int):
    api.fleet.add("acme")
    answer = api("POST", path, json=body)
    assert answer.status_code == status
    assert len(answer.content) < 1000


def test_while_a_body_is_read_others_are_answered():
    # An escaped quote and many keys: the slow way through the parser.
    body = b'{"sample_response": {"\\u0022": 0, ' + b", ".join(b'"k%d": 0' % n for n in range(300_000)) + b"}}"

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def turns() -> int:
        request = StrictRequest({"type": "http", "headers": []}, receive, BodyLimits(len(body), 60))
        reading = asyncio.create_task(request.json())
        turned = 0
        while not reading.done():
            await asyncio.sleep(0.001)
            turned += 1
        assert len(reading.result()["sample_response"]) == 300_001
        return turned

    assert asyncio.run(turns()) > 10


def test_a_body_that_drips_has_a_total_time(fleet: Fleet):
    fleet.add("acme")
    settings = ApiSettings(needs_token=False, body_seconds=1)
    with (
        serving_with(fleet.database, settings) as api,
        socket.create_connection(api.address, timeout=PATIENCE) as connection,
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
    """Providers that take connections and say nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wait_for(self, count: int) -> None:
        """Until so many syncs wait."""
        self._listener.settimeout(PATIENCE)
        while len(self.connections) < count:
            self.connections.append(self._listener.accept()[0])

    def hang_up(self) -> None:
        """Ends them."""
        self._listener.close()
        for each in self.connections:
            each.close()


@contextmanager
def in_background(asked, *arguments) -> Iterator[list]:
    """Something that goes on meanwhile; what came of it."""
    came = []
    thread = threading.Thread(target=lambda: came.append(asked(*arguments)))
    thread.start()
    try:
        yield came
    finally:
        thread.join(PATIENCE)


def test_syncs_that_wait_for_silent_providers_leave_room_and_more_of_them_are_refused(fleet: Fleet):
    silent = Silent()
    with ExitStack() as stack:
        api = stack.enter_context(running_api(fleet.database, "--no-auth", "--syncs-at-once", "2"))
        client = stack.enter_context(httpx.Client(base_url=api.url, timeout=PATIENCE))
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
        assert document["detail"] == "2 syncs are in progress, and no more are done at once"
        for path in ("/healthz", "/readyz", "/metrics", "/api/models", "/api/providers"):
            assert client.get(path).status_code == 200
        silent.hang_up()
    assert [each.status_code for each in (*first, *second)] == [504, 504]


def test_of_what_computes_for_long_a_few_are_done_at_once_from_the_body_on(fleet: Fleet):
    fleet.add("acme")
    sample = json.dumps({"sample_response": listing(*CHAT_MODELS)}).encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(sample)}\r\nExpect: 100-continue\r\n\r\n"
    settings = ApiSettings(needs_token=False, computations_at_once=1)
    with (
        serving_with(fleet.database, settings) as api,
        httpx.Client(base_url=api.url, timeout=PATIENCE) as client,
        socket.create_connection(api.address, timeout=PATIENCE) as first,
    ):
        first.sendall(head.encode())
        assert first.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        problem(client.get("/api/digest"), 429, "too-many-at-once")
        problem(client.post(GENERATE, content=sample, headers=JSON), 429, "too-many-at-once")
        first.sendall(sample)
        assert first.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert client.post(GENERATE, content=sample, headers=JSON).status_code == 200


def test_health_and_metrics_are_answered_while_every_thread_waits_for_the_database(fleet: Fleet):
    fleet.add("acme")
    threads = create_app(fleet.database).state.service.threads
    waiting_now = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with (
        running_api(fleet.database, "--no-auth") as api,
        httpx.Client(base_url=api.url, timeout=PATIENCE) as client,
        fleet.database.session() as holder,
        fleet.database.session() as watching,
    ):
        holder.execute(text("LOCK TABLE provider_model_change"))
        asked = [threading.Thread(target=client.get, args=("/api/changes",)) for _ in range(2 * threads)]
        for each in asked:
            each.start()
        while watching.scalar(waiting_now) < threads:
            watching.rollback()
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200, path
        holder.rollback()
        for each in asked:
            each.join(PATIENCE)


def test_the_threads_are_fewer_than_the_connections_to_the_database(fleet: Fleet):
    pool = fleet.database.engine.pool
    service = create_app(fleet.database, ApiSettings(syncs_at_once=MAX_SYNCS_AT_ONCE)).state.service
    threads = service.threads + service.token_threads.total_tokens + service.health_threads.total_tokens
    assert threads <= pool.size() + pool._max_overflow
