"""What `demo` and `dev` stand on: a home folder, a database server, and an environment for Dagster's processes.

Here: where things are, and that every child process ends. Not here: what the children do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from provider_pipeline import catalog
from provider_pipeline.cli import supervisor
from provider_pipeline.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
_DEPLOY = ROOT / "provider_pipeline" / "deploy"

_SUPERVISOR = Path(supervisor.__file__)
_MORE_SECONDS = 10
_WORKSPACE = "workspace.yaml"
_SETTINGS = "dagster.yaml"


@dataclass(frozen=True)
class Workbench:
    """A migrated catalogue, and the environment in which Dagster's commands find it.

    Attributes:
        home: The folder for everything that is written.
        database: The catalogue.
        environment: For child processes: DAGSTER_HOME, DAGSTER_POSTGRES_URL and PROVIDER_PIPELINE_DATABASE_URL are set.
        server: The embedded server, if it is used at all.
    """

    home: Path
    database: catalog.database.Database
    environment: Mapping[str, str]
    server: catalog.embedded.EmbeddedPostgres | None

    def log_file(self, name: str) -> Path:
        """The file that a child's output goes to."""
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
    """Opens the catalogue, starting the embedded server where a URL is missing.

    Args:
        home: The folder for everything that is written.
        catalog_url: The catalogue's database, which must have the schema of this version; embedded when None.
        dagster_url: Dagster's own storage; embedded when None.
        environ: What child processes inherit, beside what leads them to all this.

    Raises:
        ConfigurationError: This is not a source checkout: Dagster's files are not there; or the home cannot be written.
        DatabaseUnavailableError: A given URL does not answer.
        MigrationMissingError: The schema at a given URL is not the one this code works with.
    """
    for name in (_WORKSPACE, _SETTINGS):
        if not (_DEPLOY / name).is_file():
            raise ConfigurationError(
                f"{name} is not in {_DEPLOY}", hint="demo and dev run from a source checkout of the project"
            )
    dagster_home = _dagster_home(home)
    with ExitStack() as stack:
        server = None
        storage_url = dagster_url
        if catalog_url is None or dagster_url is None:
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
            # dagster-postgres works with psycopg 2 only; see dagster.yaml.
            "DAGSTER_POSTGRES_URL": catalog.database.adapted_url(str(storage_url), driver="psycopg2"),
            "PROVIDER_PIPELINE_DATABASE_URL": database.url,
            "PROVIDER_PIPELINE_HOME": str(home),
        }
        yield Workbench(home, database, environment, server)


def _dagster_home(home: Path) -> Path:
    folder = home / "dagster"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_DEPLOY / _SETTINGS, folder / _SETTINGS)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written: {error.strerror}",
            hint="make room, or set PROVIDER_PIPELINE_HOME to a folder you can write to",
        ) from error
    return folder


WORKSPACE = ("-w", str(_DEPLOY / _WORKSPACE))
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
    """A child process that ends with the block, and all its descendants with it; or with us, if we are killed.

    It gets a session of its own, so that Ctrl-C reaches us alone and the children end in order (`supervisor`).

    Args:
        command: Its command line.
        environment: Its whole environment.
        output: File descriptor for both of its outputs; ours when None.
    """
    process = subprocess.Popen(  # noqa: S603 - our own command line
        # -P: the modules beside the supervisor are none of its own.
        [sys.executable, "-P", str(_SUPERVISOR), *command],
        cwd=ROOT,
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
    """Lets the supervisor end everything in order; an impatient second Ctrl-C kills it all at once."""
    try:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(supervisor.GRACE_SECONDS + _MORE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        for each in supervisor.session_processes(process.pid):
            with suppress(psutil.Error):
                each.kill()
        process.wait()
