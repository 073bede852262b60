"""The schema's migrations: SQL files in the top-level `sql/` folder, applied in order by Alembic.

Each revision under `versions/` is a stub that runs the SQL file with its number.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, column, select, table, text
from sqlalchemy.exc import DBAPIError

from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.errors import CatalogError, MigrationMissingError

# Dagster's storage keeps its own revisions in `alembic_version`, perhaps in the same database.
VERSION_TABLE = "provider_pipeline_schema_version"
# An arbitrary number that every version of this project must share.
_ADVISORY_LOCK = 7_160_527_341
_POLL_SECONDS = 0.2


def sql_directory() -> Path:
    """The folder of SQL files: `sql/` of the checkout, or its copy inside an installed package."""
    package = Path(__file__).parents[2]
    for candidate in (package / "sql", package.parent / "sql"):
        if candidate.is_dir():
            return candidate
    raise CatalogError(f"no SQL migrations beside {package}", hint="reinstall provider-pipeline")


def run_sql(number: str) -> None:
    """Run the SQL file whose name starts with these four digits, inside the revision's transaction."""
    from alembic import op  # noqa: PLC0415 - takes longer to import than most commands run

    # The driver's own cursor takes several statements at once and leaves "%" and ":" alone.
    connection = op.get_bind()
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.execute(_sql(number))
        except psycopg.Error as error:
            raise (explained(error, connection.engine.url) or _failed(number, error)) from error


def run_sql_outside_transaction(number: str) -> None:
    """Run the SQL file's statements one by one, each on its own: `CREATE INDEX CONCURRENTLY` refuses a transaction.

    They can be run again if they were interrupted. Syncs write meanwhile; no statement of such a file may block them.
    """
    from alembic import op  # noqa: PLC0415 - as in `run_sql`

    lines = (line for line in _sql(number).splitlines() if not line.startswith("--"))
    statements = "\n".join(lines).strip().removesuffix(";").split(";\n")
    # The revision's transaction stays open, but idle: it keeps the lock, and no snapshot that the build would wait for.
    with op.get_bind().engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            try:
                connection.exec_driver_sql(statement)
            except DBAPIError as error:
                raise _failed(number, error.orig) from error


def upgrade(engine: Engine) -> list[str]:
    """Bring the schema up to date.

    Each migration runs in its own transaction, except indexes of large tables. Concurrent upgrades take turns, so that
    each migration is applied once.

    Returns:
        The revisions that this call applied, oldest first, such as `0001_providers_and_rules`.

    Raises:
        MigrationMissingError: The database was upgraded by a newer version of the code.
    """
    with engine.connect() as connection:
        if not _pending(connection):
            return []
    applied = []
    while revision := _apply_next(engine):
        applied.append(revision)
    return applied


def check_schema(engine: Engine) -> None:
    """Check that the schema matches this code.

    Raises:
        MigrationMissingError: It is older (names the missing migrations) or newer.
    """
    with engine.connect() as connection:
        pending = _pending(connection)
    if pending:
        raise MigrationMissingError(
            f"the database schema lacks {len(pending)} migration(s): {', '.join(pending)}",
            hint="run: provider-pipeline db upgrade",
        )


def revision(connection: Connection) -> str | None:
    """The schema's revision, such as `0028`; None if there is no catalogue.

    Raises:
        MigrationMissingError: This code does not know it.
    """
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}) is None:
        return None
    current: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if current is not None:
        check_known(current, "the database schema")
    return current


def check_known(revision: str, what: str) -> None:
    """Check that a schema is not newer than this code.

    Args:
        revision: The schema's.
        what: Whose revision it is, as the subject of the error's sentence.

    Raises:
        MigrationMissingError: It is.
    """
    if revision not in _names():
        raise MigrationMissingError(
            f"{what} is at revision {revision}, which this code does not know",
            hint="update provider-pipeline to the version that upgraded the database",
        )


def _apply_next(engine: Engine) -> str | None:
    """Applies the oldest pending migration; returns its name, or None if none is pending."""
    with _turn(engine) as connection:
        pending = _pending(connection)
        if not pending:
            return None
        from alembic import command  # noqa: PLC0415 - see above
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, pending[0].partition("_")[0])
        return pending[0]


@contextmanager
def _turn(engine: Engine) -> Iterator[Connection]:
    """A transaction that keeps other upgrades waiting until it ends."""
    while True:
        with engine.begin() as connection:
            # It is idle for minutes while another connection builds an index.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            # Per transaction: a session lock would stay with a pooler's connection.
            if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}):
                yield connection
                return
        # Outside a transaction: building an index concurrently waits for those that have begun, and would for ever.
        time.sleep(_POLL_SECONDS)


def _failed(number: str, error: BaseException | None) -> CatalogError:
    return CatalogError(
        f"the migration {_names()[number]} failed: {' '.join(str(error).split())}",
        hint="repair what PostgreSQL names, then run: provider-pipeline db upgrade, which begins this migration again",
    )


def _sql(number: str) -> str:
    return (sql_directory() / f"{_names()[number]}.sql").read_text(encoding="utf-8")


@cache
def _names() -> dict[str, str]:
    """Names of all migrations by revision, oldest first."""
    return {path.stem.partition("_")[0]: path.stem for path in sorted(sql_directory().glob("*.sql"))}


def _pending(connection: Connection) -> list[str]:
    current = revision(connection) or ""
    return [name for number, name in _names().items() if number > current]
