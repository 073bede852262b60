"""What a listing costs in processor time: it counts towards its deadline, and others do not pay for it."""

import time
from contextlib import closing

from provider_pipeline import catalog
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.config import active_source
from provider_pipeline.sync.extract import read_listing
from provider_pipeline.sync.plan import Target, prepare
from provider_pipeline.sync.provider import attempt_sync, utc_now
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

HASTY = {"allow_private": True, "deadline": 0.3}


def ask_for(fleet: Fleet, slug: str, policy: dict[str, object]) -> None:
    with fleet.database.session() as session:
        catalog.providers.add(
            session,
            slug=slug,
            name=slug,
            base_url=fleet.server.url_for(f"/{slug}"),
            auth_config={"type": "none"},
            request_config=policy,
        )
        session.commit()


def test_judging_takes_from_the_deadline_of_a_first_listing_and_of_one_that_has_changed(fleet: Fleet):
    many = {"data": [{"id": f"gpt-4.1-tune-{number}"} for number in range(40_000)]}
    for slug in ("new", "known"):
        fleet.add(slug)
    with fleet.database.session() as session:
        assert attempt_sync(session, "known", client=ListingClient()).status == "synced"
    rows = fleet.rows("known")
    for slug in ("new", "known"):
        fleet.serve(slug, many)
        ask_for(fleet, slug, HASTY)
        with fleet.database.session() as session:
            outcome = attempt_sync(session, slug, client=ListingClient())
        assert outcome.status == "failed"
        assert isinstance(outcome.error, ListingUnreadableError)
        assert f"{slug}: took too long" in str(outcome.error)
    assert fleet.rows("new") == {}
    assert fleet.rows("known") == rows


def test_a_heavy_listing_pauses_for_a_light_one_until_that_is_written(fleet: Fleet):
    fleet.add("light", listing(*CHAT_MODELS))
    client = ListingClient()
    with fleet.database.session() as session:
        target = prepare(session, ["light"], accept=None, now=utc_now())["light"]
        assert isinstance(target, Target)
        heavy = client.pace(active_source(target.provider, target.rule()))
        with heavy.working():
            with closing(read_listing(session, target, client)):
                began = time.monotonic()
                heavy.expect(1_000_000)
                assert time.monotonic() - began >= 0.1
            began = time.monotonic()
            heavy.expect(10**9)
            assert time.monotonic() - began < 4
