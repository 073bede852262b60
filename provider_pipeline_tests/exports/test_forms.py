"""The forms of models.dev, OpenRouter, genai-prices and applications: what is in them, what is left out, and why."""

import json
from datetime import timedelta

import pytest
import yaml

from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError, UnknownProviderError
from provider_pipeline.exports.forms import FORMS, find_form
from provider_pipeline_tests.catalog.builders import NOON, model, register, write_models
from provider_pipeline_tests.exports.conftest import ACME, Exporter, priced, usd


def test_models_dev_has_models_with_all_that_its_schema_requires(exported: Exporter):
    found = exported("models-dev")
    provider = found.json["acme"]
    assert {name: value for name, value in provider.items() if name != "models"} == {
        "id": "acme",
        "env": ["ACME_API_KEY"],
        "npm": "@ai-sdk/openai-compatible",
        "api": "https://api.acme.example/v1",
        "name": "Acme",
        "doc": "https://api.acme.example",
    }
    assert provider["models"]["claude-big"] == {
        "id": "claude-big",
        "name": "Claude Big",
        "attachment": True,
        "reasoning": False,
        "tool_call": True,
        "knowledge": "2025-01-01",
        "release_date": "2025-05-14",
        "last_updated": "2025-05-14",
        "modalities": {"input": ["image", "text"], "output": ["text"]},
        "open_weights": False,
        "limit": {"context": 1_000_000, "input": 900_000, "output": 64_000},
        "cost": {
            "input": 0.8,
            "output": 4,
            "cache_read": 0.08,
            "tiers": [{"input": 1.6, "output": 6, "cache_read": 0.08, "tier": {"type": "context", "size": 200_000}}],
            "context_over_200k": {"input": 1.6, "output": 6, "cache_read": 0.08},
        },
    }
    assert "cost" not in provider["models"]["gpt-4-euro"]
    reasons = found.left_out["text-embedding-3"].split("; ")
    assert {"limit.output unknown", "modalities.input unknown", "release_date unknown"} <= set(reasons)
    assert provider["models"].keys() | found.left_out.keys() == {each["model_id"] for each in ACME}


def test_a_creation_time_that_all_models_share_dates_none(database: Database, exported: Exporter):
    whole = {"max_output_tokens": 1, "context_length": 2, "input_modalities": ["text"], "output_modalities": ["text"]}
    known = {"capabilities": {"chat": True, "tools": True, "reasoning": False, "vision": False}, **whole}
    stamps = {"gateway": ("2023-02-01", "2023-02-01"), "maker": ("2024-01-01", "2025-01-01")}
    with database.session() as session:
        for slug, created in stamps.items():
            rows = [
                model(f"claude-{place}", metadata_json={"created": f"{day}T00:00:00Z"}, **known)
                for place, day in enumerate(created)
            ]
            write_models(session, register(session, slug).id, rows, now=NOON, rule_version=1)
        session.commit()
    found = exported("models-dev", slugs=tuple(stamps))
    assert "gateway" not in found.json
    assert [each["release_date"] for each in found.json["maker"]["models"].values()] == ["2024-01-01", "2025-01-01"]
    assert len(found.report.derived) == 2


def test_openrouters_prices_are_decimal_texts(exported: Exporter):
    found = exported("openrouter")
    (only,) = found.json["data"]
    assert only["id"] == "acme/claude-big"
    assert only["pricing"] == {
        "prompt": "0.0000008",
        "completion": "0.000004",
        "input_cache_read": "0.00000008",
        "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.0000016", "completion": "0.000006"}],
    }
    assert only["architecture"]["modality"] == "image+text->text"
    assert found.json["total_count"] == 1
    assert "pricing.prompt unknown" in found.left_out["painter"]
    assert exported("openrouter", slugs=("acme",)).json["data"][0]["id"] == "claude-big"


