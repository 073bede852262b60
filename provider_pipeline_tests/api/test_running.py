"""The API as a process: beside the command line, and killed during a sync."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text
from werkzeug import Request, Response

from provider_pipeline import ModelSyncer
from provider_pipeline_tests.api.conftest import make_tokens
from provider_pipeline_tests.api.server import running_api
from provider_pipeline_tests.catalog.builders import bury_the_dead
from provider_pipeline_tests.cli.conftest import CommandLine, run
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

__all__ = ["run"]

SYNC = "/api/providers/acme/sync-models"
TIMEOUT = 120
SECRET = "sk-live-0123456789abcdef"


class Slow:
    """A provider that answers when the test lets it."""

    def __init__(self, fleet: Fleet) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        handlers = fleet.server.handlers
        handlers[:] = [each for each in handlers if each.matcher.uri != "/acme/v1/models"]
        fleet.server.expect_request("/acme/v1/models").respond_with_handler(self._answer)

    def _answer(self, _request: Request) -> Response:
        self.asked.set()
        self.go.wait(TIMEOUT)
        return Response(json.dumps(listing(*CHAT_MODELS)), content_type="application/json")


@contextmanager
def in_background(client: httpx.Client) -> Iterator:
    """A sync in a thread."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(client.post, SYNC)


def test_of_two_concurrent_syncs_by_api_and_cli_one_is_refused_naming_the_other(fleet: Fleet, run: CommandLine):
    fleet.add("acme")
    slow = Slow(fleet)
    with (
        running_api(fleet.database, "--no-auth") as api,
        httpx.Client(base_url=api.url, timeout=TIMEOUT) as client,
    ):
        with in_background(client) as first:
            assert slow.asked.wait(TIMEOUT)
            second = run.process("sync", "acme")
            slow.go.set()
            assert first.result().status_code == 200
        assert second.code == 1
        holder = f"the API on {socket.gethostname()} (process {api.process.pid})"
        assert f"acme is being synced by {holder} since " in " ".join(second.out.split())
        slow.asked.clear()
        slow.go.clear()
        with ThreadPoolExecutor(1) as threads:
            first_by_hand = threads.submit(run.process, "sync", "acme")
            assert slow.asked.wait(TIMEOUT)
            answer = client.post(SYNC)
            slow.go.set()
            assert first_by_hand.result().code == 0
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith(f"acme is being synced by the CLI on {socket.gethostname()} ")
    assert set(fleet.rows("acme")) == set(CHAT_MODELS)


def waits_for_a_lock(fleet: Fleet) -> bool:
    with fleet.database.session() as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return session.scalar(text(query)) > 0


def until(condition) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("moment", ["while it fetches", "while it writes"])
def test_an_api_killed_during_a_sync_leaves_nothing_half_written(fleet: Fleet, moment: str):
    fleet.add("acme")
    with fleet.database.session() as session:
        before = everything(session)
    with (
        running_api(fleet.database, "--no-auth") as api,
        httpx.Client(base_url=api.url, timeout=TIMEOUT) as client,
        fleet.database.session() as holder,
    ):
        if moment == "while it fetches":
            slow = Slow(fleet)
        else:  # the sync's transaction waits for its provider's row
            holder.execute(text("SELECT FROM provider FOR NO KEY UPDATE"))
        with in_background(client) as sync:
            if moment == "while it fetches":
                assert slow.asked.wait(TIMEOUT)
            else:
                until(lambda: waits_for_a_lock(fleet))
            os.kill(api.process.pid, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                sync.result()
        if moment == "while it fetches":
            slow.go.set()
        holder.rollback()
    bury_the_dead(fleet.database)
    with fleet.database.session() as session:
        assert everything(session) == before
        session.rollback()
        assert ModelSyncer(session).sync_provider_models("acme")["models_created"] == 5


def everything(session) -> dict[str, int]:
    """The number of rows in each table that a sync writes."""
    tables = (
        "provider_model",
        "provider_model_change",
        "raw_response",
        "raw_response_page",
        "provider_sync",
        "agent_task",
    )
    return {name: session.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables}


def test_no_response_log_line_or_table_holds_a_secret(fleet: Fleet):
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_KEY"})
    fleet.answer("acme", f'{{"error": "key {SECRET} is not welcome"}}', status=401, content_type="application/json")
    tokens = make_tokens(fleet.database)
    secrets = [SECRET, *tokens.values(), *(value.removeprefix("pp_") for value in tokens.values())]
    with running_api(fleet.database, ACME_KEY=SECRET) as api:
        said = []
        for scope, token in [*tokens.items(), ("nobody", "pp_not-a-token")]:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=api.url, headers=headers, timeout=TIMEOUT) as client:
                said += [
                    client.post(SYNC),
                    client.get("/api/providers"),
                    client.get("/api/providers/acme"),
                    client.get("/api/tasks?status=all"),
                    client.get("/api/providers/acme/rules/1"),
                    client.get("/metrics"),
                    client.get("/openapi.json"),
                    client.post("/api/providers", json={"slug": "x", "base_url": "https://x.example", "auth": token}),
                ]
            assert said[-8].status_code == (502 if scope in ("sync", "admin") else 403 if scope == "read" else 401)
        api.process.kill()
        api.process.wait()
        log = api.log.read_text(encoding="utf-8")
    for answer in said:
        texts = (answer.text, str(answer.headers))
        assert not [secret for secret in secrets for each in texts if secret in each], answer.url
    assert "POST /api/providers/acme/sync-models" in log
    assert not [secret for secret in secrets if secret in log]
    with fleet.database.session() as session:
        names = session.scalars(
            text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        )
        for name in list(names):
            stored = session.scalar(text(f"SELECT string_agg(t::text, ' ') FROM {name} AS t")) or ""
            assert not [secret for secret in secrets if secret in stored], name


def test_a_chunked_body_over_the_limit_is_refused(fleet: Fleet):
    with running_api(fleet.database, "--no-auth", "--max-megabytes", "1") as api:
        chunk = b"x" * 65_536

        def endless() -> Iterator[bytes]:
            for _ in range(20):
                yield chunk

        with httpx.Client(base_url=api.url, timeout=TIMEOUT) as client:
            path = "/api/providers/acme/metadata/generate-rules"
            answer = client.post(path, content=endless(), headers={"Content-Type": "application/json"})
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"
            assert client.get("/readyz").json() == {"status": "ok"}
