"""The kind of API recognised from an answer."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules import samples


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (samples.OPENAI_LIKE, "openai-compatible"),
        (samples.CURSOR, "anthropic"),
        (samples.METHODS, "google"),
        ({"data": [{"id": "m", "created": 1677610602, "object": "model", "owned_by": "x"}] * 2}, "litellm"),
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