def test_genai_prices_has_prices_and_since_when(database: Database, exported: Exporter):
    dearer = [priced("claude-big", {"input": usd(1), "output": usd(4)})]
    before = exported("genai-prices").json[0]["models"]
    with database.session() as session:
        write_models(session, 1, dearer, now=NOON + timedelta(days=2), rule_version=1)
        session.commit()
    (provider,) = exported("genai-prices").json
    assert provider["api_pattern"] == r"https://api\.acme\.example"
    assert [each["id"] for each in before] == ["claude-big", "text-embedding-3"]
    first = {
        "input_mtok": {"base": 0.8, "tiers": [{"start": 200_000, "price": 1.6}]},
        "output_mtok": {"base": 4, "tiers": [{"start": 200_000, "price": 6}]},
        "cache_read_mtok": 0.08,
    }
    assert before[0]["prices"] == first
    assert provider["models"][0]["prices"] == [
        {"prices": first},
        {"constraint": {"start_date": "2026-11-03"}, "prices": {"input_mtok": 1, "output_mtok": 4}},
    ]


def test_genai_prices_has_the_prices_of_services_as_variants_and_since_when(database: Database, exported: Exporter):
    standard = {"input": usd(2), "output": usd(8)}
    days = [
        standard | {"input_batch": usd(1), "output_flex": usd(5)},
        standard | {"input_batch": usd(0.5), "output_flex": usd(5), "input_flex": usd(1)},
    ]
    with database.session() as session:
        beta = register(session, "beta")
        for day, prices in enumerate(days):
            write_models(session, beta.id, [priced("odd", prices)], now=NOON + timedelta(days=day), rule_version=1)
        session.commit()
    (model,) = exported("genai-prices", slugs=("beta",)).json[0]["models"]
    assert model["prices"] == {"input_mtok": 2, "output_mtok": 8}
    assert model["price_variants"] == [
        {"when": {"processing": "batch"}, "constraint": {"start_date": "2026-11-02"}, "prices": {"input_mtok": 0.5}},
        {"when": {"processing": "batch"}, "prices": {"input_mtok": 1}},
        {
            "when": {"service_tier": "flex"},
            "constraint": {"start_date": "2026-11-02"},
            "prices": {"input_mtok": 1, "output_mtok": 5},
        },
    ]


def test_a_part_without_the_whole_is_no_price_for_genai_prices(database: Database, exported: Exporter):
    parts = {"cache_read": usd(1), "input_audio": usd(2), "output": usd(3)}
    with database.session() as session:
        beta = register(session, "beta")
        write_models(session, beta.id, [priced("odd", parts)], now=NOON, rule_version=1)
        session.commit()
    found = exported("genai-prices", slugs=("beta",))
    assert found.json[0]["models"][0]["prices"] == {"output_mtok": 3}
    assert len(found.report.omitted) == 2


@pytest.mark.parametrize("form", ["librechat", "continue", "zed", "llm", "aichat"])
def test_an_application_is_told_the_address_and_never_a_key(
    exported: Exporter, form: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ACME_API_KEY", "sk-very-secret")
    found = exported(form)
    assert b"https://api.acme.example/v1" in found.content
    assert b"claude-big" in found.content
    assert b"sk-very-secret" not in found.content
    assert found.left_out["painter"].startswith("not known to be for chat")
    assert json.loads(found.content) if form == "zed" else yaml.safe_load(found.content)
    assert b"*id" not in found.content  # YAML's aliases


def test_librechat_charges_what_is_listed(exported: Exporter):
    (endpoint,) = yaml.safe_load(exported("librechat").content)["endpoints"]["custom"]
    assert endpoint["tokenConfig"] == {
        "claude-big": {"prompt": 0.8, "completion": 4, "context": 1_000_000, "cacheRead": 0.08}
    }
    assert endpoint["apiKey"] == "${ACME_API_KEY}"


@pytest.mark.parametrize("form", FORMS)
def test_the_same_table_gives_the_same_bytes(exported: Exporter, form: str):
    assert exported(form).content == exported(form).content


@pytest.mark.parametrize("form", FORMS)
def test_every_model_is_in_the_file_or_named(exported: Exporter, form: str):
    found = exported(form)
    assert found.report.models + len(found.report.left_out) == len(ACME)
    assert found.report.size == len(found.content) > 0


def test_unknown_forms_and_providers_are_refused(exported: Exporter):
    with pytest.raises(ConfigurationError, match="litellm"):
        find_form("litelm")
    with pytest.raises(UnknownProviderError, match="nobody"):
        exported("csv", slugs=("nobody",))
