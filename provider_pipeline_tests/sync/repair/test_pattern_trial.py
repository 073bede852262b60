"""The rollout of a pattern set: tried on stored listings, activated by a person, undone by one command."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.capability_rules import shipped
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import store_rule, stored_rule
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.repair.pattern_trial import require_tried, try_pattern_set
from provider_pipeline_tests.catalog.test_pattern_sets import OLD, store_old
from provider_pipeline_tests.fleet import Fleet, listing

SAMPLE = listing("gpt-4.1", "gpt-4o", "text-embedding-3-small")


@pytest.fixture
def old(fleet: Fleet) -> Fleet:
    """A synced provider in a catalogue whose active patterns are those of another package."""
    with fleet.database.session() as session:
        store_old(session)
    fleet.add("acme", SAMPLE)
    sync(fleet)
    return fleet


def sync(fleet: Fleet) -> SyncOutcome:
    with fleet.database.session() as session:
        return attempt_sync(session, "acme", client=ListingClient())


def capabilities(fleet: Fleet) -> dict[str, dict[str, bool]]:
    with fleet.database.session() as session:
        found = session.execute(text("SELECT model_id, capabilities FROM provider_model"))
        return {row.model_id: row.capabilities for row in found}


def test_a_set_is_tried_then_activated_then_changes_rows_of_an_unchanged_listing_and_is_undone(old: Fleet):
    before = capabilities(old)
    assert before["text-embedding-3-small"] == {}
    with old.database.session() as session:
        report = try_pattern_set(session, shipped().digest)
        session.commit()
        (stored,) = [each for each in catalog.pattern_sets.list_pattern_sets(session) if each.status == "candidate"]
        assert stored.report == json.loads(json.dumps(report))
        require_tried(session, stored)
    (acme,) = report["providers"]
    assert (acme["provider"], acme["models"], report["against"]) == ("acme", 3, OLD.digest)
    assert acme["changes"]["text-embedding-3-small"]["embedding"] == [None, True]
    assert "chat" not in acme["changes"]["gpt-4o"]
    assert report["totals"]["capabilities"]["embedding: unknown -> yes"] == 1
    assert capabilities(old) == before
    assert sync(old).updated == 0

    with old.database.session() as session:
        catalog.pattern_sets.activate(session, shipped().digest, reason="as the trial says")
        session.commit()
    outcome = sync(old)
    assert (outcome.updated, {change.cause for change in outcome.changes}) == (3, {"rule"})
    assert capabilities(old)["text-embedding-3-small"]["embedding"]
    assert sync(old).updated == 0

    with old.database.session() as session:
        catalog.pattern_sets.roll_back(session, reason="no")
        session.commit()
    assert sync(old).updated == 3
    assert capabilities(old) == before


def test_a_set_that_was_not_tried_beside_the_active_one_is_not_activated(old: Fleet):
    with old.database.session() as session:
        candidate = catalog.pattern_sets.find(session)
        with pytest.raises(CatalogError, match="was not tried beside the active one"):
            require_tried(session, candidate)
        try_pattern_set(session, candidate.digest)
        catalog.pattern_sets.activate(session, candidate.digest, reason="fine")
        earlier = catalog.pattern_sets.find(session, OLD.digest)
        with pytest.raises(CatalogError, match="patterns try --set"):
            require_tried(session, earlier)


def test_a_provider_whose_rule_carries_its_own_patterns_is_no_part_of_a_trial(old: Fleet):
    with old.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        own = {"capability": "chat", "patterns": {"regex": ["gpt-.*"]}}
        document = {"jmespath_rule": "data[*]", "endpoint": "/v1/models", "capability_rules": [own]}
        store_rule(session, provider.id, ExtractionRule.parse(document), origin="written", activate=True)
        session.commit()
    sync(old)
    with old.database.session() as session:
        assert try_pattern_set(session, shipped().digest)["providers"] == []


def test_rules_are_written_with_the_active_set_and_carry_none_of_it(old: Fleet):
    with old.database.session() as session:
        stored = catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
        rule = stored_rule(session, stored)
    assert stored.endpoints_config == {"chat": {"patterns": {"regex": ["gpt-.*"]}}}
    assert (rule.pattern_set, rule.shared_patterns and rule.shared_patterns.digest) == ("shipped", OLD.digest)


def full_rule(fleet: Fleet) -> dict[str, Any]:
    """The provider's active rule as an earlier build wrote it: with all patterns inside."""
    with fleet.database.session() as session:
        stored = catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
    config = {name: value for name, value in stored.model_list_config.items() if name != "pattern_set"}
    patterns = {name: {"patterns": {"regex": list(listed)}} for name, listed in shipped().patterns.items()}
    return {"model_list_config": config, "endpoints_config": patterns}


def test_a_rule_that_is_only_shorter_than_the_active_one_needs_no_person(fleet: Fleet):
    fleet.add("acme", SAMPLE)
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        document = ExtractionRule.parse(full_rule(fleet))
        store_rule(session, provider.id, document, origin="written", activate=True)
        session.commit()
    sync(fleet)
    read_by_full = capabilities(fleet)
    with fleet.database.session() as session:
        generated = generate_rule(session, "acme", [EndpointSample(SAMPLE, "/v1/models")])
        session.commit()
    assert (generated.activated, generated.needs_review) == (True, False), generated.reason
    sync(fleet)
    assert capabilities(fleet) == read_by_full
