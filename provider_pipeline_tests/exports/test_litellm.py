"""LiteLLM's map, alone and merged. What LiteLLM makes of it is tested in `peers`."""

from typing import Any

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models
from provider_pipeline_tests.exports.conftest import Exporter, priced, usd

BIG = {
    "litellm_provider": "acme",
    "mode": "chat",
    "max_input_tokens": 900_000,
    "max_output_tokens": 64_000,
    "input_cost_per_token": 8e-07,
    "input_cost_per_token_above_200k_tokens": 1.6e-06,
    "output_cost_per_token": 4e-06,
    "output_cost_per_token_above_200k_tokens": 6e-06,
    "cache_read_input_token_cost": 8e-08,
    "supports_function_calling": True,
    "supports_reasoning": False,
    "supports_vision": True,
    "supported_modalities": ["image", "text"],
    "supported_output_modalities": ["text"],
    "deprecation_date": "2027-03-01",
}


def test_a_model_has_what_is_known_of_it_and_nothing_else(exported: Exporter):
    models = exported("litellm").json
    assert models["acme/claude-big"] == BIG
    assert models["acme/text-embedding-3"] == {
        "litellm_provider": "acme",
        "mode": "embedding",
        "max_input_tokens": 8191,
        "input_cost_per_token": 2e-08,
        "supports_function_calling": False,
        "supports_parallel_function_calling": False,
        "supports_reasoning": False,
    }
    assert models["acme/painter"]["output_cost_per_image"] == 0.04


