"""Refreshing the canonical models of the `real` fleet, relative to the sync before it.

The first refresh assigns every offer; the others follow a sync without changes and one in which a tenth of the models
changed. Processor time is that of this process and of PostgreSQL. Run it: make bench
"""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import ours
from harness import Cost, Databases, postgres_seconds, served
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog, sync
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres

ROUNDS = 5
STEPS = ("first", "unchanged", "a tenth changed")

T = TypeVar("T")


def main() -> None:
    """Measures and prints the table."""
    syncs: dict[str, list[Cost]] = {step: [] for step in STEPS}
    refreshes: dict[str, list[Cost]] = {step: [] for step in STEPS}
    reports: dict[str, catalog.canonical.RefreshReport] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
        served("real") as fleet,
    ):
        databases = Databases(server)
        system = ours.Ours(fleet, databases, ours.registered(fleet, databases))
        for number in range(ROUNDS + 1):
            system.begin()
            for step in STEPS:
                fleet.show(int(step == "a tenth changed"))
                synced, _ = _cost(server, system.sync)
                refresh, reports[step] = _cost(server, lambda: _refresh(system.url))
                if number:  # the round before loads and compiles everything
                    syncs[step].append(synced)
                    refreshes[step].append(refresh)
    table = Table(title=f"{fleet.models:,} offers of {len(fleet.providers)} providers", title_justify="left")
    table.add_column("sync before it")
    columns = ("of that sync", "of the first", "of it PostgreSQL", "of the first, by the clock")
    for heading in (*columns, "offers assigned", "models changed"):
        table.add_column(heading, justify="right")
    for step, costs in refreshes.items():
        ratios = (
            [one.processor / before.processor for one, before in zip(costs, syncs[step], strict=True)],
            [one.processor / before.processor for one, before in zip(costs, syncs["first"], strict=True)],
            [one.server / one.processor for one in costs],
            [one.clock / before.clock for one, before in zip(costs, syncs["first"], strict=True)],
        )
        told = (f"{reports[step].offers_assigned:,}", f"{reports[step].models_changed:,}")
        table.add_row(step, *(f"{statistics.median(each):.3f}" for each in ratios), *told)
    Console(width=120).print(table)


def _cost(server: EmbeddedPostgres, work: Callable[[], T]) -> tuple[Cost, T]:
    gc.collect()  # so that what the work before left behind is not collected in this one
    used = postgres_seconds(server)
    clock, client = time.perf_counter(), time.process_time()
    result = work()
    clock, client = time.perf_counter() - clock, time.process_time() - client
    return Cost(clock, client, postgres_seconds(server) - used), result


def _refresh(url: str) -> catalog.canonical.RefreshReport:
    with open_database(url) as database, database.session() as session:
        report = sync.events.refresh_canonical_models(session, now=datetime.now(UTC))
        session.commit()
    return report


if __name__ == "__main__":
    main()
