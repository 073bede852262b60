"""The basis of `demo` and `dev`: a home folder, the databases, and child processes that always end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import psutil

from provider_pipeline import catalog
from provider_pipeline.cli import supervisor
from provider_pipeline.cli.console import note
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.extras import require_extras

DEFINITIONS = "provider_pipeline.definitions"
CHECKOUT = next((each for each in [Path(__file__).parents[2]] if (each / "pyproject.toml").is_file()), None)
"""The checkout that this code runs from; None if it was installed from a wheel."""

_FILES = ("dagster.yaml", "workspace.yaml")
_KILL_SECONDS = 10


@dataclass(frozen=True)
class Workbench:
    """A migrated catalogue, and the environment in which Dagster's commands find it.

    Attributes:
        home: The folder for everything that is written.
        database: The catalogue.
        environment: For child processes; it sets DAGSTER_HOME, DAGSTER_POSTGRES_URL and PROVIDER_PIPELINE_DATABASE_URL.
        server: The embedded server; None if both databases were given by URL.
    """

    home: Path
    database: catalog.database.Database
    environment: Mapping[str, str]
    server: catalog.embedded.EmbeddedPostgres | None

    @property
    def workspace(self) -> tuple[str, str]:
        """The options that make a Dagster command load this package's definitions."""
        return "-w", str(self.home / "dagster" / "workspace.yaml")

    def log_file(self, name: str) -> Path:
        """The file for a child's output."""
        folder = self.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


@contextmanager
def workbench(
    home: Path,
    *,
    catalog_url: str | None = None,
    dagster_url: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Workbench]:
    """Open the catalogue, with an embedded server for each database that has no URL.

    Args:
        home: The folder for everything that is written.
        catalog_url: The catalogue's database; it must have this version's schema already.
        dagster_url: Dagster's own storage.
        environ: What child processes inherit.

    Raises:
        ConfigurationError: The home cannot be written, or an extra is not installed.
        DatabaseUnavailableError: A given URL does not answer.
        MigrationMissingError: The database at `catalog_url` has another version's schema.
    """
    extras = ["ui"] if catalog_url and dagster_url else ["embedded", "ui"]
    require_extras(*extras, purpose="Dagster with its UI and storage")
    dagster_home = _dagster_home(home)
    with ExitStack() as stack:
        server = None
        storage_url = dagster_url
        if catalog_url is None or dagster_url is None:
            note(f"starting the embedded PostgreSQL in {home}")
            server = stack.enter_context(catalog.embedded.EmbeddedPostgres(home))
        if server is not None and storage_url is None:
            server.ensure_database("dagster")
            storage_url = catalog.database.adapted_url(server.url("dagster"), options="-c synchronous_commit=off")
        if server is not None and catalog_url is None:
            server.ensure_database("provider_pipeline")
            database = stack.enter_context(catalog.database.open_database(server.url("provider_pipeline")))
            catalog.migrations.upgrade(database.engine)
        else:
            database = stack.enter_context(catalog.database.open_catalog(catalog_url))
        environment = {
            **environ,
            "DAGSTER_HOME": str(dagster_home),
            # dagster-postgres works with psycopg 2 only; see deploy/dagster.yaml.
            "DAGSTER_POSTGRES_URL": catalog.database.adapted_url(str(storage_url), driver="psycopg2"),
            "PROVIDER_PIPELINE_DATABASE_URL": database.url,
            "PROVIDER_PIPELINE_HOME": str(home),
        }
        yield Workbench(home, database, environment, server)


def _dagster_home(home: Path) -> Path:
    """Dagster's home, with the package's own settings and workspace in it."""
    folder = home / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            with as_file(files("provider_pipeline") / "deploy" / name) as source:
                shutil.copyfile(source, folder / name)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written: {error.strerror}",
            hint="make room, or set PROVIDER_PIPELINE_HOME to a folder you can write to",
        ) from error
    return folder


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module, such as a Dagster command."""
    return [sys.executable, "-m", module, *arguments]


def run_logged(bench: Workbench, command: Sequence[str], name: str, *, extra: Mapping[str, str]) -> int:
    """Run a command to its end with its output in a log file, and return its exit code."""
    with (
        bench.log_file(name).open("wb") as log,
        running(command, environment={**bench.environment, **extra}, output=log.fileno()) as process,
    ):
        return process.wait()


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that ends with the block, and its descendants with it; also when we are killed.

    It has its own session, so that Ctrl-C reaches only us, and `supervisor` ends the children in order.

    Args:
        command: Its command line.
        environment: Its whole environment.
        output: File descriptor for stdout and stderr; ours when None.
    """
    process = subprocess.Popen(  # noqa: S603 - our own command line
        # -P keeps our modules, which lie beside the supervisor, off its sys.path.
        [sys.executable, "-P", supervisor.__file__, *command],
        cwd=CHECKOUT,  # Dagster imports from there first, and another folder may hold another version
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the supervisor end everything in order; a second Ctrl-C kills it all at once."""
    try:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(supervisor.GRACE_SECONDS + _KILL_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        for each in supervisor.session_processes(process.pid):
            with suppress(psutil.Error):
                each.kill()
        process.wait()
