"""Memory and time of a long listing, end to end: fetched, validated and written by one process.

A generated provider, in a process of its own, lists its models over many pages, by cursor. Prints the peak memory and
the processor time of the syncing process alone, the time per model and relative to listings of 1,000 models. The same
process syncs those before and after, because the machine's speed varies. Fails above 512 MiB. Run it: make bench, or
with numbers of models.
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
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench_rules import NAMES, VENDORS
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.generate import generate_rule

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PAGE_SIZE = 1_000
SHORT = 1_000
SHORT_ROUNDS = 10
"""Short listings before the long one, and again after it."""
MAX_MEBIBYTES = 512
STEPS = ("all new", "nothing new")
LIMITS = FetchLimits(deadline=3_600, max_pages=100_000, max_total_bytes=2**40)
FIRST = {"long": 0, "before": 2_000_000, "after": 3_000_000, "warm-up": 4_000_000}
"""The number in the first name of each kind of listing: no listing repeats names of another, so that no cache helps."""
Page = dict[str, Any]


def page(start: int, size: int, models: int, first: int = 0) -> Page:
    """The models from `start` on, with the cursor of the next page. All names are new, so that no cache helps."""
    end = min(start + size, models)
    listed = [
        {
            "id": f"{VENDORS[n % len(VENDORS)]}/{NAMES[n % len(NAMES)]}-v{first + n}",
            "type": "model",
            "context_length": 32_768 * (1 + n % 8),
            "pricing": {"prompt": f"0.00000{1 + n % 9}", "completion": f"0.0000{1 + n % 9}"},
        }
        for n in range(start, end)
    ]
    return {"data": listed, "has_more": end < models, "last_id": str(end)}


def serve(models: int, pages: int) -> None:
    """Serves the listing on a free loopback port, which it prints, until the process is terminated."""
    size = -(-models // pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            start = int(parse_qs(asked.query).get("after_id", ["0"])[0])
            body = json.dumps(page(start, size, models, int(asked.path.split("/")[1]))).encode()
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


def register(database: Database, slug: str, base_url: str, models: int, pages: int) -> None:
    """Adds a provider with the rule of a small listing of the same shape."""
    with database.session() as session:
        catalog.providers.add(
            session,
            slug=slug,
            name=slug,
            base_url=base_url,
            auth_config={"type": "none"},
            request_config={"allow_private": True},
        )
        generate_rule(session, slug, [EndpointSample(page(0, min(models // pages, 200), models), "/v1/models")])
        session.commit()


def peak_mebibytes() -> float:
    """Peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def sync(database: Database, slug: str, models: int, pages: int) -> float:
    """Processor seconds of one sync in this process; the clock would tell what else the machine does."""
    started = time.process_time()
    with database.session() as session:
        outcome = attempt_sync(session, slug, client=ListingClient(LIMITS))
    if (outcome.status, outcome.models, outcome.page_count) != ("synced", models, pages):
        raise SystemExit(f"the bench's own listing is not synced: {outcome.reason or outcome.summary()}")
    return time.process_time() - started


def measure(database_url: str, models: int, pages: int) -> dict[str, float]:
    """Syncs the listing twice in this process: everything new, then nothing new.

    Returns:
        Peaks in MiB, and times per model relative to short listings. A warm-up comes first, so that loading and
        compiling are not counted.
    """
    found: dict[str, float] = {}
    with open_database(database_url) as database:
        _for_each(database, "warm-up", 100, 1, 1)
        found["before"] = peak_mebibytes()
        short = _for_each(database, "before", SHORT, 1, SHORT_ROUNDS)
        for_each = _for_each(database, "long", models, pages, 1, found)
        again = _for_each(database, "after", SHORT, 1, SHORT_ROUNDS)
    for name in STEPS:
        found[f"{name}, time"] = for_each[name][0] / median(short[name] + again[name])
    return found


def _for_each(
    database: Database, slug: str, models: int, pages: int, often: int, peaks: dict[str, float] | None = None
) -> dict[str, list[float]]:
    """Seconds per model of new listings, in each step."""
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    with served(models, pages) as base_url:
        for number in range(often):
            register(database, f"{slug}-{number}", f"{base_url}/{FIRST[slug] + number * SHORT}", models, pages)
            for name in STEPS:
                seconds[name].append(sync(database, f"{slug}-{number}", models, pages) / models)
                if peaks is not None:
                    peaks[name] = peak_mebibytes()
    return seconds


def measured_apart(models: int) -> dict[str, float]:
    """Measures in a process and on a database server of their own, so that only the sync counts."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, EmbeddedPostgres(Path(name)) as postgres:
        postgres.ensure_database("bench")
        with open_database(postgres.url("bench")) as database:
            upgrade(database.engine)
        pages = max(1, models // PAGE_SIZE)
        command = [sys.executable, __file__, "measure", postgres.url("bench"), str(models), str(pages)]
        found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        return found


def main() -> None:
    """Measures each size and prints the table."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    table = Table(title="One provider, 1,000 models on a page", title_justify="left")
    for column in ("models", "peak before", *(f"{step}, peak" for step in STEPS), *(f"{step}, time" for step in STEPS)):
        table.add_column(column, justify="right")
    for models in sizes:
        found = measured_apart(models)
        table.add_row(
            f"{models:,}",
            *(f"{found[name]:.0f} MiB" for name in ("before", *STEPS)),
            *(f"{found[f'{step}, time']:.2f}" for step in STEPS),
        )
        if found["nothing new"] > MAX_MEBIBYTES:
            raise SystemExit(f"the peak is above {MAX_MEBIBYTES} MiB")
    Console(width=120).print(table)
    Console(width=120).print("Processor times are per model, relative to listings of 1,000 models.", highlight=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", listed, over]:
            serve(int(listed), int(over))
        case ["measure", url, listed, over]:
            sys.stdout.write(json.dumps(measure(url, int(listed), int(over))))
        case _:
            main()
