"""Many providers in one transaction: a failure of one does not affect the others."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug import Request, Response

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError, ProviderPipelineError, RuleReplacedError, UnknownProviderError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.judge import ListingJudge, Verdict
from provider_pipeline.sync.extract import ExtractedListing, extract_listing
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline.sync.load import load_listings
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import SyncPlan, prepare
from provider_pipeline.sync.provider import attempt_sync, utc_now
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline_tests.catalog.builders import bury_the_dead, let_leases_expire, wait_for_a_lock
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

SLUGS = ("ash", "birch", "cedar")

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.provider_id = (SELECT id FROM provider WHERE slug = 'birch') THEN
        RAISE EXCEPTION 'birch cannot be written';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON provider_model FOR EACH ROW EXECUTE FUNCTION refuse()
"""

KILLED = """
import sys
from provider_pipeline.catalog.database import open_database
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many
with open_database(sys.argv[1]) as database:
    for outcome in attempt_many(database.session, sys.argv[2:], client=ListingClient(), max_workers=1):
        print(outcome.slug, outcome.status, flush=True)
"""


@pytest.fixture
def trees(fleet: Fleet) -> Fleet:
    """Three providers, never synced."""
    for slug in SLUGS:
        fleet.add(slug)
    return fleet


def sync_all(fleet: Fleet) -> dict[str, SyncOutcome]:
    return {each.slug: each for each in attempt_many(fleet.database.session, SLUGS, client=ListingClient())}


def run_sql(fleet: Fleet, statements: str) -> None:
    with fleet.database.session() as session:
        session.execute(text(statements))
        session.commit()


@contextmanager
def readings(fleet: Fleet) -> Iterator[list[ExtractedListing]]:
    """Every provider's listing, locked and extracted, ready to be written together."""
    with fleet.database.session() as session, ExitStack() as stack:
        assert fleet.database.locks.take(SLUGS) == {}
        stack.callback(fleet.database.locks.release, SLUGS)
        targets = prepare(session, SLUGS, accept=None, now=utc_now())
        session.rollback()
        found = []
        for target in targets.values():
            assert isinstance(target, SyncPlan)
            found.append(extract_listing(session, target, ListingClient()))
            stack.callback(found[-1].close)
        yield found


def outcomes_of(fleet: Fleet, session: Session, read: list[ExtractedListing], **options) -> dict[str, SyncOutcome]:
    """The outcomes of listings that are written together."""
    settled = load_listings(session, read, locks=fleet.database.locks, keep="all", clock=utc_now, **options)
    return {each.slug: each.outcome for each in settled}


def test_extracted_providers_are_written_in_one_transaction(trees: Fleet):
    with readings(trees) as read, trees.database.session() as session:
        settled = load_listings(session, read, locks=trees.database.locks, keep="all", clock=utc_now)
    assert [(each.outcome.status, each.outcome.created) for each in settled] == [("synced", len(CHAT_MODELS))] * 3
    assert len({version for slug in SLUGS for version, *_ in trees.rows(slug).values()}) == 1


def test_a_row_that_the_database_refuses_rolls_back_the_whole_batch(trees: Fleet):
    run_sql(trees, REFUSE)
    with (
        readings(trees) as read,
        trees.database.session() as session,
        pytest.raises(CatalogError, match="birch cannot be written"),
    ):
        load_listings(session, read, locks=trees.database.locks, keep="all", clock=utc_now)
    assert [trees.rows(slug) for slug in SLUGS] == [{}, {}, {}]


def test_the_other_providers_of_the_batch_are_then_written_alone(trees: Fleet):
    run_sql(trees, REFUSE)
    outcomes = sync_all(trees)
    assert {slug: outcome.status for slug, outcome in outcomes.items()} == {
        "ash": "synced",
        "birch": "failed",
        "cedar": "synced",
    }
    assert "birch cannot be written" in outcomes["birch"].reason
    assert [len(trees.rows(slug)) for slug in SLUGS] == [5, 0, 5]
    with trees.database.session() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        assert locks.take(SLUGS) == {}


