"""The listing and the kind of API found in an answer, whatever the envelope; every sample is made up."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import rows_of


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (samples.OPENAI_LIKE, "openai-compatible"),
        (samples.CURSOR, "anthropic"),
        (samples.METHODS, "google"),
        ({"data": [{"id": "m", "created": 1677610602, "object": "model", "owned_by": "openai"}] * 2}, "litellm"),
        (  # LLMock's listing: the same creation time, which is that of an old model of OpenAI
            {"data": [{"id": "m", "created": 1677610602, "object": "model", "owned_by": "llmock"}] * 2},
            "openai-compatible",
        ),
        ({"data": [{"id": f"m{n}", "created": 1626777600, "object": "model"} for n in range(3)]}, "one-api"),
        ({"models": [{"name": "qwen3:latest", "digest": "x", "modified_at": "2025", "details": {}}]}, "ollama"),
        ({"object": "list", "data": [{"id": "m", "owned_by": "vllm", "object": "model", "max_model_len": 4}]}, "vllm"),
        ({"things": [{"name": "alpha"}, {"name": "beta"}]}, None),
    ],
)
def test_the_kind_of_api_is_recognised_from_the_answer(sample, kind):
    found = RuleGenerator().analyze_sample(sample)["metadata"]["provider_kind"]
    assert found["kind"] == kind
    assert bool(found["evidence"]) is (kind is not None)


def test_the_kind_gives_hints_about_address_and_authorisation():
    hints = RuleGenerator().analyze_sample(samples.CURSOR)["metadata"]["provider_kind"]["hints"]
    assert hints["base_url"] == "https://api.anthropic.com"
    assert hints["auth"] == {"type": "header", "name": "x-api-key"}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("openai_like", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
        ("bare_list", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
        ("cursor", {"claude-opus-4-1", "claude-3-haiku"}),
        ("methods", {"models/gemini-9-pro", "models/embedding-009"}),
        ("map_of_maps", {"alpha-7b-chat", "beta-70b-chat", "gamma-13b-chat"}),
        ("several_arrays", {"nimbus-general", "nimbus-2-phone", "stratus-hera-en", "stratus-zeus-en"}),
        ("composite", {"acme/sdxl", "zeta/sdxl"}),
        ("wrapped", {"alpha-7b", "beta-8b"}),
        ("errors_first", {"gpt-4o", "text-embedding-3-small", "whisper-1"}),
    ],
)
def test_the_models_are_found_in_every_envelope(name, ids):
    assert set(rows_of(samples.ALL[name])) == ids


MODELS = [("acme/gpt-4o", 128000), ("acme/llama-3.1-8b-instruct", 131072), ("acme/bge-m3", 8192)]


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


def test_ids_are_the_keys_of_a_map():
    assert "acme/model-7b-instruct" in rows_of(samples.ALL["map"])


def test_a_bare_list_of_texts_is_a_listing_only_if_they_name_models():
    assert set(rows_of(["gpt-4o", "claude-3-haiku", "llama-3.1-8b"])) == {"gpt-4o", "claude-3-haiku", "llama-3.1-8b"}
    analysis = RuleGenerator().analyze_sample({"languages": ["german", "french"]})
    assert analysis["issues"][0]["type"] == "no_listing_found"


def test_a_single_model_object_is_a_listing():
    sample = {"model_id": "acme/llama-3.1-8b-instruct", "max_input_tokens": 4095, "version": "2.0"}
    assert set(rows_of(sample)) == {"acme/llama-3.1-8b-instruct"}


def test_ids_by_vendor_are_one_listing():
    sample = {"acme": ["gpt-4o", "gpt-4.1"], "zeta": ["claude-3-haiku", "llama-3.1-8b"]}
    assert len(rows_of(sample)) == 4


@pytest.mark.parametrize(
    ("sample", "capability"),
    [
        ({"model_id": "acme/support-v3", "model_sha": "f0", "max_input_tokens": 3072, "max_total_tokens": 4096}, None),
        ({"model_id": "acme/order", "model_type": {"reranker": {"labels": ["x"]}}, "max_input_length": 4096}, "rerank"),
        ({"model_path": "BAAI/bge-m3", "tokenizer_path": "BAAI/bge-m3", "is_generation": False}, "embedding"),
    ],
)
def test_a_servers_word_about_the_one_model_that_it_runs_is_a_listing(sample, capability):
    ((model_id, row),) = rows_of(sample).items()
    assert model_id in sample.values()
    assert row["context_length"] == (4096 if "max_input_length" in sample or "max_total_tokens" in sample else None)
    assert capability is None or row["capabilities"][capability] is True


@pytest.mark.parametrize(
    "sample", [{"model_id": "acme", "detail": "not found"}, {"name": "x", "model_type": "y", "model_sha": "z"}]
)
def test_an_answer_that_only_names_a_model_is_no_listing(sample):
    assert RuleGenerator().analyze_sample(sample)["issues"][0]["type"] == "no_listing_found"


def test_the_versions_of_models_with_titles_are_the_models_and_those_of_models_with_ids_are_not():
    def sample(names):
        versions = {"gpt-4o": ["gpt-4o-2024-05-13", "gpt-4o-2024-11-20"], "claude-3": ["claude-3-haiku-20240307"]}
        return {
            "models": [{"name": names[key], "versions": [{"id": one} for one in versions[key]]} for key in versions]
        }

    titles = {"gpt-4o": "GPT 4o by OpenAI", "claude-3": "Claude Haiku"}
    assert len(rows_of(sample(titles))) == 3
    assert set(rows_of(sample({key: key for key in titles}))) == set(titles)
