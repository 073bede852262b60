"""Databases for tests: copies of a template that are emptied between tests, which is quicker than making new ones.

A database in which a test changed more than rows (a trigger, a setting, an owner) is dropped.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from provider_pipeline.catalog.embedded import EmbeddedPostgres

_TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'provider_pipeline_schema_version'
"""
_RESTART_SEQUENCES = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
_DISCONNECT_OTHERS = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# A copy's objects have the same numbers as the template's; those below 16384 are PostgreSQL's own.
_SCHEMA = """
SELECT md5(string_agg(described, ' ' ORDER BY described)) FROM (
  SELECT format('%s %s %s %s %s', oid, relname, relowner, relacl, reloptions) FROM pg_class WHERE oid >= 16384
  UNION ALL SELECT format('%s %s', indexrelid, indisvalid) FROM pg_index WHERE indexrelid >= 16384
  UNION ALL SELECT format('%s %s %s %s %s', attrelid, attname, atttypid, attnotnull, attisdropped) FROM pg_attribute
    WHERE attrelid >= 16384
  UNION ALL SELECT format('%s %s %s', oid, conname, convalidated) FROM pg_constraint WHERE oid >= 16384
  UNION ALL SELECT format('%s %s %s', oid, tgname, tgenabled) FROM pg_trigger WHERE oid >= 16384
  UNION ALL SELECT format('%s %s %s', oid, proname, md5(prosrc)) FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT format('%s %s %s', oid, nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
  UNION ALL SELECT format('%s %s', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  UNION ALL SELECT format('%s %s %s %s', datallowconn, datconnlimit, datdba, datacl) FROM pg_database
    WHERE datname = current_database()
  UNION ALL SELECT version_num FROM provider_pipeline_schema_version
) AS everything (described)
"""

# No foreign key checks it; whoever writes a change writes its model.
_CHANGES_WITHOUT_MODELS = """
SELECT format('%s of %s', model_id, provider_id) FROM provider_model_change
EXCEPT SELECT format('%s of %s', model_id, provider_id) FROM provider_model
"""


class Databases:
    """Copies of one database.

    Args:
        server: Where they are.
        template: The database, without rows.
    """

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server = server
        self._template = template
        self._empty: list[str] = []
        with _connected(server, template) as connection:
            self._schema = connection.execute(_SCHEMA).fetchone()
            tables = [name for (name,) in connection.execute(_TABLES)]
        self._delete = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(sql.Identifier(each)) for each in tables)

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of one that nobody else uses."""
        name = self._empty.pop() if self._empty else _create(self._server, self._template)
        yield self._server.url(name)
        if self._is_emptied(name):
            self._empty.append(name)
        else:
            _drop(self._server, name)

    def _is_emptied(self, name: str) -> bool:
        try:
            with _connected(self._server, name) as connection:
                connection.execute(_DISCONNECT_OTHERS)
                if connection.execute(_SCHEMA).fetchone() != self._schema:
                    return False
                orphans = connection.execute(_CHANGES_WITHOUT_MODELS).fetchall()
                assert not orphans, f"the test left changes of models that are not in the table: {orphans}"
                connection.execute("SET session_replication_role = replica")  # no trigger, no foreign key
                connection.execute(self._delete)
                connection.execute(_RESTART_SEQUENCES)
        except psycopg.Error:  # the test dropped it, or made it read-only
            return False
        return True


@contextmanager
def new_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The URL of a copy that is dropped afterwards."""
    name = _create(server, template)
    yield server.url(name)
    _drop(server, name)


_numbers = itertools.count(1)


def _create(server: EmbeddedPostgres, template: str) -> str:
    name = f"test_{next(_numbers)}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with _connected(server, "postgres") as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    return name


def _drop(server: EmbeddedPostgres, name: str) -> None:
    with _connected(server, "postgres") as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _connected(server: EmbeddedPostgres, name: str) -> psycopg.Connection:
    return psycopg.connect(server.url(name).replace("+psycopg", ""), autocommit=True)
