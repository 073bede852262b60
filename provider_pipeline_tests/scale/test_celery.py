"""Shards on two Celery workers with a real broker: `make test-scale`."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from sqlalchemy import make_url, text

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.defs.shards import SHARD, Shard
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.repair.generate import generate_rule, store_sample
from provider_pipeline_tests.databases import new_database
from provider_pipeline_tests.dev_stack import free_port
from provider_pipeline_tests.fleet import CHAT_MODELS, listing

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LAUNCHER, WORKER = [
    each for each in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S) if "DAGSTER_CELERY_URL" in each
]

PROVIDERS = 400
SHARDS = 8
SECONDS_PER_LISTING = 0.5
MAX_RUNTIME, START_TIMEOUT, POLL = 90, 90, 5
SLUGS = [f"provider-{number:03}" for number in range(PROVIDERS)]

DEFINITIONS = f"""
from provider_pipeline.definitions import build_defs

defs = build_defs(hourly_cron="* * * * *", shards={SHARDS})
"""


class Providers:
    """An HTTP server that takes its time for each listing, and counts them."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        lock, body = threading.Lock(), json.dumps(listing(*CHAT_MODELS)).encode()
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with lock:
                    asked[self.path.split("/")[1]] += 1
                time.sleep(SECONDS_PER_LISTING)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def providers(database: Database) -> Iterator[Providers]:
    """Providers with rules, each due once an hour."""
    serving, sample = Providers(), listing(*CHAT_MODELS)
    with database.session() as session:
        for slug in SLUGS:
            catalog.providers.add(
                session,
                slug=slug,
                name=slug,
                base_url=f"{serving.url}/{slug}",
                auth_config={"type": "none"},
                request_config={"allow_private": True},
                check_every=timedelta(hours=1),
            )
            stored = store_sample(session, slug, json.dumps(sample).encode(), url="sample:test")
            generate_rule(session, slug, [EndpointSample(sample, "/v1/models")], sample_id=stored)
        session.commit()
    thread = threading.Thread(target=serving.server.serve_forever, daemon=True)
    thread.start()
    yield serving
    serving.server.shutdown()
    serving.server.server_close()
    thread.join()


