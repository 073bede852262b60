"""Capability rules of several endpoints: each endpoint's models get what its own metadata says."""

import json
from typing import Any

import pytest

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.capability_rules import ALWAYS
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import MISLEADING, generated, with_modalities


def capabilities(rule: Any, document: Any, endpoint: int) -> dict[str, dict[str, bool]]:
    judge = ListingJudge(ExtractionRule.parse(rule))
    return {row["model_id"]: row["capabilities"] for row in judge.add_page(document, endpoint=endpoint)}


def without_default(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule without the predicate by which every model of a text-only listing is a chat model."""
    for entry in rule["capability_rules"]:
        patterns = entry["patterns"]
        if "weak_evidence" in patterns:
            patterns["weak_evidence"] = [text for text in patterns["weak_evidence"] if text != ALWAYS]
    return rule


@pytest.mark.parametrize("documents", [MISLEADING, list(samples.ALL.values())], ids=["misleading", "all"])
def test_the_evidence_of_one_endpoint_says_nothing_about_the_models_of_another(documents: list[Any]):
    rule = generated(*[(f"/v1/{place}", document) for place, document in enumerate(documents)])
    assert ExtractionRule.parse(rule).to_analysis() == json.loads(json.dumps(rule))
    for place, document in enumerate(documents):
        alone = without_default(RuleGenerator().analyze_sample(document))
        assert capabilities(rule, document, place) == capabilities(alone, document, 0)


def test_a_predicate_that_misleads_about_another_endpoint_is_bound_to_its_own_by_a_label():
    rule = generated(("/v1/models", MISLEADING[0]), ("/v2/models", MISLEADING[1]))
    assert [endpoint["selector"] for endpoint in rule["endpoints"]] == [
        "labelled(data[*], '/v1/models')",
        "labelled(data[*], '/v2/models')",
    ]
    (chat,) = [entry["patterns"] for entry in rule["capability_rules"] if entry["capability"] == "chat"]
    assert chat["counter_evidence"] == [
        "(_label == '/v1/models') && (output_modalities && !contains(output_modalities, 'text'))",
        "(_label == '/v2/models') && (output_modalities && !contains(output_modalities, 'TEXT'))",
    ]


@pytest.mark.parametrize(("second", "chat"), [(with_modalities("text"), True), (MISLEADING[1], False)])
def test_a_model_of_unknown_name_is_a_chat_model_only_if_every_endpoint_lists_text_models(second: Any, chat: bool):
    rule = generated(("/v1/models", with_modalities("text")), ("/v2/models", second))
    (patterns,) = [entry["patterns"] for entry in rule["capability_rules"] if entry["capability"] == "chat"]
    assert (ALWAYS in patterns.get("weak_evidence", ())) is chat


def test_a_text_only_listing_does_not_make_an_embedder_of_known_name_a_chat_model():
    document = with_modalities("text")
    document["data"].append({**document["data"][0], "id": "acme-embed-2"})
    found = capabilities(RuleGenerator().analyze_sample(document), document, 0)
    assert found["acme-embed-2"]["embedding"]
    assert not found["acme-embed-2"].get("chat")
