"""Writes a catalogue into one file by `pg_dump`, and reads it back by `pg_restore` and `psql`, all of it or nothing.

Only the catalogue's own tables, views and functions are concerned: the schema may hold Dagster's storage too.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Select, func, select, table, text

from provider_pipeline.atomic_files import written_aside
from provider_pipeline.catalog import migrations, pgserver_wheel
from provider_pipeline.catalog.database import Database, client_address
from provider_pipeline.catalog.database_errors import redacted
from provider_pipeline.catalog.sync_locks import in_progress
from provider_pipeline.catalog.tables import provider, provider_sync_lease
from provider_pipeline.errors import CatalogError, ConfigurationError

_MADE: Final = re.compile(r"^CREATE (?:OR REPLACE )?(?:UNLOGGED )?(TABLE|VIEW|FUNCTION|AGGREGATE) (\w+)", re.MULTILINE)
_PROGRAM_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_ENTRY: Final = re.compile(r"^\d+; \d+ \d+ (?P<what>.*)$")
_AROUND: Final = re.compile(r"(?:COMMENT - )?(?:EXTENSION|SCHEMA|DATABASE)\b")
_HOW_TO_BACK_UP: Final = "make one with: provider-pipeline backup FILE"
_DEPENDENT_VIEWS: Final = """
SELECT DISTINCT CAST(CAST(rule.ev_class AS regclass) AS text)
FROM pg_depend AS needed
JOIN pg_rewrite AS rule ON needed.classid = CAST('pg_rewrite' AS regclass) AND rule.oid = needed.objid
WHERE needed.refclassid = CAST('pg_class' AS regclass)
    AND CAST(CAST(needed.refobjid AS regclass) AS text) = ANY (:ours)
    AND CAST(CAST(rule.ev_class AS regclass) AS text) <> ALL (:ours)
ORDER BY 1
"""
_MAX_REASON: Final = 500


@dataclass(frozen=True)
class Backup:
    """A file that `restore` reads.

    Attributes:
        revision: The schema's, such as `0028`.
    """

    path: Path
    size: int
    revision: str


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's client programs.

    Args:
        embedded: Take those that belong to the embedded server, else those on the PATH.
    """

    embedded: bool

    def find(self, name: str, connection: Connection) -> str:
        """The path of a program that can work with this server.

        Raises:
            ConfigurationError: No such program is installed, or it is older than the server.
        """
        major = int((connection.dialect.server_version_info or (0,))[0])
        found = shutil.which(name, path=pgserver_wheel.binaries()) if self.embedded else shutil.which(name)
        hint = f"install the client programs of PostgreSQL {major} or later, and put them first on the PATH"
        if found is None:
            raise ConfigurationError(f"{name} is not on the PATH", hint=hint)
        told = _PROGRAM_VERSION.search(_output([found, "--version"]))
        if told is None or int(told[1]) < major:
            raise ConfigurationError(
                f"{found} is of PostgreSQL {told[1] if told else '?'}, the server is PostgreSQL {major}", hint=hint
            )
        return found


def write_backup(database: Database, path: Path, *, programs: Programs) -> Backup:
    """Write a consistent copy into a file that only its owner may read; an older file stays until it is complete.

    Raises:
        CatalogError: It could not be written, or there is no catalogue in the database.
        ConfigurationError: There is no suitable `pg_dump`, or the folder cannot be written to.
        MigrationMissingError: The schema is newer than this version of the code.
    """
    with database.engine.connect() as connection:
        revision = migrations.revision(connection)
        if revision is None:
            raise CatalogError(f"{database.redacted_url} holds no catalogue", hint="run: provider-pipeline db upgrade")
        excluded = list(_excluded(connection))
        pg_dump = programs.find("pg_dump", connection)
    with written_aside(path, private=True) as aside:
        # Rights are of this server's roles, and unlogged rows of running processes: neither belongs to a catalogue.
        command = [pg_dump, "--format=custom", "--no-owner", "--no-privileges", "--no-unlogged-table-data"]
        command += ["--no-publications", "--no-subscriptions", f"--file={aside.name}", *excluded]
        address, environment = client_address(database)
        _output([*command, f"--dbname={address}"], environment=environment)
        size = Path(aside.name).stat().st_size
    return Backup(path, size, revision)


