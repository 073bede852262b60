"""Reads per second from the HTTP API with 100,000 models, relative to a floor.

The floor is uvicorn alone, with one prepared query over psycopg and the rows' JSON made by the database. Both run as
one process, with the same number of clients. Prints ratios; absolute figures depend on the machine. Run it: make bench
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade

MODELS = 100_000
PROVIDERS = 100
CONNECTIONS = 8
SECONDS = 4.0
CASES = {
    "one provider": "/api/providers/provider-007/models",
    "one model": "/api/models?limit=1",
    "all, filtered": "/api/models?capability=vision&min_context=200000",
    "all, rare": "/api/models?capability=rerank",
    "all, largest first": "/api/models?sort=-context_length",
    "unchanged (304)": "/api/models",
}
FLOOR = """
import asyncio, os
import psycopg

QUERY = '''SELECT json_agg(page)::text FROM (
    SELECT * FROM provider_model WHERE provider_id = 7 ORDER BY model_id LIMIT 100) AS page'''
connections = asyncio.Queue()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        for _ in range(8):
            connections.put_nowait(await psycopg.AsyncConnection.connect(os.environ["FLOOR_URL"], autocommit=True))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    connection = await connections.get()
    body = (await (await connection.execute(QUERY, prepare=True)).fetchone())[0].encode()
    connections.put_nowait(connection)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
"""


def fill(database: Database) -> None:
    """Fills the catalogue as syncs would."""
    now = datetime.now(UTC)
    with database.session() as session:
        for number in range(PROVIDERS):
            slug = f"provider-{number:03}"
            added = catalog.providers.add(
                session, slug=slug, name=slug, base_url="https://api.example.com", auth_config={"type": "none"}
            )
            catalog.rule_versions.add_version(
                session,
                added.id,
                model_list_config={"endpoint": "/v1/models", "selector": "data[*]"},
                endpoints_config={},
                metadata={},
                digest=f"{number:064}",
                sample_id=None,
                origin="bench",
                activate=True,
            )
            rows = (row(number, n) for n in range(MODELS // PROVIDERS))
            catalog.model_writes.write(session, [catalog.model_writes.ListedModels(added.id, rows, 1)], now=now)
            catalog.sync_state.record_successes(
                session, [catalog.sync_state.AcceptedSync(added.id, 1, {"models": 1000})], now=now
            )
        session.commit()
        session.execute(text("ANALYZE"))
        session.commit()


def row(provider: int, n: int) -> dict[str, Any]:
    """One model."""
    return {
        "model_id": f"vendor-{n % 17}/model-{n:05}",
        "display_name": f"Model {n}",
        "family": f"family-{n % 50}",
        "context_length": 8_192 * (1 + (n * 7 + provider) % 64),
        "max_output_tokens": 4_096,
        "input_modalities": ["image", "text"] if n % 5 == 0 else ["text"],
        "output_modalities": ["text"],
        "input_price": round((n % 97) * 0.05, 4),
        "output_price": round((n % 89) * 0.2, 4),
        "capabilities": {"chat": True, "vision": n % 5 == 0, **({"rerank": True} if n % 500 == 3 else {})},
        "prices": {},
        "capability_sources": {"chat": "regex", "vision": "evidence"},
        "metadata_json": {"owned_by": "acme"},
        "meta_hash": f"{provider * 100_000 + n:064x}",
    }


@contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process, and the port that it logs."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            port = next(int(line.split("127.0.0.1:")[1].split()[0]) for line in server.stderr if "127.0.0.1:" in line)
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield server, port
        finally:
            server.kill()


def ask(port: int, path: str, headers: dict[str, str]) -> tuple[list[float], int]:
    """Seconds of each request, with `CONNECTIONS` clients for `SECONDS`, and the size of a response in bytes."""
    times: list[float] = []
    sizes: list[int] = []

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < end:
            started = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            sizes.append(len(answer.read()))
            if answer.status not in (200, 304):
                raise SystemExit(f"{path}: {answer.status}")
            times.append(time.perf_counter() - started)
        connection.close()

    end = time.perf_counter() + SECONDS
    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, sizes[0]


def main() -> None:
    """Measures both and prints the table."""
    table = Table(title=f"reads from {MODELS:,} models, {CONNECTIONS} connections", title_justify="left")
    for column in ("read", "a second", "of the floor", "median ms", "p99 ms", "KiB", "memory MiB"):
        table.add_column(column, justify="left" if column == "read" else "right")
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("bench")
        url = server.url("bench")
        with open_database(url) as database:
            upgrade(database.engine)
            fill(database)
            with database.session() as session:
                token = catalog.api_tokens.create(session, "bench", "read")
                session.commit()
        Path(folder, "floor.py").write_text(FLOOR)
        floor_url = url.replace("+psycopg", "")
        command = [sys.executable, "-m", "uvicorn", "floor:app", "--port", "0", "--no-access-log", "--app-dir", folder]
        with process(command, {"FLOOR_URL": floor_url}) as (running, port):
            floor = report(table, "floor", running, port, "/", {}, None)
        cli = "from provider_pipeline.cli import main; main()"
        command = [sys.executable, "-c", cli, "api", "--port", "0", "--requests-per-second", "1000000"]
        with process(command, {"PROVIDER_PIPELINE_DATABASE_URL": url}) as (running, port):
            for name, path in CASES.items():
                headers = {"Authorization": f"Bearer {token}"}
                if "304" in name:
                    connection = HTTPConnection("127.0.0.1", port)
                    connection.request("GET", path, headers=headers)
                    headers["If-None-Match"] = connection.getresponse().headers["ETag"]
                    connection.close()
                report(table, name, running, port, path, headers, floor)
    Console(width=120).print(table)


def report(
    table: Table,
    name: str,
    running: subprocess.Popen[str],
    port: int,
    path: str,
    headers: dict[str, str],
    floor: float | None,
) -> float:
    """Adds a row to the table; returns the requests per second."""
    ask(port, path, headers)
    times, size = ask(port, path, headers)
    rate = len(times) / SECONDS
    times.sort()
    table.add_row(
        name,
        f"{rate:.0f}",
        "1" if floor is None else f"{rate / floor:.2f}",
        f"{statistics.median(times) * 1e3:.1f}",
        f"{times[int(len(times) * 0.99)] * 1e3:.1f}",
        f"{size / 1024:.0f}",
        f"{psutil.Process(running.pid).memory_info().rss / 2**20:.0f}",
    )
    return rate


if __name__ == "__main__":
    main()
