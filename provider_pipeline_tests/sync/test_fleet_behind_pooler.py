"""Fleets, some of them killed, behind a real PgBouncer in transaction mode with few server connections."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text
from werkzeug import Request, Response

from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.sync_locks import LEASE
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.catalog.builders import bury_the_dead, wait_for_a_lock
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing
from provider_pipeline_tests.pooler import Pooler, running_pooler

SLUGS = tuple(f"tree-{number:02}" for number in range(12))

FLEET = """
import sys
from provider_pipeline.catalog.database import open_database
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many
with open_database(sys.argv[1], client_name="the CLI") as database:
    for outcome in attempt_many(database.session, sys.argv[2:], client=ListingClient(), max_workers=4):
        print(outcome.slug, outcome.status, flush=True)
"""


@pytest.fixture
def forest(fleet: Fleet) -> Fleet:
    """Twelve providers, never synced."""
    for slug in SLUGS:
        fleet.add(slug)
    return fleet


def run_fleet(url: str) -> dict[str, SyncOutcome]:
    """A fleet sync in a process of its own, as far as the database can tell."""
    with open_database(url, client_name="the CLI") as database:
        found = attempt_many(database.session, SLUGS, client=ListingClient(), max_workers=4)
        return {outcome.slug: outcome for outcome in found}


def statuses(outcomes: dict[str, SyncOutcome]) -> set[str]:
    return {outcome.status for outcome in outcomes.values()}


def leases(database: Database) -> int:
    with database.session() as session:
        return session.scalar(text("SELECT count(*) FROM provider_sync_lease"))


def test_after_many_concurrent_fleets_no_provider_stays_locked(forest: Fleet, pooler: Pooler):
    url = pooler.url(forest.database.url)
    for _ in range(9):
        assert statuses(run_fleet(url)) == {"synced"}
    with ThreadPoolExecutor(3) as threads:
        at_once = list(threads.map(run_fleet, [url] * 3))
    assert {slug for outcomes in at_once for slug, each in outcomes.items() if each.status == "synced"} == set(SLUGS)
    assert set().union(*map(statuses, at_once)) <= {"synced", "skipped"}
    assert statuses(run_fleet(url)) == {"synced"}
    assert leases(forest.database) == 0


@pytest.mark.parametrize("pool_size", [1, 2])
def test_no_transaction_waits_for_a_second_connection(
    forest: Fleet, postgres_server: EmbeddedPostgres, working_folder: Path, pool_size: int
):
    with running_pooler(postgres_server, working_folder, pool_size=pool_size) as pooler:
        url = pooler.url(forest.database.url)
        with ThreadPoolExecutor(3) as threads:
            at_once = list(threads.map(run_fleet, [url] * 3))
        assert set().union(*map(statuses, at_once)) <= {"synced", "skipped"}
        with open_database(url) as database, database.session() as session:
            assert attempt_sync(session, SLUGS[0], client=ListingClient()).status == "synced"
    assert [len(forest.rows(slug)) for slug in SLUGS] == [len(CHAT_MODELS)] * len(SLUGS)


@pytest.fixture
def held() -> Iterator[tuple[HTTPServer, threading.Event, threading.Event]]:
    """A server that answers only once it is released: the server, an event for its first request, and the release."""
    asked, go = threading.Event(), threading.Event()

    def wait(_: Request) -> Response:
        asked.set()
        go.wait(60)
        return Response(json.dumps(listing(*CHAT_MODELS)), content_type="application/json")

    with HTTPServer(host="127.0.0.1", port=0) as server:
        server.expect_request("/v1/models").respond_with_handler(wait)
        yield server, asked, go
        go.set()


def test_a_killed_fleet_locks_its_providers_for_at_most_a_lease(forest: Fleet, pooler: Pooler, held):
    server, asked, go = held
    url = pooler.url(forest.database.url)
    with forest.database.session() as session:
        slow = "UPDATE provider_metadata SET base_url = :url WHERE slug = :slug"
        session.execute(text(slow), {"url": server.url_for(""), "slug": SLUGS[3]})
        session.commit()
    command = [sys.executable, "-c", FLEET, url, *SLUGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    go.set()

    after = run_fleet(url)
    skipped = {slug: each for slug, each in after.items() if each.status != "synced"}
    assert SLUGS[3] in skipped
    for outcome in skipped.values():
        assert outcome.status == "skipped"
        assert "is being synced by the CLI on " in outcome.reason
        assert f"(process {process.pid}) since " in outcome.reason
        assert outcome.error.until - outcome.error.since < LEASE + timedelta(seconds=30)
    assert bury_the_dead(forest.database) <= LEASE
    assert statuses(run_fleet(url)) == {"synced"}
    assert leases(forest.database) == 0


def test_fleets_killed_while_writing_leave_complete_rows_and_no_lock(forest: Fleet, pooler: Pooler):
    url = pooler.url(forest.database.url)
    assert statuses(run_fleet(url)) == {"synced"}
    before = [forest.rows(slug) for slug in SLUGS]
    for slug in SLUGS:
        forest.serve(slug, listing(*CHAT_MODELS, context_length=256_000))
    with forest.database.session() as session, ExitStack() as stack:
        session.execute(text("LOCK TABLE provider_model_change IN ACCESS EXCLUSIVE MODE"))
        for slugs in (SLUGS[:6], SLUGS[6:]):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", FLEET, url, *slugs]))
            stack.callback(process.kill)
        wait_for_a_lock(forest.database)
        stack.close()
        session.rollback()
    bury_the_dead(forest.database)
    assert [forest.rows(slug) for slug in SLUGS] == before
    assert statuses(run_fleet(url)) == {"synced"}
    assert {row[2] for slug in SLUGS for row in forest.rows(slug).values()} == {256_000}
    assert leases(forest.database) == 0
