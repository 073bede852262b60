"""A backup holds the whole catalogue and nothing else, and is restored completely or not at all."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.catalog import pgserver_wheel
from provider_pipeline.catalog.backups import Programs, restore, write_backup
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import VERSION_TABLE, check_schema
from provider_pipeline.errors import CatalogError, ConfigurationError, MigrationMissingError, SyncInProgressError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.catalog.builders import upgrade_to
from provider_pipeline_tests.database_contents import TABLES, contents
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

ON_THE_PATH = Programs(embedded=False)


@pytest.fixture(autouse=True)
def client_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of the test server's version are on the PATH."""
    monkeypatch.setenv("PATH", f"{pgserver_wheel.binaries()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def used(fleet: Fleet) -> Fleet:
    """A catalogue with rows in most of its tables."""
    fleet.add("acme", listing(*CHAT_MODELS))
    fleet.add("other", listing("gpt-4o", "gpt-4o-mini"))
    with fleet.database.session() as session:
        for slug in ("acme", "other"):
            attempt_sync(session, slug, client=ListingClient())
        acme = catalog.providers.get(session, "acme")
        catalog.model_overrides.put(session, acme.id, "gpt-4o", "context_length", 1, reason='quotes " and \\ and ünï')
        catalog.api_tokens.create(session, "ci", "read")
        session.commit()
        fleet.serve("acme", moved(*CHAT_MODELS))
        attempt_sync(session, "acme", client=ListingClient())
        session.commit()
    return fleet


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """A database without any table."""
    with open_database(empty_database_url) as database:
        yield database


def rows(database: Database) -> dict[str, list[str]]:
    """Every row of every table as text, but those of leases, which are of running processes."""
    with database.engine.connect() as connection:
        found = [f"{schema}.{name}" for schema, name in connection.execute(text(TABLES)) if "lease" not in name]
        return {each: sorted(connection.scalars(text(f"SELECT t::text FROM {each} t"))) for each in found}


def sequences(database: Database) -> list:
    with database.engine.connect() as connection:
        query = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        return list(map(tuple, connection.execute(text(query))))


def test_a_backup_restored_elsewhere_is_equal_row_for_row_and_goes_on_from_there(
    used: Fleet, empty: Database, tmp_path: Path
):
    before = rows(used.database)
    assert sum(bool(found) for found in before.values()) > 12
    written = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH)
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    assert written.size == written.path.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [written.path]

    assert restore(empty, written.path, programs=ON_THE_PATH, replace=False) == []
    check_schema(empty.engine)
    assert rows(empty) == before
    assert sequences(empty) == sequences(used.database)
    used.serve("acme", listing(*CHAT_MODELS, "gpt-5"))
    with empty.session() as session:
        assert attempt_sync(session, "acme", client=ListingClient()).created == 1


def test_a_catalogue_in_use_is_replaced_only_when_that_is_said(used: Fleet, empty: Database, tmp_path: Path):
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    before = rows(used.database)
    used.add("later")
    now = contents(used.database.url)
    with pytest.raises(CatalogError, match="is not empty"):
        restore(used.database, file, programs=ON_THE_PATH, replace=False)
    assert contents(used.database.url) == now
    restore(used.database, file, programs=ON_THE_PATH, replace=True)
    assert rows(used.database) == before


def test_a_migrated_catalogue_without_providers_counts_as_empty(used: Fleet, empty: Database, tmp_path: Path):
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    catalog.migrations.upgrade(empty.engine)
    restore(empty, file, programs=ON_THE_PATH, replace=False)
    assert rows(empty) == rows(used.database)


def test_what_others_keep_in_the_database_is_neither_written_nor_touched(used: Fleet, empty: Database, tmp_path: Path):
    foreign = (
        'CREATE TABLE "Runs of Dagster" (id int); INSERT INTO "Runs of Dagster" VALUES (1);'
        "CREATE SCHEMA theirs; CREATE TABLE theirs.provider (id int)"
    )
    for database in (used.database, empty):
        with database.engine.begin() as connection:
            connection.exec_driver_sql(foreign)
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    listed = subprocess.run(["pg_restore", "--list", file], check=True, capture_output=True, text=True).stdout
    assert "Dagster" not in listed
    assert "theirs" not in listed
    theirs = ('public."Runs of Dagster"', "theirs.provider")
    before = contents(empty.url, *theirs)
    restore(empty, file, programs=ON_THE_PATH, replace=False)
    restore(empty, file, programs=ON_THE_PATH, replace=True)
    assert contents(empty.url, *theirs) == before


def test_a_view_that_somebody_made_is_not_lost(used: Fleet, tmp_path: Path):
    with used.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW ours_too AS SELECT slug FROM model_flat")
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    with pytest.raises(CatalogError, match="would be lost: ours_too"):
        restore(used.database, file, programs=ON_THE_PATH, replace=True)