def restore(database: Database, path: Path, *, programs: Programs, replace: bool) -> list[str]:
    """Read a backup into a database in one transaction, then apply the migrations made since it was written.

    Args:
        database: Its catalogue is empty, or not there.
        path: The file.
        programs: Where the client programs are.
        replace: Replace a catalogue that is not empty.

    Returns:
        The migrations that were applied.

    Raises:
        CatalogError: The catalogue is not empty, or the file could not be read; nothing was changed.
        ConfigurationError: There are no suitable programs, or the file is not a catalogue's backup.
        MigrationMissingError: The backup's schema is newer than this version of the code.
        SyncInProgressError: A provider is being synced.
    """
    with database.engine.connect() as connection:
        pg_restore, psql = (programs.find(name, connection) for name in ("pg_restore", "psql"))
        contents = _contents(pg_restore, path, schema=connection.scalar(text("SELECT current_schema()")))
        migrations.check_known(_revision_in(pg_restore, path), f"the schema of {path}")
        present = _present(connection)
        _refuse_losses(connection, present, replace=replace)
    with tempfile.TemporaryDirectory() as folder:
        wanted, script = Path(folder, "wanted"), Path(folder, "script")
        wanted.write_text(contents, encoding="utf-8")
        reading = [pg_restore, "--no-owner", "--no-privileges", f"--use-list={wanted}", f"--file={script}", str(path)]
        _output(reading)
        _silence_newer_setting(script)
        address, environment = client_address(database)
        command = [
            psql,
            "--no-psqlrc",
            "--quiet",
            "--output=/dev/null",
            "--set=ON_ERROR_STOP=1",
            "--single-transaction",
        ]
        command += [f"--command={each}" for each in ("SET LOCAL lock_timeout = '30s'", *_removal(present))]
        _output([*command, f"--file={script}", f"--dbname={address}"], environment=environment)
    return migrations.upgrade(database.engine)


def _made(*kinds: str) -> list[str]:
    """Names of what the migrations make, or made at some time."""
    files = sorted(migrations.sql_directory().glob("*.sql"))
    found = (_MADE.findall(file.read_text(encoding="utf-8")) for file in files)
    own = {name for each in found for kind, name in each if kind in kinds}
    return sorted(own | ({migrations.VERSION_TABLE} if "TABLE" in kinds else set()))


def _excluded(connection: Connection) -> Iterator[str]:
    """Options of `pg_dump` that leave out what others keep in the database."""
    schemas = text(
        "SELECT nspname FROM pg_namespace WHERE nspname <> current_schema()"
        r" AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'"
    )
    yield from (f"--exclude-schema={_pattern(name)}" for name in connection.scalars(schemas))
    relations = text(
        "SELECT current_schema(), relname FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace)"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> ALL (:ours)"
    )
    for schema, name in connection.execute(relations, {"ours": _made("TABLE", "VIEW")}):
        yield f"--exclude-table={_pattern(schema)}.{_pattern(name)}"


