"""Rules on request: generated from a sample and compared with the active rule."""

import json

import pytest
from sqlalchemy import text

from provider_pipeline import RuleValidationError, catalog
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.repair.generate import generate_rule, store_sample
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


@pytest.mark.parametrize("sample", [None, {}, [], ["a", "b"], {"data": []}, {"error": {"message": "x"}}, 3, "text"])
def test_a_sample_without_models_gives_one_clear_error_and_no_rule(fleet: Fleet, sample):
    fleet.add("acme")
    with fleet.database.session() as session:
        with pytest.raises(RuleValidationError, match=r"^acme: [^\n]+$"):
            generate_rule(session, "acme", [EndpointSample(sample, "/v1/models")])
        session.rollback()
        assert catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id).version == 1


def test_the_same_sample_gives_the_same_version(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        again = generate_rule(session, "acme", [EndpointSample(listing(*CHAT_MODELS), "/v1/models")])
    assert (again.version, again.activated) == (1, False)


def test_a_sample_of_other_models_gives_a_rule_that_waits_for_a_person(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        generated = generate_rule(
            session, "acme", [EndpointSample(moved("sonar", "sonar-pro", "r1-1776"), "/v1/models")]
        )
        stored = catalog.rule_versions.get(session, catalog.providers.get(session, "acme").id, generated.version)
    assert (generated.activated, stored.status) == (False, "needs_review")
    assert "keeps_known_ids" in [gate.name for gate in generated.gates if not gate.passed]


@pytest.mark.parametrize("activate", [True, False])
def test_a_person_can_overrule_the_gates_either_way(fleet: Fleet, activate: bool):
    fleet.add("acme")
    with fleet.database.session() as session:
        generated = generate_rule(
            session, "acme", [EndpointSample(moved("sonar", "sonar-pro", "r1-1776"), "/v1/models")], activate=activate
        )
        active = catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
    assert (generated.activated, generated.reason, active.version) == (activate, "as asked", 2 if activate else 1)


def test_samples_count_towards_the_stored_responses_that_are_kept(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        session.execute(text("UPDATE provider SET raw_keep_count = 3"))
        session.commit()
        for number in range(8):
            sample = listing(*CHAT_MODELS, context_length=1_000 + number)
            sample_id = store_sample(session, "acme", json.dumps(sample).encode(), url="sample:test")
            generated = generate_rule(
                session, "acme", [EndpointSample(sample, "/v1/models")], sample_id=sample_id, activate=False
            )
            session.commit()
            assert generated.version == 1  # the same rule each time, with its own sample
        kept = [each.id for each in catalog.raw_responses.list_raw_responses(session, "acme")]
        first = catalog.rule_versions.get(session, provider_id, 1).sample_id
    assert len(kept) == 3 + 1
    assert {first, sample_id} <= set(kept)


def test_a_rule_that_reads_a_part_of_the_listing_waits_for_a_person(fleet: Fleet):
    sample = EndpointSample({"data": [{"id": "gpt-4o"}, {"id": "gpt-4.1"}], "has_more": True}, "/v1/models")
    with fleet.database.session() as session:
        catalog.providers.add(session, slug="acme", name="Acme", base_url="https://api.example.org", auth_config={})
        generated = generate_rule(session, "acme", [sample])
        version = catalog.rule_versions.get(session, catalog.providers.get(session, "acme").id, generated.version)
        whole = generate_rule(session, "acme", [sample], whole=True)
    assert (generated.activated, generated.fits, version.status) == (False, False, "needs_review")
    assert "has_more" in generated.reason
    assert (whole.activated, whole.fits) == (True, True)