def test_no_backup_is_restored_while_a_provider_is_synced(used: Fleet, tmp_path: Path):
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    assert used.database.locks.take(["acme"]) == {}
    with pytest.raises(SyncInProgressError, match="acme is being synced by Python"):
        restore(used.database, file, programs=ON_THE_PATH, replace=True)
    used.database.locks.release(["acme"])
    restore(used.database, file, programs=ON_THE_PATH, replace=True)


@pytest.mark.parametrize("missing", [20, 20_000])
def test_a_cut_off_backup_changes_nothing(used: Fleet, tmp_path: Path, missing: int):
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - missing)
    before = contents(used.database.url)
    with pytest.raises((CatalogError, ConfigurationError), match="pg_restore failed"):
        restore(used.database, file, programs=ON_THE_PATH, replace=True)
    assert contents(used.database.url) == before


def test_a_failure_in_the_middle_of_the_script_changes_nothing(used: Fleet, tmp_path: Path):
    file = write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH).path
    # The name of an index of the catalogue's, taken by somebody else's: the script fails after the rows.
    with used.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id int); DROP INDEX agent_task_one_open_idx")
        connection.exec_driver_sql("CREATE INDEX agent_task_one_open_idx ON theirs (id)")
    before = contents(used.database.url)
    with pytest.raises(CatalogError, match=r"psql failed: .*agent_task_one_open_idx"):
        restore(used.database, file, programs=ON_THE_PATH, replace=True)
    assert contents(used.database.url) == before


def test_other_files_are_refused(used: Fleet, empty: Database, tmp_path: Path):
    (tmp_path / "text").write_text("not a backup")
    with pytest.raises(ConfigurationError, match="is not a backup, or not a whole one: pg_restore failed"):
        restore(empty, tmp_path / "text", programs=ON_THE_PATH, replace=False)
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE other (id int)")
    address = empty.url.replace("+psycopg", "")
    subprocess.run(["pg_dump", "-Fc", f"--file={tmp_path / 'other'}", address], check=True)
    with pytest.raises(ConfigurationError, match="is not a backup of a catalogue"):
        restore(empty, tmp_path / "other", programs=ON_THE_PATH, replace=False)
    with pytest.raises(CatalogError, match="holds no catalogue"):
        write_backup(empty, tmp_path / "b.dump", programs=ON_THE_PATH)


def test_a_backup_of_a_newer_version_is_refused_and_changes_nothing(used: Fleet, empty: Database, tmp_path: Path):
    with used.database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(MigrationMissingError, match="9999"):
        write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH)
    address = used.database.url.replace("+psycopg", "")
    subprocess.run(["pg_dump", "-Fc", f"--file={tmp_path / 'newer'}", address], check=True)
    with pytest.raises(MigrationMissingError, match="newer is at revision 9999"):
        restore(empty, tmp_path / "newer", programs=ON_THE_PATH, replace=False)
    assert contents(empty.url) == {}


def test_a_backup_of_an_older_schema_is_migrated(empty_database_url: str, database: Database, tmp_path: Path):
    with open_database(empty_database_url) as older:
        upgrade_to(older.engine, "0020")
        with older.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO provider (slug, name) VALUES ('acme', 'Acme')")
        written = write_backup(older, tmp_path / "b.dump", programs=ON_THE_PATH)
    assert written.revision == "0020"
    applied = restore(database, written.path, programs=ON_THE_PATH, replace=False)
    assert applied[0].startswith("0021_")
    check_schema(database.engine)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT slug FROM provider")) == "acme"


FAILING = """#!/bin/sh
case "$1" in --version) echo "pg_dump (PostgreSQL) 99.1"; exit;; esac
for each; do case "$each" in --file=*) echo half > "${each#--file=}";; esac; done
echo "pg_dump: error: the disk is full" >&2
exit 1
"""


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (None, "pg_dump is not on the PATH"),
        ("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n", r"is of PostgreSQL 9, the server is PostgreSQL \d+"),
        (FAILING, "pg_dump failed: pg_dump: error: the disk is full"),
    ],
)
def test_a_backup_that_fails_leaves_the_older_file_and_nothing_else(
    used: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, problem: str
):
    (tmp_path / "bin").mkdir()
    if program:
        (tmp_path / "bin" / "pg_dump").write_text(program)
        (tmp_path / "bin" / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "b.dump").write_text("the older one")
    with pytest.raises((CatalogError, ConfigurationError), match=problem):
        write_backup(used.database, tmp_path / "b.dump", programs=ON_THE_PATH)
    assert (tmp_path / "b.dump").read_text() == "the older one"
    assert {each.name for each in tmp_path.iterdir()} == {"bin", "b.dump"}
