"""Two concurrent syncs of one provider: one runs, the other reports who holds the lock."""

import pytest

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import SyncInProgressError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline_tests.cli.conftest import CommandLine, run
from provider_pipeline_tests.fleet import Fleet

__all__ = ["run"]


@pytest.fixture
def busy(fleet: Fleet) -> Fleet:
    """Two providers, the first of which is being synced elsewhere."""
    fleet.add("acme")
    fleet.add("busy-not")
    with (
        catalog.database.open_database(fleet.database.url, client_name="the API") as other,
        other.session() as session,
        catalog.sync_locks.sync_lock(session, catalog.providers.get(session, "acme")),
    ):
        yield fleet


def test_a_concurrent_sync_sends_no_request_and_writes_nothing(busy: Fleet):
    with (
        busy.database.session() as session,
        pytest.raises(SyncInProgressError, match="acme is being synced by the API"),
    ):
        ModelSyncer(session).sync_provider_models("acme")
    assert busy.server.log == []
    assert busy.rows("acme") == {}
    with busy.database.session() as session:
        state = catalog.sync_state.get(session, catalog.providers.get(session, "acme").id)
    assert state == catalog.sync_state.SyncState()


def test_a_fleet_skips_the_provider_and_syncs_the_others(busy: Fleet):
    outcomes = {
        outcome.slug: outcome
        for outcome in attempt_many(busy.database.session, ["acme", "busy-not"], client=ListingClient())
    }
    assert {slug: outcome.status for slug, outcome in outcomes.items()} == {"acme": "skipped", "busy-not": "synced"}
    assert "acme is being synced by the API" in outcomes["acme"].reason


def test_the_command_line_says_once_who_syncs_it_and_fails(busy: Fleet, run: CommandLine):
    finished = run("sync", "acme")
    assert finished.code == 1
    told = " ".join((finished.out + finished.err).split())
    assert told.count("acme is being synced by the API on ") == 1
    assert "Traceback" not in told


def test_the_command_line_says_that_nothing_was_synced_where_every_provider_was_skipped(busy: Fleet, run: CommandLine):
    nothing = "nothing was synced: other processes are syncing every one of these providers"
    assert nothing in run("sync", "acme").err
    some = run("sync", "--all")
    assert (some.code, nothing in some.err) == (1, False)
    assert busy.rows("busy-not") != {}