def _pattern(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def _present(connection: Connection) -> dict[str, list[str]]:
    """The catalogue's views, tables and routines that the database has, quoted."""
    relations = text(
        "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace)"
        " AND relkind = :kind AND relname = ANY (:ours) ORDER BY relname"
    )
    routines = text(
        "SELECT CAST(oid AS regprocedure) FROM pg_proc WHERE pronamespace = CAST(current_schema() AS regnamespace)"
        " AND proname = ANY (:ours) ORDER BY oid"
    )
    return {
        "VIEW": list(connection.scalars(relations, {"kind": "v", "ours": _made("VIEW")})),
        "TABLE": list(connection.scalars(relations, {"kind": "r", "ours": _made("TABLE")})),
        "ROUTINE": list(connection.scalars(routines, {"ours": _made("FUNCTION", "AGGREGATE")})),
    }


def _removal(present: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for kind, names in present.items():
        # In no order could they go one by one: tables use functions, and functions use the types of tables.
        if names:
            yield f"DROP {kind} IF EXISTS {', '.join(names)} CASCADE"


def _refuse_losses(connection: Connection, present: Mapping[str, Sequence[str]], *, replace: bool) -> None:
    tables = present["TABLE"]
    if "provider_sync_lease" in tables:
        lease = provider_sync_lease.c
        query: Select[Any] = select(provider.c.slug, lease.holder, lease.since, lease.expires_at).join_from(
            provider_sync_lease, provider
        )
        held = connection.execute(query.where(lease.expires_at > func.clock_timestamp()).limit(1)).one_or_none()
        if held is not None:
            raise in_progress(held.slug, held)
    used = [each for each in ("provider", "api_token") if each in tables and _has_rows(connection, each)]
    if used and not replace:
        raise CatalogError(
            f"the catalogue in {redacted(connection.engine.url)} is not empty",
            hint="back it up, then give --replace to replace it, or restore into another database",
        )

    dependent = list(connection.scalars(text(_DEPENDENT_VIEWS), {"ours": [*tables, *present["VIEW"]]}))
    if dependent:
        raise CatalogError(
            f"views that are not the catalogue's own read it, and would be lost: {', '.join(dependent)}",
            hint="keep their definitions, drop them, and create them again afterwards",
        )


def _has_rows(connection: Connection, name: str) -> bool:
    return connection.scalar(select(1).select_from(table(name)).limit(1)) is not None


def _contents(pg_restore: str, path: Path, *, schema: str | None) -> str:
    """The backup's table of contents, without what belongs to the database around the catalogue."""
    try:
        lines = _output([pg_restore, "--list", str(path)]).splitlines()
    except CatalogError as error:
        raise ConfigurationError(
            f"{path} is not a backup, or not a whole one: {error.message}", hint=_HOW_TO_BACK_UP
        ) from error
    entries = [(line, found["what"]) for line in lines if (found := _ENTRY.match(line))]
    versions = [what.split()[1] for _, what in entries if re.match(rf"TABLE \S+ {migrations.VERSION_TABLE} ", what)]
    if not versions:
        raise ConfigurationError(f"{path} is not a backup of a catalogue", hint=_HOW_TO_BACK_UP)
    if versions[0] != schema:
        raise ConfigurationError(
            f"{path} is of the schema {versions[0]}, this database's is {schema}",
            hint=f"ALTER DATABASE ... SET search_path = {versions[0]}",
        )
    return "\n".join(line for line, what in entries if not _AROUND.match(what)) + "\n"


def _revision_in(pg_restore: str, path: Path) -> str:
    script = _output([pg_restore, "--data-only", f"--table={migrations.VERSION_TABLE}", "--file=-", str(path)])
    found = re.search(r"^COPY .*\n(\w+)$", script, re.MULTILINE)
    if found is None:
        raise CatalogError(f"{path} does not say which schema it has", hint=_HOW_TO_BACK_UP)
    return found[1]


def _silence_newer_setting(script: Path) -> None:
    with script.open("r+b") as file:
        place = file.read(4096).find(b"\nSET transaction_timeout ")
        if place >= 0:  # by PostgreSQL 17 and later; older servers do not know it
            file.seek(place + 1)
            file.write(b"--")


def _output(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
    """Run one of PostgreSQL's programs, and return its output.

    Raises:
        CatalogError: It failed, with the reason it gives.
    """
    with tempfile.TemporaryFile() as errors:
        finished = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, check=False
        )
        if finished.returncode != 0:
            raise CatalogError(f"{Path(command[0]).name} failed: {_reason(errors)}")
    return finished.stdout.decode(errors="replace")


def _reason(errors: IO[bytes]) -> str:
    """The first error in a program's messages, or its last line."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "it gave no reason")
    return told[:_MAX_REASON]
