"""OpenRouter's listing: what is in it, and what is left out."""

from provider_pipeline_tests.exports.conftest import Exporter


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
