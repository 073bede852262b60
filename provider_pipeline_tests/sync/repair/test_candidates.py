"""A repaired rule still reads every page: reading only one would look like a listing that shrank."""

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.repair.worker import answer_tasks
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.sync.stateful.simulated_provider import KEY, SimulatedProvider


@pytest.fixture
def acme(fleet: Fleet) -> SimulatedProvider:
    """A provider whose ten models are on two pages, synced."""
    provider = SimulatedProvider("acme")
    fleet.add("acme", provider.page(None), auth={"type": "bearer", "env": "ACME_KEY"})
    fleet.server.clear()
    provider.stand(fleet.server)
    assert sync(fleet)["models_synced"] == 10
    return provider


def sync(fleet: Fleet):
    with fleet.database.session() as session:
        client = ListingClient(environ={"ACME_KEY": KEY})
        return ModelSyncer(session, client=client).sync_provider_models("acme")


def repaired(fleet: Fleet):
    with pytest.raises(RuleValidationError):
        sync(fleet)
    with fleet.database.session() as session:
        (repair,) = answer_tasks(session, "acme")
    return repair


def test_an_unknown_pagination_field_does_not_end_the_listing(acme: SimulatedProvider, fleet: Fleet):
    acme.change(more_key="weiter", context_key="max_context", price_keys=("input", "output"))
    assert repaired(fleet).status == "activated"
    result = sync(fleet)
    assert (result["models_synced"], result["models_missing"]) == (10, 0)


def test_a_rule_that_stops_paginating_waits_for_a_person(acme: SimulatedProvider, fleet: Fleet):
    acme.change(more_key="weiter", place="result.models")
    repair = repaired(fleet)
    assert repair.status == "needs_review"
    assert [(gate.name, gate.actual) for gate in repair.gates if not gate.passed] == [
        ("looks_for_every_page", "not at /v1/models")
    ]
