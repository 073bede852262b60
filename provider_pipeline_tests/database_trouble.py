"""A real PostgreSQL in the states that operators know: it takes no writes, it has no connection or no space left."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from provider_pipeline.catalog.database import Database

DISK_FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER disk_is_full BEFORE INSERT ON provider_model FOR EACH ROW EXECUTE FUNCTION disk_is_full()
"""


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    """After a failover: every connection is cut, and the new ones take no writes."""
    with _administrator(database) as connection:
        _set(connection, "ALTER DATABASE {} SET default_transaction_read_only = on", database)
        _cut(connection, database)
        try:
            yield
        finally:
            _set(connection, "ALTER DATABASE {} RESET default_transaction_read_only", database)
            _cut(connection, database)


@contextmanager
def ordinary_role(database: Database) -> Iterator[str]:
    """The URL of the database for a role that its limit on connections holds for."""
    with _administrator(database) as connection:
        connection.execute("CREATE ROLE crowded LOGIN")
        try:
            yield make_url(database.url).set(username="crowded").render_as_string(hide_password=False)
        finally:
            connection.execute("DROP ROLE crowded")


@contextmanager
def no_connection_left(database: Database) -> Iterator[None]:
    """Every connection of that role is cut, and it gets no other."""
    with _administrator(database) as connection:
        connection.execute("ALTER ROLE crowded CONNECTION LIMIT 0")
        _cut(connection, database)
        yield


@contextmanager
def full(database: Database) -> Iterator[None]:
    """The server reports a full disk as soon as a model is to be written."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql(DISK_FULL)
    yield
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION disk_is_full CASCADE")


@contextmanager
def unreachable(database: Database) -> Iterator[None]:
    """Every connection is cut, and no new one is taken."""
    with _administrator(database) as connection:
        _set(connection, "ALTER DATABASE {} ALLOW_CONNECTIONS false", database)
        _cut(connection, database)
        try:
            yield
        finally:
            _set(connection, "ALTER DATABASE {} ALLOW_CONNECTIONS true", database)


def _administrator(database: Database) -> psycopg.Connection:
    url = make_url(database.url).set(drivername="postgresql", database="postgres")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def _set(connection: psycopg.Connection, statement: str, database: Database) -> None:
    name = str(make_url(database.url).database)
    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _cut(connection: psycopg.Connection, database: Database) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
        [make_url(database.url).database],
    )
