"""Indexes are added to a catalogue that is in use, with the rows of a release."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import check_schema, upgrade
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import upgrade_to
from provider_pipeline_tests.catalog.test_upgrade_of_a_release import load

RELEASED = Path(__file__).parent / "data" / "catalogue_0025.sql.gz"
ADDED = {
    f"provider_model_{name}_idx"
    for name in (
        "input_price",
        "output_price",
        "context_length",
        "first_seen_at",
        "family",
        "retires_on",
        "ends",
        "rerank",
    )
}
MIGRATIONS = [
    "0030_models_in_order",
    "0031_models_that_end",
    "0032_history_of_known_models",
    "0033_models_of_a_purpose",
    "0034_samples_in_views",
    "0035_samples_in_the_past",
    "0036_clearer_comments",
]


@pytest.fixture
def used(empty_database_url: str) -> Iterator[Database]:
    """A released catalogue with rows, before the migration."""
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0025")
        with database.engine.begin() as connection:
            load(connection, RELEASED)
        upgrade_to(database.engine, "0029")
        yield database


def valid_indexes(connection: Connection) -> dict[str, bool]:
    query = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'provider_model'::regclass"
    return dict(connection.execute(text(query)).all())


def touch(connection: Connection, model_id: str) -> None:
    done = connection.execute(
        text("UPDATE provider_model SET missing_count = 0 WHERE model_id = :id"), {"id": model_id}
    )
    assert done.rowcount == 1


def test_models_can_be_written_while_the_indexes_are_built(used: Database):
    with used.engine.connect() as other, ThreadPoolExecutor(1) as thread:
        touch(other, "gpt-4o")  # a sync that takes its time: the build waits for it
        upgrading = thread.submit(upgrade, used.engine)
        with used.engine.connect() as connection:
            building = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'")
            end = time.monotonic() + 60
            while not connection.scalar(building):
                assert time.monotonic() < end
                connection.rollback()
            connection.rollback()
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            touch(connection, "gpt-4o-mini")
            connection.commit()
        assert not upgrading.done()
        other.commit()
        assert upgrading.result(120) == MIGRATIONS
    with used.engine.connect() as connection:
        assert {name for name, is_valid in valid_indexes(connection).items() if is_valid} >= ADDED


def test_what_an_interrupted_build_left_is_built_again(used: Database):
    with used.engine.begin() as connection:
        connection.execute(text("CREATE INDEX provider_model_family_idx ON provider_model (family)"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'provider_model_family_idx'::regclass")
        )
    assert upgrade(used.engine) == MIGRATIONS
    check_schema(used.engine)
    with used.engine.connect() as connection:
        assert all(valid_indexes(connection).values())
        definition = connection.scalar(text("SELECT pg_get_indexdef('provider_model_family_idx'::regclass)"))
    assert "(family, provider_id, model_id)" in definition


def test_a_build_that_postgresql_refuses_says_which_and_how_to_go_on(used: Database):
    with used.engine.begin() as connection:
        connection.execute(text("ALTER TABLE provider_model RENAME COLUMN retires_on TO ends_on"))
    with pytest.raises(CatalogError, match='0030_models_in_order failed: column "retires_on" does not exist') as caught:
        upgrade(used.engine)
    assert "provider-pipeline db upgrade" in str(caught.value.hint)
    with used.engine.begin() as connection:
        connection.execute(text("ALTER TABLE provider_model RENAME COLUMN ends_on TO retires_on"))
    assert upgrade(used.engine)[0] == "0030_models_in_order"
    with used.engine.connect() as connection:
        assert all(valid_indexes(connection).values())
