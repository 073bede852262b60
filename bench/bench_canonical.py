"""Refreshing the canonical models of the `real` fleet, relative to the sync before it. Run it: make bench.

The first refresh assigns every offer; the others follow a sync without changes and one in which a tenth of the models
changed.
"""

import statistics
import tempfile
import time
from pathlib import Path

import ours
from harness import Databases, served
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres

ROUNDS = 3
STEPS = ("first", "unchanged", "a tenth changed")


def main() -> None:
    """Measures and prints the table."""
    times: dict[str, list[tuple[float, float]]] = {step: [] for step in STEPS}
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
                begun = time.perf_counter()
                system.sync()
                synced = time.perf_counter()
                reports[step] = _refresh(system.url)
                if number:  # the round before loads and compiles everything
                    times[step].append((synced - begun, time.perf_counter() - synced))
    table = Table(title=f"{fleet.models:,} offers of {len(fleet.providers)} providers", title_justify="left")
    for heading in ("sync before it", "ratio to that sync", "to the first", "offers assigned", "models changed"):
        table.add_column(heading, justify="right")
    first = [sync for sync, _ in times["first"]]
    for step, measured in times.items():
        own = [refresh / sync for sync, refresh in measured]
        ratio = [refresh / sync for sync, (_, refresh) in zip(first, measured, strict=True)]
        table.add_row(
            step,
            *(f"{statistics.median(each):.3f}" for each in (own, ratio)),
            f"{reports[step].offers_assigned:,}",
            f"{reports[step].models_changed:,}",
        )
    Console(width=120).print(table)


def _refresh(url: str) -> catalog.canonical.RefreshReport:
    with open_database(url) as database, database.session() as session:
        report = catalog.canonical.refresh(session)
        session.commit()
    return report


if __name__ == "__main__":
    main()
