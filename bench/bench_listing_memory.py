"""How much memory a long listing needs, end to end: fetched, validated and written by one process.

A generated provider in a process of its own lists its models over many pages, by cursor. Prints the peak of the syncing
process alone, PostgreSQL and the provider left out, and fails above 512 MiB. Run it: make bench, or with the number of
models and of pages as arguments.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench_rules import NAMES, VENDORS
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.catalog import Database, EmbeddedPostgres, open_database, upgrade
from provider_pipeline.listing import FetchLimits, ListingClient
from provider_pipeline.rules import EndpointSample
from provider_pipeline.sync import attempt_sync, generate_rule

MODELS = 1_000_000
A_PAGE = 1_000
MOST_MEBIBYTES = 512
SLUG = "generated"
LIMITS = FetchLimits(deadline=3_600, max_pages=100_000, max_total_bytes=2**40)
Page = dict[str, Any]


def page(start: int, size: int, models: int) -> Page:
    """The models from `start` on, with the cursor of the next page; names never seen before, so that no cache helps."""
    end = min(start + size, models)
    listed = [
        {
            "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{n}",
            "type": "model",
            "context_length": 32_768 * (1 + n % 8),
            "pricing": {"prompt": f"0.00000{1 + n % 9}", "completion": f"0.0000{1 + n % 9}"},
        }
        for n in range(start, end)
    ]
    return {"data": listed, "has_more": end < models, "last_id": str(end)}


def serve(models: int, pages: int) -> None:
    """Serves the listing on a free port of loopback, which it prints, until it is ended."""
    size = -(-models // pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start = int(parse_qs(urlsplit(self.path).query).get("after_id", ["0"])[0])
            body = json.dumps(page(start, size, models)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


@contextmanager
def served(models: int, pages: int) -> Iterator[str]:
    """The provider's base URL, while its process runs."""
    command = [sys.executable, __file__, "serve", str(models), str(pages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def register(database: Database, base_url: str, models: int, pages: int) -> None:
    """Adds the provider with the rule of a small listing of the same shape."""
    with database.session() as session:
        catalog.add_provider(
            session,
            slug=SLUG,
            name=SLUG,
            base_url=base_url,
            auth_config={"type": "none"},
            request_config={"allow_private": True},
        )
        generate_rule(session, SLUG, [EndpointSample(page(0, min(models // pages, 200), models), "/v1/models")])
        session.commit()


def peak_mebibytes() -> float:
    """The largest amount of memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(database_url: str, models: int, pages: int) -> dict[str, float]:
    """Syncs the listing twice in this process: everything new, then nothing new. Peaks in MiB, times in seconds."""
    with served(models, pages) as base_url, open_database(database_url) as database:
        register(database, base_url, models, pages)
        found = {"before": peak_mebibytes()}
        for name in ("all new", "nothing new"):
            started = time.perf_counter()
            with database.session() as session:
                outcome = attempt_sync(session, SLUG, client=ListingClient(LIMITS))
            if (outcome.status, outcome.models, outcome.page_count) != ("synced", models, pages):
                raise SystemExit(f"the bench's own listing is not synced: {outcome.reason or outcome.summary()}")
            found[name] = peak_mebibytes()
            found[f"{name}, seconds"] = time.perf_counter() - started
    return found


def main() -> None:
    """Measures in a process of its own, so that nothing but the sync counts, and prints the table."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    pages = int(sys.argv[2]) if len(sys.argv) > 2 else max(1, models // A_PAGE)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, EmbeddedPostgres(Path(name)) as postgres:
        postgres.ensure_database("bench")
        with open_database(postgres.url("bench")) as database:
            upgrade(database.engine)
        command = [sys.executable, __file__, "measure", postgres.url("bench"), str(models), str(pages)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    table = Table(title=f"{models:,} models, {pages:,} pages", title_justify="left")
    for column in ("sync", "peak memory", "seconds"):
        table.add_column(column, justify="left" if column == "sync" else "right")
    table.add_row("before", f"{found['before']:.0f} MiB", "")
    for each in ("all new", "nothing new"):
        table.add_row(each, f"{found[each]:.0f} MiB", f"{found[f'{each}, seconds']:.0f}")
    Console(width=120).print(table)
    if found["nothing new"] > MOST_MEBIBYTES:
        raise SystemExit(f"the peak is above {MOST_MEBIBYTES} MiB")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", listed, over]:
            serve(int(listed), int(over))
        case ["measure", url, listed, over]:
            sys.stdout.write(json.dumps(measure(url, int(listed), int(over))))
        case _:
            main()
