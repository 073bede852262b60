"""Processor time of each stage of a sync of the `real` fleet, next to the floor's.

Only this process's processor time counts; time in PostgreSQL shows in the number of statements. Run it: make bench
"""

import inspect
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ours
import urllib3
from floor import Floor, fetched, hashed
from harness import Databases, Fleet, served
from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from provider_pipeline import catalog
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync import extract, fleet, load, plan
from provider_pipeline.sync.fleet import attempt_many

STEPS = ("first", "unchanged", "a tenth changed")

# The functions of each stage. A stage called by another one counts for itself only.
STAGES: dict[str, list[tuple[Any, str]]] = {
    "lock": [(catalog.sync_locks.SyncLocks, "take"), (catalog.sync_locks.SyncLocks, "release")],
    "read provider, rule, state": [(fleet, "prepare")],
    "parse the rule": [(plan, "parse_active_rule")],
    "fetch and parse": [(extract.ListingFetch, "run")],
    "hash": [(extract, "content_digest")],
    "judge": [(extract, "active_judge"), (extract, "judge_pages"), (load, "judged")],
    "store the response": [(catalog.raw_responses, "store_many"), (catalog.raw_responses, "prune")],
    "write the rows": [(load, "_written")],
    "note what happened": [(load, "_record"), (catalog.sync_state, "record_repeats")],
    "serve trials, first listings": [(fleet, "run_follow_ups")],
}


class _Thread(threading.local):
    """The stages that a thread is in, innermost last."""

    def __init__(self) -> None:
        self.running = ["the rest"]
        self.since = time.thread_time()


class Stopwatch:
    """Processor time and statements by stage, over all threads."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.statements: Counter[str] = Counter()
        self._alone = threading.Lock()
        self._thread = _Thread()
        self._began = time.process_time()

    def start(self) -> None:
        """Starts counting from zero."""
        self.seconds.clear()
        self.statements.clear()
        self._began = time.process_time()

    def stop(self) -> None:
        """Stops, and counts the remaining time as `the rest`."""
        self.seconds["the rest"] = time.process_time() - self._began - sum(self.seconds.values())

    def stage(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a function so that its time counts for a stage."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._running(name):
                return work(*args, **kwargs)

        def each_timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            found = work(*args, **kwargs)
            while True:
                with self._running(name):
                    try:
                        one = next(found)
                    except StopIteration:
                        return
                yield one

        return each_timed if inspect.isgeneratorfunction(work) else timed

    def executed(self, *_: Any) -> None:
        """Counts a statement for this thread's stage."""
        with self._alone:
            self.statements[self._thread.running[-1]] += 1

    @contextmanager
    def _running(self, name: str) -> Iterator[None]:
        self._switch()
        self._thread.running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._thread.running.pop()

    def _switch(self) -> None:
        now = time.thread_time()
        if (name := self._thread.running[-1]) != "the rest":
            with self._alone:
                self.seconds[name] += now - self._thread.since
        self._thread.since = now


def watch_sync(providers: Fleet, url: str) -> Stopwatch:
    """One sync of the fleet by this project."""
    watch, replaced = Stopwatch(), []
    for name, places in STAGES.items():
        for owner, attribute in places:
            replaced.append((owner, attribute, getattr(owner, attribute)))
            setattr(owner, attribute, watch.stage(name, getattr(owner, attribute)))
    try:
        with open_database(url) as database:
            event.listen(database.engine, "before_cursor_execute", watch.executed)
            slugs = [provider.slug for provider in providers.providers]
            watch.start()
            for outcome in attempt_many(database.session, slugs, client=ListingClient()):
                if outcome.status != "synced":
                    raise SystemExit(f"not synced: {outcome.reason} {outcome.error!r}")
            watch.stop()
    finally:
        for owner, attribute, original in replaced:
            setattr(owner, attribute, original)
    return watch


def watch_floor(fleet: Fleet, system: Floor) -> Stopwatch:
    """One sync by the floor, in this thread."""
    watch = Stopwatch()
    watch.start()
    rows = []
    pages, digest = watch.stage("fetch and parse", fetched), watch.stage("hash", hashed)
    with urllib3.PoolManager() as pool:
        for provider in fleet.providers:
            for _, _, document in pages(pool, provider, fleet.url):
                rows += digest(provider, document)
    watch.stage("write the rows", system.write)(rows)
    watch.stop()
    watch.statements["write the rows"] = 3
    return watch


def main() -> None:
    """Measures and prints the table."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
        served("real") as providers,
    ):
        databases = Databases(server)
        template = ours.registered(providers, databases)
        system, low = ours.Ours(providers, databases, template), Floor(providers, databases)
        for each in (system, low):
            each.begin()
            each.sync()  # warm-up: loads and compiles everything
            each.begin()
        found = {}
        for step in STEPS:
            providers.show(int(step == "a tenth changed"))
            found[step] = watch_sync(providers, system.url), watch_floor(providers, low)
    print_stages(found, len(providers.providers))


def print_stages(found: dict[str, tuple[Stopwatch, Stopwatch]], providers: int) -> None:
    """Prints the table."""
    table = Table(title="Processor time by stage, ms for each provider (statements)", title_justify="left")
    table.add_column("stage")
    for step in STEPS:
        table.add_column(step, justify="right")
    table.add_column("floor, first", justify="right")
    for name in [*STAGES, "the rest", "all"]:
        cells = [_cell(ours, name, providers) for ours, _ in found.values()]
        table.add_row(name, *cells, _cell(found["first"][1], name, providers))
    Console(width=140).print(table)


def _cell(watch: Stopwatch, name: str, providers: int) -> str:
    taken = sum(watch.seconds.values()) if name == "all" else watch.seconds[name]
    statements = sum(watch.statements.values()) if name == "all" else watch.statements[name]
    return f"{taken / providers * 1000:.2f}" + (f" ({statements / providers:.2g})" if statements else "")


if __name__ == "__main__":
    main()
