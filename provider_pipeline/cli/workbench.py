"""What `demo` and `dev` stand on: a home folder, a database server, and an environment for Dagster's processes.

Here: where things are, and that every child process ends. Not here: what the children do.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]

_GRACE_SECONDS = 30
_WORKSPACE = "workspace.yaml"


@dataclass(frozen=True)
class Workbench:
    """A migrated catalogue, and the environment in which Dagster's commands find it.

    Attributes:
        home: The folder for everything that is written.
        database: The catalogue.
        environment: For child processes: DAGSTER_HOME, DAGSTER_POSTGRES_URL and PROVIDER_PIPELINE_DATABASE_URL are set.
    """

    home: Path
    database: catalog.Database
    environment: Mapping[str, str]

    def log_file(self, name: str) -> Path:
        """The file that a child's output goes to."""
        folder = self.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


@contextmanager
def workbench(home: Path, *, catalog_url: str | None = None, dagster_url: str | None = None) -> Iterator[Workbench]:
    """Opens the catalogue, starting the embedded server where a URL is missing.

    Args:
        home: The folder for everything that is written.
        catalog_url: The catalogue's database; embedded when None.
        dagster_url: Dagster's own storage; embedded when None.

    Raises:
        ConfigurationError: This is not a source checkout: Dagster's files are not there.
        DatabaseUnavailableError: A given URL does not answer.
    """
    for name in (_WORKSPACE, "dagster.yaml"):
        if not (ROOT / name).is_file():
            raise ConfigurationError(
                f"{name} is not in {ROOT}", hint="demo and dev run from a source checkout of the project"
            )
    home.mkdir(parents=True, exist_ok=True)
    if catalog_url and dagster_url:
        with _workbench(home, catalog_url, dagster_url) as ready:
            yield ready
        return
    with catalog.EmbeddedPostgres(home) as server:
        server.ensure_database("dagster")
        server.ensure_database("provider_pipeline")
        storage = catalog.adapted_url(server.url("dagster"), options="-c synchronous_commit=off")
        with _workbench(
            home,
            catalog_url or server.url("provider_pipeline"),
            dagster_url or storage,
        ) as ready:
            yield ready


@contextmanager
def _workbench(home: Path, catalog_url: str, dagster_url: str) -> Iterator[Workbench]:
    dagster_home = home / "dagster"
    dagster_home.mkdir(exist_ok=True)
    shutil.copyfile(ROOT / "dagster.yaml", dagster_home / "dagster.yaml")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home),
        # dagster-postgres works with psycopg 2 only; see dagster.yaml.
        "DAGSTER_POSTGRES_URL": catalog.adapted_url(dagster_url, driver="psycopg2"),
        "PROVIDER_PIPELINE_DATABASE_URL": catalog_url,
        "PROVIDER_PIPELINE_HOME": str(home),
    }
    with catalog.open_database(catalog_url) as database:
        catalog.upgrade(database.engine)
        yield Workbench(home, database, environment)


WORKSPACE = ("-w", str(ROOT / _WORKSPACE))
MODULE = ("-m", "provider_pipeline.definitions")


def dagster_command(*arguments: str) -> list[str]:
    """The command line of a Dagster command."""
    return [sys.executable, "-m", "dagster", *arguments]


def run_logged(bench: Workbench, command: Sequence[str], name: str, *, extra: Mapping[str, str]) -> int:
    """Runs a command to its end with its output in a log file; returns its exit code."""
    with (
        bench.log_file(name).open("wb") as log,
        running(command, environment={**bench.environment, **extra}, output=log.fileno()) as process,
    ):
        return process.wait()


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that ends with the block, and all its descendants with it.

    It gets a session of its own, so that Ctrl-C reaches us alone and the children end in order: first asked, then
    told, then killed.

    Args:
        command: Its command line.
        environment: Its whole environment.
        output: File descriptor for both of its outputs; ours when None.
    """
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command, cwd=ROOT, env=dict(environment), stdout=output, stderr=output, start_new_session=True
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the child to end, and its session after it; an impatient second Ctrl-C kills them at once."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(_GRACE_SECONDS)
        _, alive = psutil.wait_procs(_session_of(process), timeout=3)
        for each in alive:
            each.terminate()
        psutil.wait_procs(alive, timeout=3)
    except subprocess.TimeoutExpired:
        pass
    finally:
        for each in _session_of(process):
            with suppress(psutil.Error):
                each.kill()
        process.wait()


def _session_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of the child's session: those that outlive it are nobody's children any more."""
    found = []
    for each in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.Error):
            if os.getsid(each.pid) == process.pid and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found
