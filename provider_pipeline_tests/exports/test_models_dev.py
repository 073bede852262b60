"""models.dev's api.json: what is in it, what is left out, and why."""

from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.catalog.builders import NOON, model, register, write_models
from provider_pipeline_tests.exports.conftest import ACME, Exporter


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
