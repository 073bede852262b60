"""A rule's evidence, arranged for people."""

from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import MISLEADING, generated


def test_the_explanation_marks_the_chosen_and_keeps_the_rejected():
    explained = explain_rule(RuleGenerator().analyze_sample(samples.ERRORS_FIRST))
    assert [entry["selector"] for entry in explained["candidates"] if entry["chosen"]] == ["result[*]"]
    assert any(entry["selector"] == "errors[*]" for entry in explained["candidates"])
    assert explained["summary"]["models"] == 3
    embedding = next(entry for entry in explained["capabilities"] if entry["capability"] == "embedding")
    assert embedding["models_by_name"] == 1
    assert embedding["patterns"] == 1


def test_a_hand_written_rule_can_be_explained():
    explained = explain_rule({"jmespath_rule": "data[*]", "capability_rules": []})
    assert explained["candidates"] == []
    assert explained["summary"]["pagination"] == {"type": "none"}


def test_every_endpoint_is_explained_with_its_own_choices():
    explained = explain_rule(generated(("/v1/models", samples.RICH), ("/v1/others", samples.MAP_OF_MAPS)))
    assert explained["summary"]["endpoint"] == "/v1/models"
    (further,) = explained["further_endpoints"]
    assert further["summary"]["selector"] == "*.models.with_keys(@)[]"
    assert [entry["selector"] for entry in further["candidates"] if entry["chosen"]] == [further["summary"]["selector"]]
    prices = {field["field"]: field["unit"] for field in further["fields"] if field["unit"]}
    assert set(prices) == {"input_price", "output_price"}


def test_the_list_of_a_labelled_endpoint_is_marked_as_chosen():
    explained = explain_rule(generated(*[(f"/v1/{place}", document) for place, document in enumerate(MISLEADING)]))
    for part in (explained, *explained["further_endpoints"]):
        assert [entry["selector"] for entry in part["candidates"] if entry["chosen"]] == ["data[*]"]
