"""The catalogue behind a real PgBouncer in transaction mode, which gives each transaction any server connection."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import make_url, text

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import check_schema, upgrade
from provider_pipeline.errors import DatabaseUnavailableError
from provider_pipeline_tests.catalog.builders import NOON, counts, hours_later, model, register, write_models
from provider_pipeline_tests.catalog.test_migrations import EVERY
from provider_pipeline_tests.pooler import Pooler


def test_upgrades_at_once_apply_every_migration_once_and_leave_no_lock(pooler: Pooler, empty_database_url: str):
    with ExitStack() as stack:
        databases = [stack.enter_context(open_database(pooler.url(empty_database_url))) for _ in range(3)]
        with ThreadPoolExecutor(3) as threads:
            applied = list(threads.map(lambda database: upgrade(database.engine), databases))
        assert sorted(itertools.chain(*applied)) == EVERY
        check_schema(databases[0].engine)
        with databases[0].session() as session:
            assert session.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0


def test_a_statement_works_on_every_server_connection_however_often_it_came_before(pooler: Pooler, database_url: str):
    with open_database(database_url) as direct, direct.session() as session:
        register(session)
    for _ in range(3):
        with open_database(pooler.url(database_url)) as database:
            for _ in range(20):
                with database.session() as session:
                    assert providers.get(session, "openai").slug == "openai"
                    session.commit()


def test_times_are_read_in_utc_whatever_the_server_s_time_zone_is(pooler: Pooler, database_url: str):
    with open_database(database_url) as direct, direct.engine.begin() as connection:
        name = make_url(database_url).database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    with ExitStack() as stack:
        for _ in range(3):
            database = stack.enter_context(open_database(pooler.url(database_url)))
            sessions = [stack.enter_context(database.session()) for _ in range(3)]
            found = [session.scalar(text("SELECT now()")) for session in sessions]
            assert [time.utcoffset().total_seconds() for time in found] == [0, 0, 0]
            for session in sessions:
                session.rollback()


def test_a_write_leaves_nothing_in_the_server_connection(pooler: Pooler, database_url: str):
    left = "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"
    with open_database(pooler.url(database_url)) as database, database.session() as session:
        provider = register(session)
        for hour, rows in enumerate(([model("a"), model("b")], [model("a"), model("c")])):
            result = write_models(session, provider.id, rows, rule_version=1, now=hours_later(hour))
            session.commit()
            assert session.scalars(text(left)).all() == []
        assert counts(result) == {"created": 1, "unchanged": 1, "missing": 1}


def test_tables_that_another_version_left_in_the_connection_are_not_written_to(database: Database):
    with database.session() as session:
        provider = register(session)
        session.execute(text("CREATE TEMPORARY TABLE listing_row (other text) ON COMMIT DELETE ROWS"))
        session.commit()
        assert write_models(session, provider.id, [model("a")], rule_version=1, now=NOON).created == 1


def test_settings_in_the_url_that_a_pooler_refuses_are_reported_with_what_to_do(pooler: Pooler, database_url: str):
    url = f"{pooler.url(database_url)}?options=-csearch_path%3Dcatalogue"
    with pytest.raises(DatabaseUnavailableError, match="unsupported startup parameter") as caught, open_database(url):
        pass
    assert "ALTER ROLE" in caught.value.hint
    assert "ignore_startup_parameters" in caught.value.hint
