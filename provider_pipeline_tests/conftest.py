"""What all tests share: one embedded PostgreSQL for the session, and a fresh, migrated database per test."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from provider_pipeline.catalog import Database, EmbeddedPostgres, open_database, upgrade

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One server for the whole session, with a migrated database to copy."""
    folder = Path(tempfile.mkdtemp(prefix="provider_pipeline_tests-"))
    try:
        with EmbeddedPostgres(folder) as server:
            with _administrator(server) as connection:
                # Nothing here must outlive a power cut.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET autovacuum = off")
                connection.execute("SELECT pg_reload_conf()")
            server.ensure_database("migrated")
            with open_database(server.url("migrated")) as database:
                upgrade(database.engine)
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """URL of a database of this test's own, without any table."""
    yield from _own_database(postgres_server, "template1")


@pytest.fixture
def database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """URL of a migrated database of this test's own."""
    yield from _own_database(postgres_server, "migrated")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of this test's own, connected to."""
    with open_database(database_url) as opened:
        yield opened


def _own_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with _administrator(server) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url(name)
    with _administrator(server) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _administrator(server: EmbeddedPostgres) -> psycopg.Connection:
    return psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True)
