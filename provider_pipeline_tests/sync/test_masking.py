"""Responses that an earlier version stored with the keys in them."""

import json

import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.masking import mask_stored
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing
from provider_pipeline_tests.sync.test_archive import store

KEY = "aK9dkS93kdkS93kdl02abQ"
OTHERS = "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2"
LISTED = listing(*CHAT_MODELS) | {"you": KEY, "note": OTHERS, "upstream": [{"apiKey": "abc"}]}
CLEAN = listing(*CHAT_MODELS) | {"you": "***", "note": "***", "upstream": [{"apiKey": "***"}]}


@pytest.fixture
def acme(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A provider that wants a key."""
    monkeypatch.setenv("ACME_KEY", KEY)
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_KEY"})
    return fleet


def sync(fleet: Fleet) -> int:
    with fleet.database.session() as session:
        outcome = attempt_sync(session, "acme", client=ListingClient())
    assert outcome.status == "synced"
    assert outcome.raw_response_id
    return outcome.raw_response_id


def body(fleet: Fleet, raw_response_id: int) -> dict:
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, raw_response_id)
    return json.loads(page.content)


def mask(fleet: Fleet) -> list[int]:
    with fleet.database.session() as session:
        masked = mask_stored(session, "acme")
        session.commit()
    return masked


def test_our_keys_and_those_of_others_are_masked_and_what_has_none_is_left_alone(acme: Fleet):
    clean, stained = sync(acme), store(acme, "acme", json.dumps(LISTED).encode())
    assert mask(acme) == [stained]
    assert body(acme, stained) == CLEAN
    assert body(acme, clean) == listing(*CHAT_MODELS)
    assert mask(acme) == []


def test_where_the_key_is_not_known_the_keys_of_others_are_masked(acme: Fleet, monkeypatch: pytest.MonkeyPatch):
    stained = store(acme, "acme", json.dumps(LISTED).encode())
    monkeypatch.delenv("ACME_KEY")
    assert mask(acme) == [stained]
    assert body(acme, stained) == CLEAN | {"you": KEY}


def test_what_would_be_refused_unread_now_is_emptied(acme: Fleet):
    letters = "\\u0061" * 600_000
    stained = store(acme, "acme", f'{{"data": "{letters}"}}'.encode())
    assert mask(acme) == [stained]
    assert body(acme, stained) is None


def test_the_sync_after_it_reads_the_listing_anew(acme: Fleet):
    acme.serve("acme", LISTED)
    accepted = sync(acme)
    assert body(acme, accepted) == CLEAN
    with acme.database.session() as session:
        catalog.raw_responses.replace_pages(
            session,
            accepted,
            [catalog.raw_responses.StoredPage(0, 1, "https://x.example", json.dumps(LISTED).encode())],
        )
        session.execute(text("UPDATE provider_sync SET basis = repeat('0', 64), validators = '[{\"etag\": \"x\"}]'"))
        assert mask_stored(session, "acme") == [accepted]
        known = session.execute(text("SELECT basis, validators FROM provider_sync")).one()
        session.commit()
    assert (known.basis, known.validators) == (None, [])
    assert body(acme, sync(acme)) == CLEAN
