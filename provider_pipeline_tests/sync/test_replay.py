"""Replaying a response shows what a rule would change, and writes nothing."""

import json

import pytest

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError, ListingUnreadableError, ProviderPipelineError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.replay import Replay, replay_response, replay_responses
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


def sync(fleet: Fleet) -> int:
    with fleet.database.session() as session:
        outcome = attempt_sync(session, "acme", client=ListingClient())
    assert outcome.raw_response_id
    return outcome.raw_response_id


def replay(fleet: Fleet, raw_response_id: int, **options) -> Replay:
    with fleet.database.session() as session:
        return replay_response(session, raw_response_id, **options)


def store(fleet: Fleet, *pages: tuple[int, bytes], slug: str = "acme") -> int:
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        stored = [
            catalog.raw_responses.StoredPage(endpoint, n, "file:x", body) for n, (endpoint, body) in enumerate(pages)
        ]
        raw = catalog.raw_responses.store(session, provider_id, stored, complete=True)
        session.commit()
    return raw.id


def test_replaying_the_last_response_shows_no_difference(fleet: Fleet):
    fleet.add("acme")
    replayed = replay(fleet, sync(fleet))
    assert (replayed.valid, replayed.models, replayed.rule_version) == (True, 5, 1)
    assert replayed.difference
    assert (replayed.difference.unchanged, replayed.difference.total_changes) == (5, 0)


def test_replaying_an_older_response_shows_the_differences_and_writes_nothing(fleet: Fleet):
    fleet.add("acme")
    old = sync(fleet)
    fleet.serve("acme", listing(*CHAT_MODELS[1:], "gpt-5", context_length=256_000))
    sync(fleet)
    before = fleet.rows("acme")
    difference = replay(fleet, old).difference
    assert difference
    kinds = {change.model_id: change.kind for change in difference.changes}
    assert (kinds["gpt-4.1"], kinds["gpt-5"], kinds["gpt-4o"]) == ("restored", "missing", "updated")
    changed = next(change.changed for change in difference.changes if change.model_id == "gpt-4o")
    assert changed == {"context_length": [256_000, 128_000]}
    assert fleet.rows("acme") == before


def test_any_version_can_be_applied_to_any_response(fleet: Fleet):
    fleet.add("acme")
    old = sync(fleet)
    with fleet.database.session() as session:
        generate_rule(session, "acme", [EndpointSample(moved(*CHAT_MODELS), "/v1/models")], activate=True)
        session.commit()
    new = store(fleet, (0, json.dumps(moved(*CHAT_MODELS)).encode()))
    fits = {
        (response, version): replay(fleet, response, version=version).valid
        for response in (old, new)
        for version in (1, 2)
    }
    assert fits == {(old, 1): True, (old, 2): False, (new, 1): False, (new, 2): True}
    assert replay(fleet, new).rule_version == 2
    assert replay(fleet, old).difference is None
    assert [issue["type"] for issue in replay(fleet, old).issues] == ["extraction_failed"]


def test_a_listing_of_several_pages_is_replayed_whole(fleet: Fleet):
    fleet.add("acme")
    raw = store(fleet, *((0, json.dumps(listing(name)).encode()) for name in CHAT_MODELS))
    assert replay(fleet, raw).models == 5


def test_pages_of_endpoints_that_the_rule_does_not_have_are_ignored(fleet: Fleet):
    fleet.add("acme")
    raw = store(fleet, (0, json.dumps(listing("gpt-4o")).encode()), (1, b"[]"))
    assert (replay(fleet, raw).valid, replay(fleet, raw).models) == (True, 1)


def test_responses_of_several_providers_are_replayed_together_as_one_by_one(fleet: Fleet):
    versions = {"acme": 1, "borealis": 2}
    wanted = []
    for slug in versions:
        fleet.add(slug)
        with fleet.database.session() as session:
            attempt_sync(session, slug, client=ListingClient())
            generate_rule(session, slug, [EndpointSample(moved(*CHAT_MODELS), "/v1/models")])
            session.commit()
        answers = (listing(*CHAT_MODELS, "gpt-5"), listing(*CHAT_MODELS[1:]), moved(*CHAT_MODELS))
        wanted += [(store(fleet, (0, json.dumps(answer).encode()), slug=slug), slug) for answer in answers]
    with fleet.database.session() as session:
        together = list(replay_responses(session, [each for each, _ in wanted], versions.get))
    assert together == [replay(fleet, each, version=versions[slug]) for each, slug in wanted]
    assert [each.valid for each in together] == [True, True, False, False, False, True]
    changed = [each.difference and {change.kind for change in each.difference.changes} for each in together]
    assert changed == [{"added"}, {"missing"}, None, None, None, set()]


def test_a_large_listing_is_compared_with_the_same_result(fleet: Fleet, monkeypatch: pytest.MonkeyPatch):
    fleet.add("acme")
    old = sync(fleet)
    fleet.serve("acme", listing(*CHAT_MODELS[1:], "gpt-5", context_length=256_000))
    sync(fleet)
    small, before = replay(fleet, old), fleet.rows("acme")
    monkeypatch.setattr("provider_pipeline.sync.replay._MAX_COPIED", 4)
    assert replay(fleet, old) == small
    assert fleet.rows("acme") == before


def test_overrides_are_part_of_the_difference(fleet: Fleet):
    fleet.add("acme")
    raw = sync(fleet)
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.model_overrides.put(session, provider_id, "gpt-4o", "context_length", 64_000, reason="measured")
        session.commit()
    difference = replay(fleet, raw).difference
    assert difference
    (change,) = difference.changes
    assert (change.model_id, change.changed["context_length"]) == ("gpt-4o", [128_000, 64_000])


def test_errors_name_what_cannot_be_replayed(fleet: Fleet):
    fleet.add("acme")
    with pytest.raises(CatalogError, match="raw response 4711 is not stored"):
        replay(fleet, 4711)
    raw = sync(fleet)
    with pytest.raises(ProviderPipelineError, match="99"):
        replay(fleet, raw, version=99)
    with pytest.raises(ListingUnreadableError, match="file:x"):
        replay(fleet, store(fleet, (0, b"<html>")))
