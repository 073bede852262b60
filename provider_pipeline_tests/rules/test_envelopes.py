"""Envelopes and item shapes the generator must understand whoever the provider is; every sample is made up."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator

MODELS = [("acme/gpt-4o", 128000), ("acme/llama-3.1-8b-instruct", 131072), ("acme/bge-m3", 8192)]


def rows_of(sample):
    result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)
    assert result["valid"], result["issues"]
    return {row["model_id"]: row for row in result["extracted_models"]}


ITEMS = [{"id": name, "context_length": limit} for name, limit in MODELS]
ENVELOPES = {
    "an envelope of one member": {"code": 0, "result": {"data": {"total": 3, "page": 1, "size": 9, "items": ITEMS}}},
    "edges with nodes": {"data": {"models": {"edges": [{"cursor": "c", "node": item} for item in ITEMS]}}},
    "items that wrap the model": {"items": [{"model": item, "available": True} for item in ITEMS]},
    "attributes": {"data": [{"type": "m", "id": item["id"], "attributes": item} for item in ITEMS]},
    "columns and rows": {"columns": ["id", "context_length"], "rows": [list(pair) for pair in MODELS]},
    "a schema and rows": {
        "schema": {"fields": [{"name": "model_id", "type": "text"}, {"name": "context_length", "type": "int"}]},
        "data": [list(pair) for pair in MODELS],
    },
    "a header row": {"data": [["id", "context_length"], *[list(pair) for pair in MODELS]]},
    "an unknown key that speaks of models": {"list": [{"modelCode": n, "contextLength": c} for n, c in MODELS]},
    "groups by vendor": {"acme": ITEMS[:2], "zeta": ITEMS[2:]},
    "longer lists of other things": {
        "users": [{"id": f"user_{n}", "name": "x", "created_at": n} for n in range(50)],
        "errors": [{"id": f"e{n}", "message": "slow"} for n in range(30)],
        "models": ITEMS,
    },
}


@pytest.mark.parametrize("name", sorted(ENVELOPES))
def test_the_models_are_found_in(name):
    rows = rows_of(ENVELOPES[name])
    assert {model_id: row["context_length"] for model_id, row in rows.items()} == dict(MODELS)


def test_a_bare_list_of_ids_is_a_listing_where_the_names_are_models():
    assert set(rows_of(["gpt-4o", "claude-3-haiku", "llama-3.1-8b"])) == {"gpt-4o", "claude-3-haiku", "llama-3.1-8b"}
    analysis = RuleGenerator().analyze_sample({"languages": ["german", "french"]})
    assert analysis["issues"][0]["type"] == "no_listing_found"


def test_the_id_of_a_part_is_not_the_id_of_the_item():
    items = [
        {"Id": f"ep-2024060{n}-abcdef", "Reference": {"Base": {"Name": name}}} for n, (name, _) in enumerate(MODELS)
    ]
    assert set(rows_of({"Items": items})) == {item["Id"] for item in items}


def test_a_name_of_a_limit_that_nobody_has_seen_is_told_by_its_words():
    items = [{"id": name, "usableContextWindowSize": limit, "context_cache_price": 9} for name, limit in MODELS]
    assert rows_of({"data": items})["acme/bge-m3"]["context_length"] == 8192


def test_one_model_alone_is_a_listing_of_one():
    sample = {"model_id": "acme/llama-3.1-8b-instruct", "max_input_tokens": 4095, "version": "2.0"}
    assert set(rows_of(sample)) == {"acme/llama-3.1-8b-instruct"}


def test_ids_by_vendor_are_one_listing():
    sample = {"acme": ["gpt-4o", "gpt-4.1"], "zeta": ["claude-3-haiku", "llama-3.1-8b"]}
    assert len(rows_of(sample)) == 4


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"context_window": {"input": 8192, "output": 1024}}, (8192, 1024)),
        ({"token_limits": {"input": 8192, "output": 1024}}, (8192, 1024)),
        ({"context": {"max": 8192}}, (8192, None)),
        ({"limits": {"context": 8192, "completion": 1024, "rpm": 60, "tokens_per_minute": 9000}}, (8192, 1024)),
        ({"rate_limits": {"tokens_per_minute": 9000, "max_tokens_per_day": 90000}}, (None, None)),
    ],
)
def test_limits_are_told_by_the_keys_around_them(limits, found):
    row = rows_of({"data": [{"id": f"m{n}", **limits} for n in range(3)]})["m1"]
    assert (row["context_length"], row["max_output_tokens"]) == found


@pytest.mark.parametrize(
    "given",
    [
        {"input": ["text", "image"], "output": ["text"]},
        {"accepts": ["text", "image"], "produces": ["text"]},
        {"io": {"in": ["text", "image"], "out": ["text"]}},
        {"capabilities": {"input": {"text": True, "image": True, "audio": False}, "output": {"text": True}}},
    ],
)
def test_modalities_are_told_by_their_values(given):
    row = rows_of({"data": [{"id": f"m{n}", **given} for n in range(3)]})["m1"]
    assert (row["input_modalities"], row["output_modalities"]) == (["image", "text"], ["text"])


@pytest.mark.parametrize(
    "written", [(True, False), ("true", "false"), ("yes", "no"), (1, 0)], ids=["booleans", "texts", "words", "numbers"]
)
@pytest.mark.parametrize("key", ["supports_vision", "hasVision", "isVisionSupported", "vision_enabled"])
def test_yes_and_no_are_understood_however_they_are_written(key, written):
    rows = rows_of({"data": [{"id": "m1", key: written[0]}, {"id": "m2", key: written[1]}]})
    assert [rows[name]["capabilities"].get("vision") for name in ("m1", "m2")] == [True, False]


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
def test_garbage_gives_a_rule_and_never_an_exception(sample):
    analysis = RuleGenerator().analyze_sample(sample)
    assert 0 <= analysis["confidence"] <= 1
    assert analysis["confidence"] > 0.5 or analysis["issues"]
