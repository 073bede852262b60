"""What a person has stated of a rule outlives the rules that are generated after it."""

from typing import Any

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.errors import RuleMissingError
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.repair.edit import edit_rule
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.repair.worker import answer_tasks, improve_rule
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def sample(under: str = "data", reply: str = "reply", **further: Any) -> dict[str, Any]:
    """A listing whose output limits no generator finds, beside a field that looks like one."""
    models = listing(*CHAT_MODELS)["data"]
    for place, model in enumerate(models, start=1):
        model["caps"] = {reply: 4_096 * place}
        model["max_output_tokens"] = 100 * place
        model.update(further)
    return {under: models}


@pytest.fixture
def corrected(fleet: Fleet) -> Fleet:
    """A synced provider whose output limit a person has corrected, and whose name a person has left out."""
    fleet.add("acme", sample(name="Acme"))
    sync(fleet)
    state(fleet, fields={"max_output_tokens": "caps.reply", "name": None})
    assert fields(fleet)["max_output_tokens"] == "caps.reply"
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme", accept=["fields"], reason="all had one name")
    return fleet


def state(fleet: Fleet, **parts: Any) -> None:
    with fleet.database.session() as session:
        edited = edit_rule(session, "acme", StatedRule.parse(parts), reason="they are right")
        session.commit()
    assert edited.result is not None
    assert edited.result.status == "activated", edited.failed


def sync(fleet: Fleet) -> None:
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")


def repaired(fleet: Fleet, document: Any):
    fleet.serve("acme", document)
    with fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    with fleet.database.session() as session:
        (repair,) = answer_tasks(session, "acme")
    return repair


def config(fleet: Fleet) -> dict[str, Any]:
    with fleet.database.session() as session:
        return catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id).model_list_config


def fields(fleet: Fleet) -> dict[str, str]:
    return config(fleet)["fields"]


def test_a_generated_repair_keeps_what_was_stated(corrected: Fleet):
    repair = repaired(corrected, sample(under="models", name="Acme"))
    assert repair.status == "activated", repair.reason
    assert config(corrected)["selector"] == "models[*]"
    assert fields(corrected)["max_output_tokens"] == "caps.reply"
    assert "name" not in fields(corrected)


def test_a_rule_that_is_generated_anew_keeps_it_too(corrected: Fleet):
    with corrected.database.session() as session:
        repair = improve_rule(session, "acme")
        assert repair.status == "kept", repair.reason
        document = sample(name="Acme", release_date="2026-01-01")
        generated = generate_rule(session, "acme", [EndpointSample(document, "/v1/models")], activate=True)
    assert generated.rule.endpoints[0].fields["max_output_tokens"] == "caps.reply"
    assert "name" not in generated.rule.endpoints[0].fields


def test_a_stated_field_that_was_renamed_is_found_by_its_values(corrected: Fleet):
    """The generator finds no field of that name here, so that its values decide."""
    document = sample(under="models", reply="answer")
    for model in document["models"]:
        del model["max_output_tokens"]
    repair = repaired(corrected, document)
    assert repair.status == "activated", repair.reason
    assert fields(corrected)["max_output_tokens"] == "caps.answer"


def test_a_repair_that_cannot_keep_it_says_so_and_waits_for_a_person(corrected: Fleet):
    document = sample(under="models")
    for model in document["models"]:
        del model["caps"]
    repair = repaired(corrected, document)
    assert repair.status == "needs_review"
    (gate,) = (gate for gate in repair.gates if gate.name == "keeps_stated_parts")
    assert gate.actual == ("fields.max_output_tokens is stated as caps.reply, and would be max_output_tokens"), (
        repair.report
    )
    assert fields(corrected)["max_output_tokens"] == "caps.reply"


