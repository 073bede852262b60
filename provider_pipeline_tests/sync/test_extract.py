"""Spools, and the processor time of a listing: it counts towards its deadline and does not slow down others."""

import time
from contextlib import closing

import pytest

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.extract import Spool, extract_listing
from provider_pipeline.sync.plan import SyncPlan, active_source, prepare
from provider_pipeline.sync.provider import attempt_sync, utc_now
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

HASTY = {"allow_private": True, "deadline": 0.3}


@pytest.mark.parametrize("max_weight", [100, 5, 0])
def test_a_spool_returns_its_items_in_order_and_repeatedly_in_memory_and_from_a_file(max_weight: int):
    items = ["a", "bcd", "", "efgh", "ijklmnop"]
    with closing(Spool[str](len, max_weight)) as spool:
        for item in items:
            spool.append(item)
        assert [list(spool), list(spool)] == [items, items]
        assert len(spool) == len(items)
        assert spool.weight == (16 if max_weight == 100 else 0)


def test_a_spool_moves_to_a_file_only_above_its_maximum():
    with closing(Spool[str](len, 3)) as spool:
        spool.append("abc")
        assert spool.weight == 3
        spool.append("d")
        assert spool.weight == 0
        assert list(spool) == ["abc", "d"]


def test_judging_a_new_or_changed_listing_counts_towards_its_deadline(fleet: Fleet):
    many = {"data": [{"id": f"gpt-4.1-tune-{number}"} for number in range(40_000)]}
    for slug in ("new", "known"):
        fleet.add(slug)
    with fleet.database.session() as session:
        assert attempt_sync(session, "known", client=ListingClient()).status == "synced"
    rows = fleet.rows("known")
    for slug in ("new", "known"):
        fleet.serve(slug, many)
        fleet.register(slug, deadline=0.3)
        with fleet.database.session() as session:
            outcome = attempt_sync(session, slug, client=ListingClient())
        assert outcome.status == "failed"
        assert isinstance(outcome.error, ListingUnreadableError)
        assert f"{slug}: took too long" in str(outcome.error)
    assert fleet.rows("new") == {}
    assert fleet.rows("known") == rows


def test_a_heavy_listing_pauses_for_a_light_one_until_that_is_closed(fleet: Fleet):
    fleet.add("light", listing(*CHAT_MODELS))
    client = ListingClient()
    with fleet.database.session() as session:
        target = prepare(session, ["light"], accept=None, now=utc_now())["light"]
        assert isinstance(target, SyncPlan)
        heavy = client.pace(active_source(target.provider, target.rule))
        with heavy.working():
            with closing(extract_listing(session, target, client)):
                began = time.monotonic()
                heavy.expect(1_000_000)
                assert time.monotonic() - began >= 0.1
            began = time.monotonic()
            heavy.expect(10**9)
            assert time.monotonic() - began < 4
