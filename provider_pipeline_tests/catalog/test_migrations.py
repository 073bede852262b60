import itertools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import VERSION_TABLE, check_schema, upgrade
from provider_pipeline.catalog.tables import metadata, provider_model
from provider_pipeline.errors import MigrationMissingError
from provider_pipeline.rules.matching import capability_names
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS

PROJECT = Path(__file__).parents[2]
EVERY = [path.stem for path in sorted((PROJECT / "sql").glob("*.sql"))]


def _differences(connection: Connection) -> list:
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    )
    return [found for found in compare_metadata(context, metadata) if not _is_comment_only_in_sql(found)]


def _is_comment_only_in_sql(difference) -> bool:
    # Most comments live in the SQL files alone; those the tables repeat must be the same.
    if isinstance(difference, list):
        return all(_is_comment_only_in_sql(part) for part in difference)
    if difference[0] == "modify_comment":
        return difference[-1] is None
    return difference[0] == "remove_table_comment"


def test_the_sql_files_and_the_tables_agree(database: Database):
    with database.engine.connect() as connection:
        assert _differences(connection) == []


def test_the_columns_for_people_are_those_of_the_table():
    assert [
        (column.name, column.type, column.comment, column.nullable, column.unique) for column in PROVIDER_MODEL_COLUMNS
    ] == [
        (column.name, str(column.type.compile()), column.comment, column.nullable, bool(column.primary_key))
        for column in provider_model.columns
    ]


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE provider_model ALTER family SET NOT NULL",
        "ALTER TABLE provider_model ALTER status DROP DEFAULT",
        "ALTER TABLE provider_model ALTER context_length TYPE integer",
        "ALTER TABLE provider_model ADD surprise text",
        "ALTER TABLE agent_task DROP CONSTRAINT agent_task_provider_id_fkey",
        "ALTER TABLE rule_version DROP CONSTRAINT rule_version_digest_key",
        "DROP INDEX agent_task_one_open_idx",
        "COMMENT ON COLUMN provider_model.input_price IS 'cents'",
    ],
)
def test_a_difference_between_the_sql_files_and_the_tables_is_found(database: Database, drift: str):
    with database.engine.connect() as connection:
        connection.exec_driver_sql("DROP VIEW provider_model_current CASCADE")  # it would forbid a change of type
        connection.exec_driver_sql(drift)
        assert _differences(connection)


def test_every_table_view_and_column_has_a_comment(database: Database):
    with database.engine.connect() as connection:
        silent = connection.execute(
            text("""
                SELECT class.relname, attribute.attname
                FROM pg_class AS class
                JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND NOT attribute.attisdropped
                WHERE class.relnamespace = 'public'::regnamespace
                    AND class.relkind IN ('r', 'v')
                    AND class.relname <> :version_table
                    AND attribute.attnum > 0
                    AND (
                        col_description(class.oid, attribute.attnum) IS NULL
                        OR obj_description(class.oid, 'pg_class') IS NULL
                    )
            """),
            {"version_table": VERSION_TABLE},
        ).all()
        counted = "SELECT relkind, count(*) FROM pg_class WHERE relname LIKE ANY ('{pro%,mod%}') GROUP BY relkind"
        relations = dict(connection.execute(text(counted)).all())
    assert silent == []
    assert relations["r"] > 5
    assert relations["v"] > 4


def test_the_flat_view_has_a_column_for_every_capability(database: Database):
    with database.engine.connect() as connection:
        columns = connection.execute(text("SELECT * FROM model_flat LIMIT 0")).keys()
    assert [name for name in columns if name.startswith("can_")] == [f"can_{name}" for name in capability_names()]


def test_every_instant_is_stored_with_a_time_zone(database: Database):
    with database.engine.connect() as connection:
        naive = connection.execute(
            text(
                "SELECT 1 FROM information_schema.columns WHERE table_schema = 'public' AND data_type LIKE '%without%'"
            )
        ).all()
    assert naive == []


def test_upgrading_says_what_it_applied_and_a_second_time_applies_nothing(empty_database_url: str):
    with open_database(empty_database_url) as database:
        assert upgrade(database.engine) == EVERY
        assert upgrade(database.engine) == []
        check_schema(database.engine)


def test_two_upgrades_at_once_apply_every_migration_once(empty_database_url: str):
    with open_database(empty_database_url) as first, open_database(empty_database_url) as second:
        with ThreadPoolExecutor(2) as threads:
            applied = list(threads.map(lambda database: upgrade(database.engine), [first, second]))
        assert sorted(itertools.chain(*applied)) == EVERY


def test_a_schema_that_was_never_made_is_reported_with_what_to_run(empty_database_url: str):
    with open_database(empty_database_url) as database, pytest.raises(MigrationMissingError) as caught:
        check_schema(database.engine)
    assert str(caught.value) == (
        f"the database schema lacks {len(EVERY)} migration(s): {', '.join(EVERY)} (run: provider-pipeline db upgrade)"
    )


def test_an_older_schema_is_reported_with_the_migrations_it_lacks(database: Database):
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{EVERY[-2][:4]}'")
    with pytest.raises(MigrationMissingError, match=rf"lacks 1 migration\(s\): {EVERY[-1]}"):
        check_schema(database.engine)


@pytest.mark.parametrize("action", [check_schema, upgrade])
def test_a_newer_schema_is_reported_and_left_alone(database: Database, action):
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(MigrationMissingError, match="at revision 9999, which this code does not know"):
        action(database.engine)


def test_dagsters_own_revisions_in_the_same_database_do_not_interfere(empty_database_url: str):
    with open_database(empty_database_url) as database:
        with database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('dagsters_own')")
        upgrade(database.engine)
        with database.engine.connect() as connection:
            assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "dagsters_own"


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url: str):
    with open_database(empty_database_url) as database:
        with database.engine.begin() as connection:
            # The view of the third migration cannot be made; everything before it in its file must go again.
            connection.exec_driver_sql("CREATE TABLE provider_model_current (x int)")
        with pytest.raises(Exception, match="provider_model_current"):
            upgrade(database.engine)
        with database.engine.connect() as connection:
            assert connection.scalar(text("SELECT to_regclass('agent_task')")) is None
            assert connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == "0002"


def test_an_installed_package_finds_the_sql_files_inside_itself(tmp_path):
    # The layout the wheel has: the top-level folder `sql` becomes `provider_pipeline/sql`.
    shutil.copytree(PROJECT / "provider_pipeline", tmp_path / "provider_pipeline")
    shutil.copytree(PROJECT / "sql", tmp_path / "provider_pipeline" / "sql")
    code = "from provider_pipeline.catalog.migrations import sql_directory; print(sql_directory())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert found == str(tmp_path / "provider_pipeline" / "sql")


def test_a_table_whose_rows_cannot_be_deleted_cannot_be_emptied_either(database: Database):
    # The types of triggers, as PostgreSQL stores them: 2 before, 8 at DELETE, 32 at TRUNCATE.
    guarded = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & {0} = {0}"
    with database.engine.connect() as connection:
        undeletable, unemptiable = (set(connection.scalars(text(guarded.format(kind)))) for kind in (2 | 8, 2 | 32))
    assert {"api_audit", "rule_version", "rule_version_event"} <= undeletable
    assert undeletable <= unemptiable