def test_a_locked_provider_delays_no_other(trees: Fleet):
    birch = "SELECT FROM provider WHERE slug = 'birch' FOR NO KEY UPDATE"
    outcomes: list[SyncOutcome] = []
    with trees.database.session() as other:
        other.execute(text(birch))
        syncing = threading.Thread(
            target=lambda: outcomes.extend(attempt_many(trees.database.session, SLUGS, client=ListingClient()))
        )
        syncing.start()
        wait_for_a_lock(trees.database)
        deadline = time.monotonic() + 30
        while [len(trees.rows(slug)) for slug in SLUGS] != [5, 0, 5]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        other.rollback()
        syncing.join(timeout=30)
    assert {(outcome.slug, outcome.status) for outcome in outcomes} == {(slug, "synced") for slug in SLUGS}


def test_a_rule_replaced_during_the_sync_fails_only_its_own_provider(trees: Fleet):
    with readings(trees) as read, trees.database.session() as session:
        provider = catalog.providers.get(session, "birch")
        rule = catalog.rule_versions.active(session, provider.id)
        config = {name: value for name, value in rule.model_list_config.items() if name != "pattern_set"}
        document = {"model_list_config": config, "endpoints_config": {}}
        version = store_for_trial(session, provider.id, document, reason="test")
        catalog.rule_versions.activate_rule(session, provider.id, version, reason="test")
        session.commit()
        settled = {
            each.slug: each.outcome
            for each in load_listings(session, read, locks=trees.database.locks, keep="all", clock=utc_now)
        }
    assert {slug: outcome.status for slug, outcome in settled.items()} == {
        "ash": "synced",
        "birch": "failed",
        "cedar": "synced",
    }
    assert isinstance(settled["birch"].error, RuleReplacedError)
    assert trees.rows("birch") == {}


@pytest.mark.parametrize("came", ["a listing", "the last accepted listing", "an error"])
def test_a_sync_whose_lock_was_taken_over_writes_nothing(trees: Fleet, came: str):
    if came == "the last accepted listing":
        sync_all(trees)
    if came == "an error":
        trees.answer("birch", "out of order", status=404)
    with readings(trees) as read, trees.database.session() as session:
        let_leases_expire(trees.database)
        trees.serve("birch", listing(*CHAT_MODELS, "gpt-5"))
        with (
            catalog.database.open_database(trees.database.url, client_name="the API") as other,
            other.session() as another,
        ):
            assert attempt_sync(another, "birch", client=ListingClient()).status == "synced"
        before = everything_of(trees, "birch")
        outcomes = outcomes_of(trees, session, read)
    assert {slug: outcome.status for slug, outcome in outcomes.items()} == {
        "ash": "synced",
        "birch": "skipped",
        "cedar": "synced",
    }
    assert outcomes["birch"].reason.startswith(
        "birch: this sync was held up for longer than its lease lasts, and nothing of it was written: "
        "another process has synced it meanwhile"
    )
    assert everything_of(trees, "birch") == before
    assert "gpt-5" in trees.rows("birch")


def everything_of(fleet: Fleet, slug: str) -> list[str]:
    """The versions of all rows that a sync of the provider may write."""
    tables = ("provider_model", "provider_model_change", "provider_sync", "raw_response", "notification")
    with fleet.database.session() as session:
        return [
            str(version)
            for table in tables
            for version in session.scalars(
                text(
                    f"SELECT concat('{table} ', entry.ctid, ' ', entry.xmin) FROM {table} AS entry "
                    "JOIN provider ON provider.id = provider_id WHERE slug = :slug"
                ),
                {"slug": slug},
            )
        ]


def test_the_error_names_the_process_that_took_over_the_lock(trees: Fleet):
    with readings(trees) as read, trees.database.session() as session:
        let_leases_expire(trees.database)
        with catalog.database.open_database(trees.database.url, client_name="the API") as other:
            assert other.locks.take(["birch"]) == {}
            assert set(outcomes_of(trees, session, read, waiting=False)) == {"ash", "cedar"}
            outcome = outcomes_of(trees, session, [each for each in read if each.plan.slug == "birch"])["birch"]
    assert "nothing of it was written: birch is being synced by the API on " in outcome.reason
    assert trees.rows("birch") == {}


