"""A catalogue that an earlier release filled is upgraded with every row, and goes on where it was."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Connection, text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog, sync
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.migrations import VERSION_TABLE, check_schema, upgrade
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.worker import answer_tasks
from provider_pipeline_tests.catalog.builders import upgrade_to
from provider_pipeline_tests.catalog.older_catalogue import listing, write
from provider_pipeline_tests.database_contents import contents

FILES = sorted((Path(__file__).parent / "data").glob("catalogue_*.sql.gz"))
LISTED = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gpt-4.1")


@dataclass
class Older:
    """An upgraded catalogue, with the number of rows in each table before."""

    database: Database
    rows_before: dict[str, int]
    server: HTTPServer

    def serve(self, document: object) -> None:
        """The provider's listing from now on."""
        self.server.clear()
        self.server.expect_request("/v1/models").respond_with_json(document)

    def sync(self, document: object) -> sync.outcome.SyncOutcome:
        """Syncs the provider, whose listing is this."""
        self.serve(document)
        with self.database.session() as session:
            return attempt_sync(session, "acme", client=ListingClient())


def counts(url: str) -> dict[str, int]:
    return {name: len(rows) for name, rows in contents(url).items() if not name.endswith(VERSION_TABLE)}


def load(connection: Connection, file: Path) -> None:
    """Inserts a release's rows, whatever the order of their tables."""
    connection.exec_driver_sql("SET session_replication_role = replica")
    with connection.connection.cursor() as cursor:
        cursor.execute(gzip.decompress(file.read_bytes()).decode())
    connection.exec_driver_sql("SET session_replication_role = origin")


@pytest.fixture(params=FILES, ids=lambda file: file.name)
def older(request: pytest.FixtureRequest, empty_database_url: str, httpserver: HTTPServer) -> Iterator[Older]:
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, request.param.name.removeprefix("catalogue_").removesuffix(".sql.gz"))
        with database.engine.begin() as connection:
            load(connection, request.param)
        before = counts(empty_database_url)
        assert upgrade(database.engine)
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE provider_metadata SET base_url = :url"), {"url": httpserver.url_for("").rstrip("/")}
            )
        yield Older(database, before, httpserver)


def test_no_row_is_lost_and_what_was_known_is_known(older: Older):
    check_schema(older.database.engine)
    now = counts(older.database.url)
    assert sum(count > 0 for count in older.rows_before.values()) > 12
    assert {name: now[name] for name in older.rows_before} == older.rows_before
    with older.database.session() as session:
        models = {model["model_id"]: model for model in catalog.models.load(session, 1)}
        assert {name: model["context_length"] for name, model in models.items()} == {
            **dict.fromkeys(LISTED, 128_000),
            "gpt-4o": 64_000,
        }
        assert {model["prices"]["input"]["amount"] for model in models.values()} == {3.0}
        first = session.execute(text("SELECT min(changed_at) FROM provider_model_change")).scalar_one()
        past = session.execute(text("SELECT * FROM provider_models_as_of(:at)"), {"at": first}).mappings().all()
        assert {row["model_id"]: row["prices"]["input"]["amount"] for row in past} == dict.fromkeys(LISTED[:3], 2.0)
        assert [token.name for token in catalog.api_tokens.list_tokens(session)] == ["ci"]


def test_it_is_synced_repaired_and_told_about_as_before(older: Older):
    same = older.sync(listing(*LISTED, price="0.000003"))
    assert (same.status, same.models, same.created, same.missing) == ("synced", 4, 0, 0)
    cheaper = older.sync(listing(*LISTED, price="0.0000028"))
    assert (cheaper.status, cheaper.updated) == ("synced", 4)
    moved = {"result": {"models": [{"name": each, "context_length": 128000} for each in LISTED]}}
    older.serve(moved)
    with older.database.session() as session:
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
        assert answer_tasks(session, "acme")
        report = sync.events.refresh_canonical_models(session, now=datetime.now(UTC))
        session.commit()
        assert report
        (gpt,) = [each for each in catalog.models.load(session, 1) if each["model_id"] == "gpt-4o"]
    assert gpt["context_length"] == 64_000


@pytest.mark.timeout(600)  # thirteen commands, each a process of its own
def test_this_version_can_write_the_rows_for_the_next_one(tmp_path: Path, empty_database_url: str):
    write(tmp_path / "catalogue.sql.gz")
    with open_database(empty_database_url) as database:
        upgrade(database.engine)
        with database.engine.begin() as connection:
            load(connection, tmp_path / "catalogue.sql.gz")
    assert counts(empty_database_url)["public.provider_model"] == 4