class Machines:
    """Processes with one environment, each the leader of its group."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path) -> None:
        """Starts a process; its output is in a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, name: str, signal_number: int) -> None:
        """Ends a process with all that it started."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        process.wait(60)

    def start_daemon(self) -> None:
        """Starts Dagster's daemon."""
        self.start("daemon", BIN / "dagster-daemon", "run", "-w", "workspace.yaml")

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def machines(
    postgres_server: EmbeddedPostgres, dagster_template: str, database: Database, tmp_path: Path
) -> Iterator[Machines]:
    """Redis, two workers and the daemon."""
    port = free_port()
    with new_database(postgres_server, dagster_template) as url:
        storage = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        broker = f"redis://127.0.0.1:{port}/0"
        settings = yaml.safe_load((ROOT / "provider_pipeline" / "deploy" / "dagster.yaml").read_text())
        settings |= yaml.safe_load(LAUNCHER)
        settings["run_monitoring"] |= {
            "max_runtime_seconds": MAX_RUNTIME,
            "start_timeout_seconds": START_TIMEOUT,
            "poll_interval_seconds": POLL,
        }
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "worker.yaml").write_text(WORKER)
        (tmp_path / "fleet.py").write_text(DEFINITIONS)
        (tmp_path / "workspace.yaml").write_text("load_from: [{python_file: {relative_path: fleet.py}}]")
        started = Machines(
            tmp_path,
            {
                "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "DAGSTER_HOME": str(tmp_path),
                "DAGSTER_POSTGRES_URL": storage,
                "DAGSTER_CELERY_URL": broker,
                "PROVIDER_PIPELINE_DATABASE_URL": database.url,
                "PROVIDER_PIPELINE_HOME": str(tmp_path / "home"),
            },
        )
        try:
            started.start("redis", "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "")
            wait_until(lambda: _answers(port), 30, started)
            for name in ("one", "two"):
                started.start(
                    name,
                    *(BIN / "dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", "worker.yaml"),
                    *("-n", name, "--", "--concurrency", "2"),
                )
            started.start_daemon()
            yield started
        finally:
            for name in list(started.running):
                started.stop(name, signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def wait_until(done: Callable[[], Any], seconds: float, machines: Machines) -> None:
    """Waits for a condition; without it in time the test fails with all logs."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} seconds\n{machines.logs()}")
        time.sleep(0.5)


def synced(database: Database) -> set[str]:
    """The providers that were synced."""
    with database.session() as session:
        query = "SELECT slug FROM provider JOIN provider_sync ON provider_id = id WHERE last_success_at IS NOT NULL"
        return set(session.scalars(text(query)))


@pytest.mark.timeout(900)
def test_every_provider_is_synced_once_though_a_worker_is_killed_and_the_daemon_restarted(
    database: Database, providers: Providers, machines: Machines, monkeypatch: pytest.MonkeyPatch
):
    for name in ("DAGSTER_POSTGRES_URL", "DAGSTER_CELERY_URL"):
        monkeypatch.setenv(name, machines.environment[name])
    with dg.DagsterInstance.from_config(str(machines.folder)) as instance:
        wait_until(lambda: len(synced(database)) > PROVIDERS / 8, 180, machines)
        machines.stop("one", signal.SIGKILL)
        machines.stop("daemon", signal.SIGTERM)
        before = synced(database)
        killed_at = time.time()
        assert PROVIDERS / 8 < len(before) < PROVIDERS
        machines.start_daemon()
        wait_until(lambda: len(synced(database)) == PROVIDERS, 420, machines)

        # Nothing that had been written is fetched again; what the killed worker was fetching is.
        again = {slug for slug, times in providers.asked.items() if times > 1}
        assert not again & before
        assert set(providers.asked.values()) <= {1, 2}
        runs = instance.get_runs(filters=dg.RunsFilter(job_name="sync_all_providers_job"))
        lost = [run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
        shards = [Shard.from_tag(run.tags[SHARD]) for run in lost]
        assert 1 <= len(lost) <= 4  # two that were running, two that were waiting in the same worker
        assert {str(shard.of) for shard in shards} == {str(SHARDS)}
        assert all(any(shard.holds(slug) for shard in shards) for slug in again)
        # Run monitoring ends what the launcher does not notice, in the stated time.
        reasons = {
            f"Exceeded maximum runtime of {MAX_RUNTIME} seconds",
            f"longer than {START_TIMEOUT} seconds to start",
        }
        for run in lost:
            (failed,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
            assert any(reason in failed.message for reason in reasons), failed.message
            record = instance.get_run_record_by_id(run.run_id)
            assert record.end_time - killed_at < max(MAX_RUNTIME, START_TIMEOUT) + 2 * POLL + 30
        # What follows the table waits for the last shard, the lost ones included.
        wait_until(lambda: outputs(instance, killed_at), 180, machines)
        (first, *_) = outputs(instance, killed_at)
        filters = dg.RunsFilter(job_name="sync_all_providers_job", created_before=first.create_timestamp)
        earlier = instance.get_run_records(filters)
        assert {run.run_id for run in lost} <= {record.dagster_run.run_id for record in earlier}
        assert all(record.end_time <= first.create_timestamp.timestamp() for record in earlier)


def outputs(instance: dg.DagsterInstance, after: float) -> list[dg.RunRecord]:
    """The runs of what follows the table that were requested after this time, the first one first."""
    filters = dg.RunsFilter(job_name="catalog_outputs_job", created_after=datetime.fromtimestamp(after, UTC))
    return list(instance.get_run_records(filters=filters, ascending=True))