def test_each_provider_of_a_batch_has_its_own_changes_renames_and_states(trees: Fleet):
    sync_all(trees)
    trees.serve("ash", listing(*CHAT_MODELS, "gpt-5"))
    trees.serve("birch", listing("GPT-4.1", *CHAT_MODELS[1:]))
    with readings(trees) as read, trees.database.session() as session:
        settled = {
            each.slug: each.outcome
            for each in load_listings(session, read, locks=trees.database.locks, keep="all", clock=utc_now)
        }
    assert {slug: [(each.model_id, each.kind) for each in one.changes] for slug, one in settled.items()} == {
        "ash": [("gpt-5", "added")],
        "birch": [("GPT-4.1", "renamed"), ("gpt-4.1", "missing")],
        "cedar": [],
    }
    assert (settled["cedar"].unchanged, settled["cedar"].not_modified) == (5, True)
    with trees.database.session() as session:
        states = [catalog.sync_state.get(session, catalog.providers.get(session, slug).id) for slug in SLUGS]
    assert [state.last_result["models"] for state in states] == [6, 5, 5]
    assert len({state.last_success_at for state in states}) <= 2  # repeats are noted apart


def test_an_unknown_provider_fails_alone(trees: Fleet):
    found = {each.slug: each for each in attempt_many(trees.database.session, ["ash", "oak"], client=ListingClient())}
    assert found["ash"].status == "synced"
    assert isinstance(found["oak"].error, UnknownProviderError)


def test_closing_early_finishes_running_syncs_and_releases_every_lock(trees: Fleet):
    outcomes = attempt_many(trees.database.session, SLUGS, client=ListingClient(), max_workers=1)
    first = next(outcomes)
    outcomes.close()
    assert first.status == "synced"
    assert set(map(len, map(trees.rows, SLUGS))) <= {0, 5}
    with trees.database.session() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        assert locks.take(SLUGS) == {}


def test_closing_early_releases_the_locks_of_providers_that_were_only_planned(fleet: Fleet):
    slugs = [f"tree-{number}" for number in range(9)]
    for slug in slugs:
        fleet.add(slug)
    for ended in range(3):
        outcomes = attempt_many(fleet.database.session, slugs, client=ListingClient(), max_workers=2)
        seen = [next(outcomes).slug for _ in range(ended)]
        outcomes.close()
        with fleet.database.session() as session, catalog.sync_locks.open_sync_locks(session) as locks:
            refused = locks.take(slugs)
            locks.release(slugs)
        assert (len(set(seen)), refused) == (ended, {})


def test_closing_at_a_failed_provider_releases_the_locks_of_those_after_it(trees: Fleet):
    outcomes = attempt_many(trees.database.session, ["oak", *SLUGS], client=ListingClient())
    assert isinstance(next(outcomes).error, UnknownProviderError)
    outcomes.close()
    with trees.database.session() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        assert locks.take(SLUGS) == {}


def test_a_slow_provider_delays_no_write_of_another(trees: Fleet):
    late = threading.Event()

    def wait(_: Request) -> Response:
        late.wait(60)
        return Response(json.dumps(listing(*CHAT_MODELS)), content_type="application/json")

    with HTTPServer(host="127.0.0.1", port=0) as slow:
        slow.expect_request("/v1/models").respond_with_handler(wait)
        run_sql(trees, f"UPDATE provider_metadata SET base_url = '{slow.url_for('')}' WHERE slug = 'birch'")
        outcomes = attempt_many(trees.database.session, ("birch", "ash", "cedar"), client=ListingClient())
        try:
            assert {next(outcomes).slug, next(outcomes).slug} == {"ash", "cedar"}
            assert [len(trees.rows(slug)) for slug in SLUGS] == [5, 0, 5]
        finally:
            late.set()
        assert [(outcome.slug, outcome.status) for outcome in outcomes] == [("birch", "synced")]