def test_ranges_of_prompt_sizes_are_written_where_litellm_reads_no_other_tiers(database: Database, exported: Exporter):
    tiers = {"input": usd(1, above_32000=2, above_128000=3), "output": usd(4, above_128000=12)}
    thinking = {"input": usd(1), "output": usd(4), "reasoning": usd(4, above_128000=8)}
    rows = [
        priced("qwen", tiers, capabilities={"chat": True}),
        priced("flat", {"input": usd(1), "output": usd(4)}, capabilities={"chat": True}),
        priced("thinker", thinking, capabilities={"chat": True}),
        priced("reader", {"output": usd(4)}, capabilities={"chat": True}),
    ]
    register_as(database, "dashscope", {"litellm": "dashscope"}, rows)
    register_as(database, "elsewhere", {}, rows)
    models = exported("litellm").json
    assert models["dashscope/qwen"]["tiered_pricing"] == [
        {"range": [0, 32_000], "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06},
        {"range": [32_000, 128_000], "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06},
        {"range": [128_000, 1_000_000_000], "input_cost_per_token": 3e-06, "output_cost_per_token": 1.2e-05},
    ]
    assert models["dashscope/flat"]["tiered_pricing"] == []
    assert [each["range"][0] for each in models["elsewhere/thinker"]["tiered_pricing"]] == [0, 128_000]
    for name in ("dashscope/reader", "elsewhere/qwen", "elsewhere/flat"):
        assert "tiered_pricing" not in models[name]


def test_a_service_has_its_price_above_each_size_too(database: Database, exported: Exporter):
    prices = {"input": usd(1, above_200000=2), "input_flex": usd(0.5), "output_batch": usd(3, above_200000=4)}
    register_as(database, "services", {}, [priced("model", prices, capabilities={"chat": True})])
    entry = exported("litellm").json["services/model"]
    assert {key: value for key, value in entry.items() if "cost" in key} == {
        "input_cost_per_token": 1e-06,
        "input_cost_per_token_above_200k_tokens": 2e-06,
        "input_cost_per_token_flex": 5e-07,
        "input_cost_per_token_above_200k_tokens_flex": 5e-07,
        "output_cost_per_token_batches": 3e-06,
        "output_cost_per_token_above_200k_tokens_batches": 4e-06,
    }


def test_no_input_is_longer_than_the_context_that_a_person_stated(exported: Exporter, database: Database):
    with database.session() as session:
        row = model("gpt-4o", context_length=64_000, max_input_tokens=128_000, capabilities={"chat": True})
        write_models(session, register(session, "bolt").id, [row], now=hours_later(1), rule_version=1)
        session.commit()
    assert exported("litellm").json["bolt/gpt-4o"]["max_input_tokens"] == 64_000


def test_a_price_in_another_currency_is_left_out_and_named(exported: Exporter):
    found = exported("litellm")
    assert not [key for key in found.json["acme/gpt-4-euro"] if "cost" in key]
    assert ("acme", "gpt-4-euro", "price of input: in EUR") in found.report.omitted


def test_a_model_of_unknown_purpose_is_left_out_and_named(exported: Exporter):
    found = exported("litellm")
    assert found.left_out == {"=HYPERLINK(1)": "purpose (mode) unknown"}
    assert found.report.models == len(found.json) == 4


def test_a_base_keeps_its_other_models_and_what_ours_does_not_contradict(exported: Exporter):
    base = {
        "sample_spec": {"mode": "one of many"},
        "other/model": {"litellm_provider": "other", "mode": "chat", "input_cost_per_token": 1},
        "claude-big": {"litellm_provider": "acme", "input_cost_per_token": 8e-07, "output_cost_per_token_priority": 1},
        "acme/text-embedding-3": {"litellm_provider": "acme", "input_cost_per_token": 1, "output_vector_size": 512},
        "acme/painter": {"litellm_provider": "acme", "output_cost_per_image": 1, "input_cost_per_pixel": 1},
    }
    models = exported("litellm", base=base).json
    assert {name: models[name] for name in ("sample_spec", "other/model")} == dict(list(base.items())[:2])
    assert models["claude-big"] == {**BIG, "output_cost_per_token_priority": 1}
    assert "acme/claude-big" not in models
    assert models["acme/text-embedding-3"]["output_vector_size"] == 512
    assert models["acme/text-embedding-3"]["input_cost_per_token"] == 2e-08
    assert "input_cost_per_pixel" not in models["acme/painter"]


@pytest.mark.parametrize(("form", "base"), [("litellm", {"a": 1}), ("openrouter", {})])
def test_a_base_of_another_form_is_refused(exported: Exporter, form: str, base: dict):
    with pytest.raises(ConfigurationError):
        exported(form, base=base)


def test_providers_of_one_name_at_litellm_keep_their_models(database: Database, exported: Exporter):
    register_as(database, "acme-cn", {"litellm": "acme"}, chat_models("painter", "only-here"))
    found = exported("litellm")
    keys = {"acme-cn/painter": "acme-cn", "acme/only-here": "acme", "acme/painter": "acme"}
    assert {key: found.json[key]["litellm_provider"] for key in keys} == keys
    assert found.report.models == len(found.json) == 6


def test_models_behind_a_proxy_of_litellm_are_left_out_and_named(database: Database, exported: Exporter):
    register_as(database, "house", {"litellm": "litellm_proxy"}, chat_models("gpt-4o"))
    found = exported("litellm", slugs=("house",))
    assert (found.json, list(found.left_out)) == ({}, ["gpt-4o"])


def chat_models(*model_ids: str) -> list[dict[str, Any]]:
    """Rows of chat models."""
    return [model(model_id, capabilities={"chat": True}) for model_id in model_ids]


def register_as(database: Database, slug: str, peer_ids: dict[str, str], rows: list[dict[str, Any]]) -> None:
    """Registers a provider with models, and what peers call it."""
    with database.session() as session:
        provider = register(session, slug)
        catalog.providers.add(
            session,
            slug=slug,
            name=slug,
            base_url="https://api.example.com/v1",
            auth_config={"type": "none"},
            peer_ids=peer_ids,
        )
        write_models(session, provider.id, rows, now=hours_later(0), rule_version=1)
        session.commit()
