"""Rules written from several endpoints, and from models' own answers."""

import json
from typing import Any

import pytest

from provider_pipeline import RuleGenerator, RuleValidator
from provider_pipeline.rules.document import Detail, ExtractionRule
from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline_tests.rules import samples


def written(*parts: tuple[str, Any]) -> dict[str, Any]:
    return RuleGenerator().analyze_endpoints([EndpointSample(document, path) for path, document in parts])


def test_each_endpoint_gets_what_a_rule_of_its_own_says_of_it():
    listings = {"/v1/models": samples.RICH, "/m": samples.METHODS, "/v1/all": samples.CURSOR}
    rule = written(*listings.items())
    for endpoint in rule["endpoints"]:
        alone = RuleGenerator().analyze_sample(listings[endpoint["path"]])
        assert endpoint["selector"] == alone["jmespath_rule"]
        for part in ("fields", "units", "pagination", "expect"):
            assert endpoint[part] == alone[part]
    assert rule["metadata"]["sample_model_count"] == 34


def capabilities(rule: Any, document: Any, endpoint: int) -> dict[str, dict[str, bool]]:
    judge = ListingJudge(ExtractionRule.parse(rule))
    return {row["model_id"]: row["capabilities"] for row in judge.add_page(document, endpoint=endpoint)}


def spoken(*texts: str) -> dict[str, Any]:
    """Models that say with these words what they give; one of them no text."""
    data = [{"id": f"zorb-{text}", "input_modalities": list(texts), "output_modalities": [text]} for text in texts]
    return {"data": data}


MISLEADING = [spoken("text", "image"), spoken("TEXT", "IMAGE")]
"""To either, the other's words for the same say that none of its models gives text."""


def without_default(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule without the pattern that takes every model of a listing of text models for a chat model."""
    for entry in rule["capability_rules"]:
        patterns = entry["patterns"]
        if "regex" in patterns:
            patterns["regex"] = [text for text in patterns["regex"] if text != ".*"]
    return rule


@pytest.mark.parametrize("documents", [MISLEADING, list(samples.ALL.values())], ids=["misleading", "all"])
def test_no_endpoints_models_are_told_anything_by_another_ones_evidence(documents: list[Any]):
    rule = written(*[(f"/v1/{place}", document) for place, document in enumerate(documents)])
    assert ExtractionRule.parse(rule).to_analysis() == json.loads(json.dumps(rule))
    for place, document in enumerate(documents):
        alone = without_default(RuleGenerator().analyze_sample(document))
        assert capabilities(rule, document, place) == capabilities(alone, document, 0)


def test_a_predicate_that_would_mislead_about_another_endpoint_is_bound_to_its_own_by_a_label():
    rule = written(("/v1/models", MISLEADING[0]), ("/v2/models", MISLEADING[1]))
    assert [endpoint["selector"] for endpoint in rule["endpoints"]] == [
        "labelled(data[*], '/v1/models')",
        "labelled(data[*], '/v2/models')",
    ]
    (chat,) = [entry["patterns"] for entry in rule["capability_rules"] if entry["capability"] == "chat"]
    assert chat["counter_evidence"] == [
        "(_label == '/v1/models') && (output_modalities && !contains(output_modalities, 'text'))",
        "(_label == '/v2/models') && (output_modalities && !contains(output_modalities, 'TEXT'))",
    ]


@pytest.mark.parametrize(("second", "chat"), [(spoken("text"), True), (MISLEADING[1], False)])
def test_a_name_that_says_nothing_is_a_chat_models_only_if_every_endpoint_lists_text_models(second: Any, chat: bool):
    rule = written(("/v1/models", spoken("text")), ("/v2/models", second))
    (patterns,) = [entry["patterns"] for entry in rule["capability_rules"] if entry["capability"] == "chat"]
    assert (".*" in patterns["regex"]) is chat


def test_the_endpoint_without_a_listing_is_named():
    rule = written(("/v1/models", samples.RICH), ("/v1/voices", {"error": "none"}))
    (problem,) = rule["issues"]
    assert (problem["type"], "/v1/voices" in problem["message"]) == ("no_listing_found", True)


def test_an_issue_says_which_endpoint_it_is_about():
    odd = {"result": {"catalogue": {"entries": [{"handle": "red", "label": "1"}, {"handle": "green", "label": "2"}]}}}
    rule = written(("/v1/models", samples.RICH), ("/v1/odd", odd))
    assert [(issue["type"], issue["message"][:9]) for issue in rule["issues"]] == [("ambiguous", "/v1/odd: ")]


def detailed(listing: Any, details: dict[str, Any]) -> dict[str, Any]:
    sample = EndpointSample(
        {"listing": listing, "details": details}, "/v1/models", Detail(path="/v1/models/{id}", concurrency=2)
    )
    return RuleGenerator().analyze_endpoints([sample])


def test_fields_come_from_the_models_own_answers_and_the_listing_from_the_list():
    details = {
        model["id"]: {**model, "id": f"other-{model['id']}", "tags": [{"id": f"tag-{n}"} for n in range(30)]}
        for model in samples.RICH["data"][:4]
    }
    names = {"data": [{"id": model["id"]} for model in samples.RICH["data"]], "has_more": False}
    rule = detailed(names, details)
    assert (rule["jmespath_rule"], rule["fields"]["id"]) == ("data[*]", "id")
    assert rule["fields"]["context_length"] == "detail.context_length"
    assert rule["units"]["input_price"] == "usd_per_token"
    assert rule["detail"] == {"path": "/v1/models/{id}", "concurrency": 2}
    result = RuleValidator().validate_rule(rule, {"listing": names, "details": details})
    rows = {row["model_id"]: row for row in result["extracted_models"]}
    assert (len(rows), rows["acme/model-2b-instruct"]["context_length"]) == (30, 8192)
    assert rows["acme/model-1b-instruct"]["capabilities"]["vision"] is True
    assert rows["acme/model-9b-instruct"]["context_length"] is None


def test_models_without_any_answer_of_their_own_give_the_rule_of_the_list():
    rule = detailed(samples.RICH, {"acme/model-1b-instruct": None})
    alone = RuleGenerator().analyze_sample(samples.RICH)
    assert (rule["fields"], rule["units"]) == (alone["fields"], alone["units"])


def test_every_endpoint_is_explained_with_its_own_choices():
    explained = explain_rule(written(("/v1/models", samples.RICH), ("/v1/others", samples.MAP_OF_MAPS)))
    assert explained["summary"]["endpoint"] == "/v1/models"
    (further,) = explained["further_endpoints"]
    assert further["summary"]["selector"] == "*.models.with_keys(@)[]"
    assert [entry["selector"] for entry in further["candidates"] if entry["chosen"]] == [further["summary"]["selector"]]
    prices = {field["field"]: field["unit"] for field in further["fields"] if field["unit"]}
    assert set(prices) == {"input_price", "output_price"}


def test_a_labelled_endpoints_list_is_still_marked_as_chosen():
    explained = explain_rule(written(*[(f"/v1/{place}", document) for place, document in enumerate(MISLEADING)]))
    for part in (explained, *explained["further_endpoints"]):
        assert [entry["selector"] for entry in part["candidates"] if entry["chosen"]] == ["data[*]"]
