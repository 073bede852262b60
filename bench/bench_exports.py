"""The time to export the `real` fleet's models as LiteLLM's map, next to a first sync of them. Run it: make bench."""

import io
import statistics
import tempfile
import time
from pathlib import Path

import ours
from harness import Databases, served
from rich.console import Console

from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.exports.files import export
from provider_pipeline.exports.forms import find_form
from provider_pipeline.exports.records import ExportRequest

ROUNDS = 5


def main() -> None:
    """Measures and prints the ratio."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
        served("real") as providers,
    ):
        databases = Databases(server)
        system = ours.Ours(providers, databases, ours.registered(providers, databases))
        ratios = []
        for number in range(ROUNDS + 1):
            system.begin()
            began = time.perf_counter()
            system.sync()
            synced = time.perf_counter()
            with open_database(system.url) as database:
                opened = time.perf_counter()
                report = export(database, find_form("litellm"), ExportRequest(), io.BytesIO())
                exported = time.perf_counter() - opened
            if number:  # the first round loads and compiles everything
                ratios.append(exported / (synced - began))
        console = Console()
        console.print(f"{report.models:,} models as litellm: {statistics.median(ratios):.2f} of a first sync")
        console.print(f"of {ROUNDS} rounds: {min(ratios):.2f} to {max(ratios):.2f}; {len(report.left_out):,} left out")


if __name__ == "__main__":
    main()
