"""What all tests share: one embedded PostgreSQL for the session, and a fresh, migrated database per test."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import hypothesis
import psycopg
import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline_tests.dagster_instance import write_settings
from provider_pipeline_tests.databases import Databases, new_database
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.pooler import Pooler, running_pooler

_LONGEST_FILES: Final = ("test_demo_and_dev.py", "test_two_weeks.py", "test_dagster_ui.py")
"""Started first: with one file per worker, a long one that starts last runs alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    items.sort(key=lambda item: item.path.name not in _LONGEST_FILES)


# No example is slow by a clock: the machine may be busy.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

# What is ignored here, every process that a test starts would ignore as well: none could be asked to end. A worker
# ignores SIGTERM, whatever runs in a shell's background SIGINT; and Dagster makes the one do what the other does.
if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Nor may an embedded server outlive the test that used it.
os.environ["PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS"] = "0"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One server for the whole session, with a migrated database to copy."""
    with _working_folder() as folder, EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
            # Nothing here must outlive a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
        server.ensure_database("migrated")
        with open_database(server.url("migrated")) as database:
            upgrade(database.engine)
        yield server


@pytest.fixture(scope="session")
def migrated_databases(postgres_server: EmbeddedPostgres) -> Databases:
    """Databases with the catalogue's schema, and no rows."""
    return Databases(postgres_server, "migrated")


@pytest.fixture
def working_folder() -> Iterator[Path]:
    """A folder on fast storage with a short path, which another user can be given; removed afterwards."""
    with _working_folder() as folder:
        yield folder


@pytest.fixture
def one_day() -> None:
    """The test begins and ends on the same day in UTC: it waits if that day ends within a minute."""
    now = datetime.now(UTC)
    if (now + timedelta(minutes=1)).date() > now.date():
        time.sleep(61)


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """URL of a database of this test's own, without any table."""
    with new_database(postgres_server, "template1") as url:
        yield url


@pytest.fixture
def database_url(migrated_databases: Databases) -> Iterator[str]:
    """URL of a migrated database of this test's own."""
    with migrated_databases.one() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(migrated_databases: Databases) -> Iterator[str]:
    """URL of a migrated database that a module's tests share."""
    with migrated_databases.one() as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of this test's own, connected to."""
    with open_database(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_database(migrated_databases: Databases) -> Iterator[Database]:
    """A migrated database that the tests of a module share, connected to."""
    with migrated_databases.one() as url, open_database(url) as opened:
        yield opened


@contextlib.contextmanager
def _working_folder() -> Iterator[Path]:
    # A server makes hundreds of small files per database; in memory that takes a twentieth of the time.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30
    folder = Path(tempfile.mkdtemp(prefix="pp-", dir=memory if roomy else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def pooler(postgres_server: EmbeddedPostgres, working_folder: Path) -> Iterator[Pooler]:
    """A PgBouncer of this test's own in front of the server."""
    with running_pooler(postgres_server, working_folder) as running:
        yield running


@pytest.fixture
def fleet(database: Database, httpserver: HTTPServer) -> Fleet:
    """Providers whose listings the test decides."""
    return Fleet(database, httpserver)


@pytest.fixture
def instance(postgres_server: EmbeddedPostgres, dagster_template: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of this test's own, with its storage in PostgreSQL."""
    with new_database(postgres_server, dagster_template) as url:
        write_settings(tmp_path, url)
        before = copy_context()
        with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
            yield opened
        # A schedule's context enters the instance again, and Dagster then leaves it as the current one although it is
        # closed: the next test that loads definitions without an instance would fail.
        for variable, value in copy_context().items():
            if variable.name == "_current_storage" and value is not before.get(variable):
                variable.set(before.get(variable))


@pytest.fixture(scope="session")
def dagster_template(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database that Dagster has made its tables in."""
    name = "dagster_storage"
    folder = tmp_path_factory.mktemp("dagster")
    postgres_server.ensure_database(name)
    write_settings(folder, postgres_server.url(name))
    with dg.DagsterInstance.from_config(str(folder)) as opened:
        opened.get_runs(limit=1)
        opened.get_dynamic_partitions("providers")
        opened.schedule_storage.all_instigator_state()
    return name
