"""Database failures become one documented error in one line, on every path."""

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from provider_pipeline import ModelSyncer
from provider_pipeline.catalog import api_tokens
from provider_pipeline.catalog.api_tokens import token_digest
from provider_pipeline.catalog.database import Database, open_catalog, open_database
from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.errors import (
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
)
from provider_pipeline_tests.catalog.builders import NOON
from provider_pipeline_tests.database_trouble import full, no_connection_left, ordinary_role, read_only
from provider_pipeline_tests.fleet import Fleet

URL = "postgresql+psycopg://app:s3cret@db.example/catalogue"


def complaint(caught: pytest.ExceptionInfo[DatabaseUnavailableError]) -> str:
    told = str(caught.value)
    assert "\n" not in told
    assert caught.value.hint
    return told


def test_a_database_that_takes_no_writes_is_told_to_a_python_program_and_no_row_changes(fleet: Fleet):
    fleet.add("acme")
    with read_only(fleet.database):
        with fleet.database.session() as session, pytest.raises(DatabaseReadOnlyError) as caught:
            ModelSyncer(session).sync_provider_models("acme")
        assert "takes no writes" in complaint(caught)
        assert caught.value.transient
        assert fleet.rows("acme") == {}
    with fleet.database.session() as session:
        assert ModelSyncer(session).sync_provider_models("acme")["models_created"] == 5


def test_a_session_on_the_callers_own_engine_is_told_the_same(fleet: Fleet):
    fleet.add("acme")
    engine = create_engine(fleet.database.url)
    try:
        with read_only(fleet.database), Session(engine) as session, pytest.raises(DatabaseReadOnlyError) as caught:
            ModelSyncer(session).sync_provider_models("acme")
        assert "takes no writes" in complaint(caught)
    finally:
        engine.dispose()


def test_a_full_disk_is_told_to_a_python_program_and_no_row_changes(fleet: Fleet):
    fleet.add("acme")
    with full(fleet.database):
        with fleet.database.session() as session, pytest.raises(DatabaseFullError, match="no space left") as caught:
            ModelSyncer(session).sync_provider_models("acme")
        assert "make room" in complaint(caught)
        assert fleet.rows("acme") == {}
    with fleet.database.session() as session:
        assert ModelSyncer(session).sync_provider_models("acme")["models_created"] == 5


def test_a_database_without_a_connection_left_is_told_to_a_python_program(database: Database):
    with (
        ordinary_role(database) as url,
        no_connection_left(database),
        pytest.raises(DatabaseUnavailableError, match="has no connection left") as caught,
        open_database(url),
    ):
        pass
    assert "max_connections" in complaint(caught)
    assert caught.value.transient


def test_the_schema_of_a_database_that_takes_no_writes_is_not_upgraded_and_the_error_says_so(empty_database_url: str):
    with (
        open_database(empty_database_url) as database,
        read_only(database),
        pytest.raises(DatabaseReadOnlyError) as caught,
    ):
        upgrade(database.engine)
    complaint(caught)


def test_a_migration_that_finds_the_disk_full_says_so(empty_database_url: str):
    with open_database(empty_database_url) as database:
        with database.engine.begin() as connection:
            connection.exec_driver_sql("""
                CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
                CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION')
                EXECUTE FUNCTION full_disk()
            """)
        with pytest.raises(DatabaseFullError) as caught:
            upgrade(database.engine)
    complaint(caught)


def test_an_embedded_server_that_takes_no_connection_says_so(working_folder):
    with EmbeddedPostgres(working_folder) as server:
        with psycopg.connect(server.url("template1").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
        with pytest.raises(DatabaseUnavailableError, match="not currently accepting connections") as caught:
            server.ensure_database("more")
        complaint(caught)


def test_a_token_is_good_for_reading_a_standby(database: Database):
    with database.session() as session:
        token = api_tokens.create(session, "reader", "read")
        session.commit()
    with read_only(database), database.session() as session:
        found = api_tokens.find(session, token_digest(token), now=NOON)
    assert found is not None
    assert found.last_used_at is None


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        ("read_only_sql_transaction", DatabaseReadOnlyError, "takes no writes"),
        ("disk_full", DatabaseFullError, "no space left"),
        ("out_of_memory", DatabaseUnavailableError, "ran out of resources"),
        ("lock_not_available", DatabaseUnavailableError, "did not get a lock in time"),
        ("query_canceled", DatabaseUnavailableError, "longer than its settings allow"),
        ("serialization_failure", DatabaseUnavailableError, "in favour of another"),
        ("deadlock_detected", DatabaseUnavailableError, "in favour of another"),
        ("insufficient_privilege", DatabaseUnavailableError, "denies this role a right"),
        ("io_error", DatabaseUnavailableError, "could not read or write its disk"),
        ("data_corrupted", DatabaseUnavailableError, "an internal error"),
    ],
)
def test_each_of_the_databases_own_troubles_has_its_words(database: Database, code: str, kind: type, told: str):
    with database.session() as session, pytest.raises(DatabaseUnavailableError, match=told) as caught:
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'the server''s own words' USING ERRCODE = '{code}'; END $$"))
    assert type(caught.value) is kind
    assert "the server's own words" in complaint(caught)


@pytest.mark.parametrize("code", ["syntax_error", "unique_violation", "numeric_value_out_of_range", "raise_exception"])
def test_what_is_wrong_with_a_statement_is_left_to_the_code_that_sent_it(database: Database, code: str):
    with database.session() as session, pytest.raises(DBAPIError):
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'a defect' USING ERRCODE = '{code}'; END $$"))


@pytest.mark.parametrize(
    ("words", "told", "transient"),
    [
        ("FATAL:  sorry, too many clients already", "has no connection left", True),
        ("FATAL:  remaining connection slots are reserved for roles with ...", "has no connection left", True),
        ("FATAL:  the database system is starting up", "is being shut down or started", True),
        ('FATAL:  password "s3cret" is wrong', "no connection to", False),
    ],
)
def test_a_refused_connection_has_no_code_and_is_told_by_the_servers_words(words: str, told: str, transient: bool):
    error = explained(psycopg.OperationalError(f"connection failed: {words}"), URL, connecting=True)
    assert error is not None
    assert told in str(error)
    assert error.transient is transient
    assert "s3cret" not in str(error)


def test_a_catalogue_named_by_url_that_takes_no_writes_can_still_be_read(fleet: Fleet):
    fleet.add("acme")
    with read_only(fleet.database), open_catalog(fleet.database.url) as database, database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM provider")) == 1
