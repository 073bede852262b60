"""Databases as operators configure them: a role that owns only its database, strict isolation, short time-outs."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import make_url, text
from werkzeug import Request, Response

from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.worker import answer_tasks, open_task_for
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

SETTINGS = {
    "serializable": {"default_transaction_isolation": "serializable"},
    "short time-outs": {
        "lock_timeout": "3s",
        "statement_timeout": "20s",
        "idle_in_transaction_session_timeout": "2s",
    },
}
SLUGS = tuple(f"tree-{number}" for number in range(6))


@pytest.fixture(params=SETTINGS)
def modest(
    request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres, httpserver: HTTPServer
) -> Iterator[Fleet]:
    """A catalogue of a role with rights to its own database only, and with its own settings."""
    administrator = postgres_server.url("postgres")
    with psycopg.connect(administrator.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE modest LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
        connection.execute("CREATE DATABASE modest OWNER modest")
        try:
            url = make_url(administrator).set(username="modest", database="modest").render_as_string()
            with open_database(url) as database:
                upgrade(database.engine)
                for slug in SLUGS:
                    Fleet(database, httpserver).add(slug)
            for name, value in SETTINGS[request.param].items():
                connection.execute(f"ALTER ROLE modest SET {name} = '{value}'")
            with open_database(url) as database:
                yield Fleet(database, httpserver)
        finally:
            connection.execute("DROP DATABASE modest WITH (FORCE)")
            connection.execute("DROP ROLE modest")


def run_fleet(url: str) -> dict[str, SyncOutcome]:
    with open_database(url) as database:
        found = attempt_many(database.session, SLUGS, client=ListingClient(), max_workers=4)
        return {outcome.slug: outcome for outcome in found}


def test_concurrent_fleets_sync_every_provider_and_fail_none(modest: Fleet):
    for models in (CHAT_MODELS, (*CHAT_MODELS, "gpt-5"), CHAT_MODELS):
        for slug in SLUGS:
            modest.serve(slug, listing(*models))
        with ThreadPoolExecutor(3) as threads:
            at_once = list(threads.map(run_fleet, [modest.database.url] * 3))
        found = [each for outcomes in at_once for each in outcomes.values()]
        assert {each.slug for each in found if each.status == "synced"} == set(SLUGS)
        assert [each.reason for each in found if each.status not in ("synced", "skipped")] == []
    assert {row[1] for slug in SLUGS for row in modest.rows(slug).values()} == {"active", "missing"}


def test_a_provider_that_takes_its_time_is_synced_and_a_rule_that_no_longer_fits_is_repaired(modest: Fleet):
    def slowly(_: Request) -> Response:
        time.sleep(3)  # longer than a transaction may be idle
        return Response(json.dumps(moved(*CHAT_MODELS)), content_type="application/json")

    modest.server.handlers.clear()
    modest.server.expect_request(f"/{SLUGS[0]}/v1/models").respond_with_handler(slowly)
    with modest.database.session() as session:
        blocked = attempt_sync(session, SLUGS[0], client=ListingClient())
        assert blocked.status == "blocked"
        open_task_for(session, blocked)
        session.commit()
        assert [repair.status for repair in answer_tasks(session, SLUGS[0])] == ["activated"]
        assert attempt_sync(session, SLUGS[0], client=ListingClient()).status == "synced"
        assert session.scalar(text("SELECT count(*) FROM provider_model")) == len(CHAT_MODELS)
