"""A listing that leaks other people's keys: they are stored nowhere, and the sync succeeds."""

import json

import pytest
from sqlalchemy import text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.replay import replay_response
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved
from provider_pipeline_tests.listing.hostile.disguises import OTHERS
from provider_pipeline_tests.listing.hostile.search import forms_in, places_in

OPENAI, GITHUB, PASSWORD, PLAIN = OTHERS


def with_keys(document: dict) -> dict:
    """A listing with the key of each provider it proxies."""
    models = document["data"] if "data" in document else document["result"]["models"]
    for number, model in enumerate(models):
        model["provider"] = {"name": "openai", "apiKey": OPENAI, "options": {"password": f"{PASSWORD}"}}
        model["notes"] = f"number {number} was found with {GITHUB}"
    return document | {"client_secret": [PLAIN]}


def sync(fleet: Fleet):
    with fleet.database.session() as session:
        return attempt_sync(session, "acme", client=ListingClient())


def test_keys_in_a_listing_reach_no_table_and_the_repeated_listing_is_still_recognised(fleet: Fleet):
    document = with_keys(listing(*CHAT_MODELS))
    fleet.add("acme", document)
    first, again = sync(fleet), sync(fleet)
    assert (first.status, first.models, again.not_modified) == ("synced", len(CHAT_MODELS), True)
    assert list(places_in(fleet.database.engine)) == []
    with fleet.database.session() as session:
        page = catalog.raw_responses.load_page(session, first.raw_response_id, endpoint=0, number=1)
    stored = json.loads(page.content)
    assert stored["data"][0]["provider"] == {"name": "openai", "apiKey": "***", "options": {"password": "***"}}
    assert stored["data"][1]["notes"] == "number 1 was found with ***"
    assert {**stored["data"][0], "provider": None, "notes": None} == {
        **document["data"][0],
        "provider": None,
        "notes": None,
    }


def test_another_key_in_the_same_place_is_the_same_listing(fleet: Fleet):
    fleet.add("acme", with_keys(listing(*CHAT_MODELS)))
    first = sync(fleet)
    changed = json.loads(json.dumps(with_keys(listing(*CHAT_MODELS))).replace(OPENAI, OPENAI[::-1]))
    fleet.serve("acme", changed)
    again = sync(fleet)
    assert again.not_modified
    assert again.raw_response_id == first.raw_response_id


def test_a_listing_with_keys_can_be_read_again(fleet: Fleet):
    fleet.add("acme", with_keys(listing(*CHAT_MODELS)))
    outcome = sync(fleet)
    with fleet.database.session() as session:
        replay = replay_response(session, outcome.raw_response_id)
    assert replay.valid
    assert (replay.difference.created, replay.difference.updated, replay.difference.unchanged) == (0, 0, replay.models)


def test_keys_in_a_listing_that_is_held_are_in_no_task_and_no_error(fleet: Fleet):
    fleet.add("acme")
    sync(fleet)
    fleet.serve("acme", with_keys(moved(*CHAT_MODELS)))
    with fleet.database.session() as session, pytest.raises(RuleValidationError) as caught:
        ModelSyncer(session).sync_provider_models("acme")
    assert fleet.tasks("acme")
    assert forms_in(f"{caught.value!r} {caught.value.issues}") == []
    assert list(places_in(fleet.database.engine)) == []


def test_the_search_finds_what_would_have_been_stored(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET name = :name"), {"name": OPENAI})
        session.commit()
    assert list(places_in(fleet.database.engine))
