"""Compares this project with what people use today, on the same providers, machine and kind of PostgreSQL.

There are two fleets: `real`, 100 providers as varied as in the wild, and `even`, 1,000 providers of 50 models. Prints a
table of ratios for each; absolute figures depend on the machine. Run it: make bench, or with fleets and a number of
rounds as arguments; `quick` leaves out what takes minutes.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import ours
from floor import Floor
from floor_of_tables import FloorOfTables
from harness import Databases, Fleet, System, Times, measure, print_ratios, served
from with_dagster_dlt import DagsterDlt, DagsterDltAsRun
from with_dlt import Dlt
from with_partitions import AT_ONCE, SAMPLED, RunPerPartition

from provider_pipeline.catalog.embedded import EmbeddedPostgres

ROUNDS = 5
TITLES = {
    "real": "100 providers of very different length, 8 MB, 6,800 models",
    "even": "1,000 providers of 50 models, 46 MB",
}
NOTES = {
    RunPerPartition.name: f" ({SAMPLED} of the providers, {AT_ONCE} at a time, scaled)",
}


def in_one_process(fleet: Fleet, databases: Databases, folder: Path, template: str) -> list[System]:
    """Systems without Dagster."""
    return [
        Floor(fleet, databases),
        FloorOfTables(fleet, databases, template),
        ours.Ours(fleet, databases, template),
        Dlt(fleet, databases, folder / "dlt"),
    ]


def through_dagster(fleet: Fleet, databases: Databases, folder: Path, template: str) -> list[System]:
    """Systems in Dagster runs, executed in this process."""
    return [
        ours.OursInDagster(fleet, databases, template, folder / "ours"),
        DagsterDlt(fleet, databases, folder / "dagster-dlt", folder / "theirs"),
    ]


def as_processes(fleet: Fleet, databases: Databases, folder: Path, template: str) -> list[System]:
    """Systems as processes of their own."""
    return [
        ours.OursAsRun(fleet, databases, template, folder / "ours-process"),
        DagsterDltAsRun(fleet, databases, folder / "dlt-process", folder / "theirs-process"),
        RunPerPartition(fleet, databases, folder / "partitions"),
    ]


def run(name: str, rounds: int, *, quick: bool) -> Times:
    """Measures all systems on one fleet and prints the table."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as made,
        EmbeddedPostgres(Path(made)) as server,
        served(name) as fleet,
    ):
        databases, folder = Databases(server), Path(made)
        template = ours.registered(fleet, databases)
        systems = in_one_process(fleet, databases, folder, template)
        if not quick:
            systems += through_dagster(fleet, databases, folder, template)
        if not quick and name == "real":
            systems += as_processes(fleet, databases, folder, template)
        times = measure(fleet, systems, rounds)
        print_ratios(TITLES[name], times, Floor.name, NOTES)
        return times


def main() -> None:
    """Measures the named fleets, by default all."""
    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    numbers = [int(word) for word in words if word.isdigit()]
    for name in [word for word in words if word in TITLES] or list(TITLES):
        run(name, numbers[0] if numbers else ROUNDS, quick="quick" in words)


if __name__ == "__main__":
    main()