def test_what_a_person_rolls_back_is_not_stated_any_more(corrected: Fleet):
    with corrected.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.rule_versions.activate_rule(session, provider_id, 1, reason="it was right after all")
        session.commit()
    repair = repaired(corrected, sample(under="models", name="Acme"))
    assert fields(corrected)["max_output_tokens"] == "max_output_tokens", repair.reason


def test_a_correction_keeps_earlier_ones(corrected: Fleet):
    state(corrected, fields={"owned_by": None})
    with corrected.database.session() as session:
        stated = catalog.providers.stated_rule(session, catalog.providers.get(session, "acme").id)
    assert stated == {"fields": {"max_output_tokens": "caps.reply", "name": None, "owned_by": None}}


def test_what_is_stated_before_the_first_fetch_leads_the_first_rule(fleet: Fleet):
    """The selector and the id decide where the generator looks for everything else."""
    fleet.register("acme")
    page = {"result": sample()["data"], "other": [{"id": f"x-{n}", "context_length": 4096} for n in range(9)]}
    page["other"][0]["sku"] = "s"
    for place, model in enumerate(page["result"]):
        model["sku"] = f"sku-{place}"
    stated = {"selector": "other[*]", "fields": {"id": "id", "size": "context_length"}}
    with fleet.database.session() as session:
        catalog.providers.state_rule(session, catalog.providers.get(session, "acme").id, stated)
        with pytest.raises(RuleMissingError):
            catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
        generated = generate_rule(session, "acme", [EndpointSample(page, "/v1/models")])
        session.commit()
    assert (generated.activated, generated.models) == (True, 9), generated.reason
    assert config(fleet)["selector"] == "other[*]"
    assert fields(fleet) == {"id": "id", "context_length": "context_length", "size": "context_length"}


def test_a_first_rule_that_cannot_keep_what_was_stated_waits_for_a_person(fleet: Fleet):
    fleet.register("acme")
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.providers.state_rule(session, provider_id, {"fields": {"context_length": "limits.window"}})
        generated = generate_rule(session, "acme", [EndpointSample(sample(), "/v1/models")])
    assert not generated.activated
    assert "fields.context_length is stated as limits.window, and would be context_length" in generated.reason


@pytest.mark.parametrize("stated", [{"fields": {"id": "number"}}, {"selector": "runs[*]"}], ids=["id", "selector"])
def test_a_corrected_rule_expects_ids_of_the_type_that_the_response_has(fleet: Fleet, stated: dict):
    document = sample()
    for place, model in enumerate(document["data"], start=1):
        model["number"] = 1_000 + place
    document["runs"] = [{**model, "id": 2_000 + place} for place, model in enumerate(document["data"])]
    fleet.add("acme", document)
    sync(fleet)
    with fleet.database.session() as session:
        edited = edit_rule(session, "acme", StatedRule.parse(stated), reason="deployments are called by number")
        provider_id = catalog.providers.get(session, "acme").id
        version = catalog.rule_versions.get(session, provider_id, edited.result.version)
    (fits,) = [gate for gate in edited.result.gates if gate.name == "fits_the_failing_response"]
    assert fits.passed, fits.actual
    assert version.model_list_config["expect"]["id_type"] == "integer"


def test_models_that_are_still_listed_under_integers_count_as_lost(fleet: Fleet):
    """They are not taken for models that the provider dropped, of which a rule may lose half."""
    document = sample()
    for place, model in enumerate(document["data"], start=1):
        model["id"] = 1_000 + place
    fleet.add("acme", document)
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.rule_versions.activate_rule(session, provider_id, 1, reason="its ids are numbers")
        session.commit()
    sync(fleet)
    with fleet.database.session() as session:
        edited = edit_rule(session, "acme", StatedRule.parse({"selector": "data[0:3]"}), reason="try")
    (gate,) = [gate for gate in edited.result.gates if gate.name == "keeps_known_ids"]
    assert (gate.passed, gate.actual) == (False, "3 of 5 found again; 0 of 5 are not named at all")