def test_listings_are_not_kept_waiting_for_those_that_pause_for_them(trees: Fleet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("provider_pipeline.sync.fleet._FLUSH_SECONDS", 60)
    client = ListingClient()

    def wait(_: Request) -> Response:
        while not client.heavy_listings:
            time.sleep(0.01)
        return Response(json.dumps(listing(*CHAT_MODELS)), content_type="application/json")

    trees.serve("birch", {"data": [{"id": f"gpt-4.1-tune-{number}"} for number in range(8_000)]})
    with HTTPServer(host="127.0.0.1", port=0) as light:
        light.expect_request("/v1/models").respond_with_handler(wait)
        run_sql(trees, f"UPDATE provider_metadata SET base_url = '{light.url_for('')}' WHERE slug = 'ash'")
        outcomes = attempt_many(trees.database.session, ("birch", "ash"), client=client)
        assert next(outcomes).slug == "ash"
        assert trees.rows("birch") == {}
        assert [(outcome.slug, outcome.status) for outcome in outcomes] == [("birch", "synced")]
    assert client.heavy_listings == 0


def test_back_pressure_limits_the_unwritten_listings(fleet: Fleet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("provider_pipeline.sync.fleet._MAX_UNWRITTEN_BYTES", 1)
    slugs = [f"tree-{number}" for number in range(20)]
    for slug in slugs:
        fleet.add(slug)
    with fleet.database.session() as session:
        session.execute(text("LOCK TABLE provider_model_change IN ACCESS EXCLUSIVE MODE"))
        outcomes = attempt_many(fleet.database.session, slugs, client=ListingClient(), max_workers=2)
        with ThreadPoolExecutor(1) as beside:
            syncing = beside.submit(list, outcomes)
            wait_for_a_lock(fleet.database)
            time.sleep(0.5)
            # Two are read at once and four got ready at once: that is all that was begun before the first was written.
            assert len(fleet.server.log) <= 8
            session.rollback()
            assert {outcome.status for outcome in syncing.result()} == {"synced"}


def test_no_provider_is_locked_while_its_listing_is_judged(trees: Fleet, monkeypatch: pytest.MonkeyPatch):
    judged = []
    verdict = ListingJudge.verdict

    def judge(self: ListingJudge) -> Verdict:
        run_sql(trees, f"SELECT FROM provider WHERE id = {self.history.asked({}).provider_id} FOR UPDATE NOWAIT")
        judged.append(self)
        return verdict(self)

    sync_all(trees)
    for slug in SLUGS:
        trees.serve(slug, listing(*CHAT_MODELS, context_length=256_000))
    monkeypatch.setattr(ListingJudge, "verdict", judge)
    sync_all(trees)
    assert len(judged) == len(SLUGS)


def test_a_lost_database_fails_every_provider_and_raises_nothing(trees: Fleet):
    with catalog.database.open_database(trees.database.url) as database:
        run_sql(trees, "ALTER TABLE provider_sync RENAME TO gone")
        outcomes = list(attempt_many(database.session, SLUGS, client=ListingClient()))
    assert sorted((outcome.slug, outcome.status) for outcome in outcomes) == [(slug, "failed") for slug in SLUGS]
    assert not isinstance(outcomes[0].error, ProviderPipelineError)


def test_a_process_killed_while_it_writes_leaves_no_provider_half_written(trees: Fleet):
    sync_all(trees)
    before = [trees.rows(slug) for slug in SLUGS]
    for slug in SLUGS:
        trees.serve(slug, listing(*CHAT_MODELS, context_length=256_000))
    with trees.database.session() as session:
        session.execute(text("LOCK TABLE provider_model_change IN ACCESS EXCLUSIVE MODE"))
        command = [sys.executable, "-c", KILLED, trees.database.url, *SLUGS]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                wait_for_a_lock(trees.database)
            finally:
                process.kill()
            assert process.communicate()[0] == ""
        session.rollback()
    assert [trees.rows(slug) for slug in SLUGS] == before
    bury_the_dead(trees.database)
    assert {outcome.status for outcome in sync_all(trees).values()} == {"synced"}
    assert {row[2] for slug in SLUGS for row in trees.rows(slug).values()} == {256_000}
