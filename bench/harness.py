"""What the benches share: the fleet's server, databases, times, and a table with ratios and their spread.

Each round runs all systems in turn, so that other load on the machine slows all of them. A ratio is the median over the
rounds, each relative to the reference system in the same round.
"""

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

import orjson
import psutil
import psycopg
from fleet import FLEETS, Provider
from rich.console import Console
from rich.table import Table

from provider_pipeline.catalog.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
STEPS = ("first", "unchanged", "unchanged, ETags", "a tenth changed")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Fleet:
    """The providers, and the URL that serves them."""

    name: str
    providers: list[Provider]
    url: str

    def show(self, edition: int) -> None:
        """Makes the providers list another edition."""
        self._control(f"edition/{edition}")

    def use_etags(self, used: bool) -> None:
        """Makes the server send ETags, and answer 304 to clients that know them."""
        self._control(f"etags/{int(used)}")

    def counters(self) -> dict[str, int]:
        """The server's counters since the last call."""
        counted: dict[str, int] = self._control("counters")
        return counted

    @property
    def models(self) -> int:
        """The number of models of all providers."""
        return sum(provider.models for provider in self.providers)

    def _control(self, what: str) -> Any:
        with urlopen(Request(f"{self.url}/-/{what}", method="POST")) as answer:
            return orjson.loads(answer.read())


@contextmanager
def served(name: str) -> Iterator[Fleet]:
    """Serves the fleet from a process of its own."""
    with subprocess.Popen(
        [sys.executable, HERE / "fleet_server.py", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Fleet(name, FLEETS[name](), f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
            process.wait()


@dataclass(frozen=True)
class Cost:
    """Seconds: by the clock, and of the processors in the processes that sync and in PostgreSQL."""

    clock: float
    client: float
    server: float

    @property
    def processor(self) -> float:
        """Of both."""
        return self.client + self.server


def postgres_seconds(server: EmbeddedPostgres) -> float:
    """Processor seconds of the server since its start, its processes that have ended included.

    Waits for the processes of closed connections, which still drop their temporary tables.
    """
    main = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    while any(map(_is_connection, main.children())):
        time.sleep(0.01)
    own = main.cpu_times()
    used = own.user + own.system + own.children_user + own.children_system
    for process in main.children():
        with suppress(psutil.NoSuchProcess):
            each = process.cpu_times()
            used += each.user + each.system
    return used


def _is_connection(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE or "[local]" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


@dataclass(frozen=True)
class Databases:
    """Databases on one server, shared by all systems."""

    server: EmbeddedPostgres

    def new(self, template: str = "template1") -> str:
        """Creates a database, and returns its name."""
        name = f"bench_{next(_numbers)}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            # So that the pages written by the copy are not flushed during the next measurement.
            connection.execute("CHECKPOINT")
        return name

    def drop(self, name: str) -> None:
        """Drops a database, and any connections to it."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def conninfo(self, name: str) -> str:
        """The database's libpq connection string."""
        return f"host={self.folder} user=postgres dbname={name}"

    @property
    def folder(self) -> str:
        """The folder of the server's socket."""
        return self.server.url("postgres").partition("host=")[2].replace("%2F", "/")


class System(Protocol):
    """A system that keeps a table of what a fleet lists.

    Attributes:
        name: Its name in the results.
        sees_etags: Whether it uses ETags; if not, the step with ETags is skipped.
    """

    name: str
    sees_etags: bool

    def begin(self) -> None:
        """Starts from an empty state."""
        ...

    def sync(self) -> None:
        """Syncs every provider once."""
        ...

    def models(self) -> int:
        """The number of models in its table."""
        ...

    def factor(self) -> float:
        """The factor for measured times; above 1 if it syncs only a part of the fleet."""
        ...


class OwnDatabase:
    """Base of systems with a database of their own: a new copy of `template` in each round."""

    def __init__(self, fleet: Fleet, databases: Databases, template: str = "template1") -> None:
        self._fleet = fleet
        self._databases = databases
        self._template = template
        self._database: str | None = None

    def begin(self) -> None:
        """Starts with a new copy of the template."""
        if self._database is not None:
            self._databases.drop(self._database)
        self._database = self._databases.new(self._template)

    def factor(self) -> float:
        """1: it syncs the whole fleet."""
        return 1

    @property
    def database(self) -> str:
        """The database of this round."""
        assert self._database is not None
        return self._database

    def connect(self) -> psycopg.Connection:
        """A connection to it."""
        return psycopg.connect(self._databases.conninfo(self.database))

    def count(self, table: str) -> int:
        """The number of rows in a table."""
        with self.connect() as connection:
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]


@dataclass
class Times:
    """Seconds per system and step, round by round."""

    rounds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, system: str, step: str, seconds: float) -> None:
        """Adds one measurement."""
        self.rounds.setdefault((system, step), []).append(seconds)

    def ratio(self, system: str, step: str, base: str, base_step: str) -> float | None:
        """The median ratio over the rounds."""
        pairs = zip(self.rounds.get((system, step), ()), self.rounds.get((base, base_step), ()), strict=False)
        ratios = [one / other for one, other in pairs]
        return statistics.median(ratios) if ratios else None


def seconds(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(fleet: Fleet, systems: list[System], rounds: int) -> Times:
    """Runs all systems through all steps, round by round."""
    times = Times()
    for number in range(rounds):
        for system in systems:
            _measure_one(fleet, system, times)
            sys.stderr.write(f"\r{fleet.name}, round {number + 1} of {rounds}: {system.name:<40}")
    sys.stderr.write("\n")
    return times


def _measure_one(fleet: Fleet, system: System, times: Times) -> None:
    fleet.show(0)
    fleet.use_etags(False)
    system.begin()
    for step in STEPS:
        if step == "unchanged, ETags":
            if not system.sees_etags:
                continue
            fleet.use_etags(True)
            system.sync()  # learns the ETags
        elif step == "a tenth changed":
            fleet.use_etags(False)
            fleet.show(1)
        times.add(system.name, step, seconds(system.sync) * system.factor())
        if (found := system.models()) != fleet.models:
            raise SystemExit(f"{system.name} has {found} models after {step!r}; the fleet lists {fleet.models}")


def print_ratios(title: str, times: Times, base: str, notes: dict[str, str]) -> None:
    """Prints, for each system and step, the median time relative to the reference system in the same step."""
    table = Table(title=title, title_justify="left")
    table.add_column("system")
    for step in STEPS:
        table.add_column(step, justify="right")
    for column in ("unchanged / first", "spread", "rounds"):
        table.add_column(column, justify="right")
    for name in dict.fromkeys(system for system, _ in times.rounds):
        cells = [_multiple(times.ratio(name, step, base, step.removesuffix(", ETags"))) for step in STEPS]
        own = _multiple(times.ratio(name, "unchanged", name, "first"))
        first = times.rounds[name, "first"]
        table.add_row(f"{name}{notes.get(name, '')}", *cells, own, _spread(first), str(len(first)))
    console = Console(width=150)
    console.print(table)
    medians = {step: statistics.median(times.rounds[base, step]) for step in STEPS if (base, step) in times.rounds}
    told = ", ".join(f"{step} {taken:.2f} s" for step, taken in medians.items())
    console.print(f"1.00 is {base} in the same step of the same round; on this machine now: {told}\n", highlight=False)


def _multiple(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _spread(values: list[float]) -> str:
    return f"±{(max(values) - min(values)) / 2 / statistics.median(values):.0%}"
