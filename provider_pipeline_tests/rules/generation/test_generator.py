"""Rules for whole samples: deterministic, safe on any input, calibrated, and joined over endpoints."""

import copy
import time
from typing import Any

import pytest

from provider_pipeline.rules.document import Detail, ExtractionRule
from provider_pipeline.rules.generation.generator import CONFIDENT, RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import generated, rows_of


def test_a_clear_listing_is_not_ambiguous():
    analysis = RuleGenerator().analyze_sample(samples.OPENAI_LIKE)
    assert analysis["issues"] == []
    assert analysis["confidence"] > 0.8


def test_two_likely_listings_are_reported_as_ambiguous():
    sample = {
        "data": [{"id": f"alpha-{n}", "object": "model", "owned_by": "x", "created": n} for n in range(9)],
        "items": [{"name": f"beta-{n}", "id": f"b-{n}", "type": "chat", "pricing": {"input": 1}} for n in range(9)],
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert [entry["type"] for entry in analysis["issues"]] == ["ambiguous"]
    assert analysis["confidence"] < 0.5


@pytest.mark.parametrize(
    "sample", [None, True, 3, "<html>", [], {}, ["gpt-4o"], {"error": {"message": "no"}}, {"data": []}, [[]]]
)
def test_a_sample_without_a_listing_gives_an_invalid_rule_with_an_issue(sample):
    analysis = RuleGenerator().analyze_sample(sample)
    assert [entry["type"] for entry in analysis["issues"]] == ["no_listing_found"]
    assert analysis["confidence"] == 0
    assert not RuleValidator().validate_rule(analysis, sample)["valid"]


@pytest.mark.parametrize(
    "sample",
    [
        {1: {"id": "x"}},
        [{"id": "m", "modalities": {"input": ["\ud800"], "output": ["\ud800"]}}] * 3,
        [{"a": {"_key": {}, "b": {"_key": [1], "c": 1}}}] * 4,
        {"data": [{"id": "m", "price": {"input": 1, "unit": {}, "currency": ["USD"]}}] * 3},
        [[["id"]], [["x"]]],
    ],
)
def test_garbage_never_raises(sample):
    analysis = RuleGenerator().analyze_sample(sample)
    assert 0 <= analysis["confidence"] <= 1
    assert analysis["confidence"] > 0.5 or analysis["issues"]


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_generation_is_deterministic_and_does_not_change_the_sample(name):
    sample = copy.deepcopy(samples.ALL[name])
    first, second = RuleGenerator().analyze_sample(sample), RuleGenerator().analyze_sample(copy.deepcopy(sample))
    assert first == second
    assert ExtractionRule.parse(first).digest == ExtractionRule.parse(second).digest
    assert sample == samples.ALL[name]


def test_the_time_for_a_rule_grows_no_faster_than_its_sample():
    items = [{"id": f"org{n % 97}/model-{n}-7b-instruct", "context_length": 4096, "created": n} for n in range(6500)]

    def seconds(count: int) -> float:
        started = time.thread_time()
        RuleGenerator().analyze_sample({"data": items[:count]})
        return time.thread_time() - started

    seconds(10)  # loads what is loaded once
    assert min(seconds(6500) for _ in range(3)) < 25 * min(seconds(650) for _ in range(3))


def test_a_very_long_listing_is_sampled_without_loss_of_confidence():
    items = [{"id": f"org/model-{n}", "object": "model", "owned_by": "org", "created": n} for n in range(25_000)]
    analysis = RuleGenerator().analyze_sample({"data": items, "errors": [{"id": "w"}]})
    assert analysis["jmespath_rule"] == "data[*]"
    assert analysis["confidence"] > 0.8


def test_an_odd_value_in_the_sample_does_not_cost_a_model():
    items = [{"id": f"m{n}", "context_length": 4096, "pricing": {"input": 0.5, "output": 1}} for n in range(30)]
    items[3]["context_length"], items[7]["pricing"]["input"] = "unknown", -7
    sample = {"data": items}
    rule = RuleGenerator().analyze_sample(sample)
    assert rule["expect"]["set_aside_share"] == 0.0333
    rows = rows_of(sample)
    assert len(rows) == 30
    assert (rows["m3"]["context_length"], rows["m7"]["input_price"], rows["m4"]["context_length"]) == (None, None, 4096)


def test_each_endpoint_gets_the_same_parts_as_a_rule_of_its_own():
    listings = {"/v1/models": samples.RICH, "/m": samples.METHODS, "/v1/all": samples.CURSOR}
    rule = generated(*listings.items())
    for endpoint in rule["endpoints"]:
        alone = RuleGenerator().analyze_sample(listings[endpoint["path"]])
        assert endpoint["selector"] == alone["jmespath_rule"]
        for part in ("fields", "units", "pagination", "expect"):
            assert endpoint[part] == alone[part]
    assert rule["metadata"]["sample_model_count"] == 34


def test_the_endpoint_without_a_listing_is_named():
    rule = generated(("/v1/models", samples.RICH), ("/v1/voices", {"error": "none"}))
    (problem,) = rule["issues"]
    assert (problem["type"], "/v1/voices" in problem["message"]) == ("no_listing_found", True)


def test_an_issue_names_its_endpoint():
    odd = {"result": {"catalogue": {"entries": [{"handle": "red", "label": "1"}, {"handle": "green", "label": "2"}]}}}
    rule = generated(("/v1/models", samples.RICH), ("/v1/odd", odd))
    assert [(issue["type"], issue["message"][:9]) for issue in rule["issues"]] == [("ambiguous", "/v1/odd: ")]


def detailed(listing: Any, details: dict[str, Any]) -> dict[str, Any]:
    sample = EndpointSample(
        {"listing": listing, "details": details}, "/v1/models", Detail(path="/v1/models/{id}", concurrency=2)
    )
    return RuleGenerator().analyze_endpoints([sample])


def test_fields_come_from_the_details_and_ids_from_the_listing():
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


def test_without_any_detail_the_rule_is_that_of_the_listing():
    rule = detailed(samples.RICH, {"acme/model-1b-instruct": None})
    alone = RuleGenerator().analyze_sample(samples.RICH)
    assert (rule["fields"], rule["units"]) == (alone["fields"], alone["units"])


CLEAR = {
    "ids alone": {"data": [{"id": "gpt-4o"}, {"id": "o3"}]},
    "private names": {"data": [{"id": "house-a", "object": "model"}, {"id": "house-b", "object": "model"}]},
    "bare names": {"models": ["gpt-4o", "o3", "claude-3-opus"]},
    "limits": {"items": [{"slug": "zorb-1", "context_length": 8192}, {"slug": "zorb-2", "context_length": 32768}]},
    "prices": {
        "result": [{"name": name, "pricing": {"prompt": "0.000001"}} for name in ("zorb-1", "zorb-2", "zorb-3")]
    },
    "a map": {name: {"max_input_tokens": 8192, "mode": "chat"} for name in ("gpt-4o", "o3", "claude-3-opus")},
    "two providers": {"acme": {"models": {"gpt-4o": {"limit": 1}}}, "zeta": {"models": {"o3": {"limit": 2}}}},
    "one model": {"data": [{"id": "llama-3-8b", "object": "model", "owned_by": "me"}]},
    "deployments": {"data": [{"model_name": "gpt-4o", "info": {"id": f"{n:032x}", "mode": "chat"}} for n in range(9)]},
    "aliases beside the models behind them": {
        "data": [
            {"model_name": name, "model_info": {"key": key, "mode": "chat"}}
            for name, key in (("gpt-4o", "gpt-4o-mini"), ("gpt-4o", "gpt-4.1"), ("gpt-5", "gpt-5"), ("o3", "o3"))
        ]
    },
    "a versioned key": {"data": [{"id_v2": name, "name": name.upper()} for name in ("gpt-4o", "o3", "gpt-5")]},
    "names beside numbers": {"data": [{"id": n, "name": name} for n, name in enumerate(("gpt-4o", "o3", "gpt-5"))]},
    "names beside repositories": {
        "items": [{"name": name, "huggingface_repo_id": f"acme/{name}-gguf"} for name in ("qwen3-8b", "gpt-oss-20b")]
    },
}
DOUBTFUL = {
    "users": {"users": [{"id": "u1", "name": "Ann", "email": "a@x"}, {"id": "u2", "name": "Bob", "email": "b@x"}]},
    "users under data": {"data": [{"id": "u1", "name": "Ann"}, {"id": "u2", "name": "Bob"}]},
    "files": {"object": "list", "data": [{"id": f"file-{n}", "object": "file", "bytes": n} for n in range(9)]},
    "keys": {"keys": [{"id": "k_1", "name": "main", "created": 1}, {"id": "k_2", "name": "b", "created": 2}]},
    "agents": {"data": [{"id": f"a{n}", "object": "agent", "name": "Planner", "created_at": n} for n in range(9)]},
    "data sets": {"data": [{"id": "squad", "description": "x"}, {"id": "mnli", "description": "y"}]},
    "products": [{"id": 1, "title": "Chair", "price": 3}, {"id": 2, "title": "Table", "price": 4}],
    "health": {"status": "ok", "checks": {"db": {"ok": True, "ms": 3}, "cache": {"ok": True, "ms": 1}}},
    "null ids": {"data": [{"id": None, "name": name, "context_length": 8192} for name in ("gpt-4o", "o3", "gpt-5")]},
    "ids that are only numbers": {"data": [{"id": n, "context_length": 8192 * n} for n in range(1, 9)]},
    "ids under a strange word": {
        "data": [{"zorb": f"acme/{name}", "name": name, "context_length": 8192} for name in ("gpt-4o", "o3", "gpt-5")]
    },
    "ids that repeat beside names that do not": {
        "data": [
            {"id": name, "name": f"{name}{kind}", "context_length": 8192}
            for name in ("gpt-4o", "gpt-5", "claude-opus-4-5")
            for kind in ("", "-free", "-fast")
        ]
    },
    "names that repeat beside numbers that do not": {
        "data": [
            {"id": n, "slug": name, "context_length": n} for n, name in enumerate(("gpt-4o", "gpt-4o", "gpt-5"), 1)
        ]
    },
    "a maker before ids that several share": {
        "data": [
            {"id": name, "owned_by": owner, "context_length": size}
            for name in ("gpt-4o", "gpt-5")
            for owner, size in (("acme", 128000), ("zeta", 8192))
        ]
    },
    "a list left unread": {
        "chat": {
            "acme": {"gpt-4o": {"context_length": 1, "cost": {"input": 1}}, "o3": {"context_length": 2, "cost": {}}},
            "zeta": {"claude-3": {"context_length": 1, "cost": {"input": 1}}},
        },
        "embedding": {
            "acme": {"bge-m3": {"context_length": 1, "cost": {"input": 1}}, "e5": {"context_length": 2, "cost": {}}},
        },
    },
}


@pytest.mark.parametrize("name", sorted(CLEAR))
def test_the_rule_of_a_clear_listing_may_be_used_without_review(name):
    analysis = RuleGenerator().analyze_sample(CLEAR[name])
    assert analysis["confidence"] >= CONFIDENT, analysis["issues"]


@pytest.mark.parametrize("name", sorted(DOUBTFUL))
def test_a_doubtful_rule_has_little_confidence_and_says_why(name):
    analysis = RuleGenerator().analyze_sample(DOUBTFUL[name])
    assert analysis["confidence"] < CONFIDENT
    assert "ambiguous" in {issue["type"] for issue in analysis["issues"]}
