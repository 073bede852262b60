"""Presets request what the providers' SDKs request, and read what these SDKs declare.

The requests were recorded from each SDK's call that lists models, run against a server on loopback; its version and the
day are in the preset's `sources`.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request

from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import find_preset
from provider_pipeline.presets.requested import at_base_url
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.presets import keys
from provider_pipeline_tests.presets.vendor import source_of

KEY = keys.KEY
BEARER = {"Authorization": f"Bearer {KEY}"}

# Preset: the SDK, the path it requested, and the headers that authorise or choose a version.
RECORDED: dict[str, tuple[str, str, dict[str, str]]] = {
    "anthropic": ("anthropic", "/v1/models", {**BEARER, "anthropic-version": "2026-10-21"}),
    "azure": ("openai", "/openai/v1/models", {}),
    "cerebras": ("cerebras-cloud-sdk", "/v1/models", BEARER),
    "cloudflare": ("cloudflare", "/client/v4/accounts/023e105f4ecef8ad9ca31a8372d0c353/ai/models/search", BEARER),
    "cohere": ("cohere", "/v1/models", BEARER),
    "databricks": ("databricks-sdk", "/api/2.0/serving-endpoints", BEARER),
    "deepgram": ("deepgram-sdk", "/v1/models", {}),
    "elevenlabs": ("elevenlabs", "/v1/models", {"xi-api-key": KEY}),
    "friendli": ("friendli", "/serverless/v1/models", BEARER),
    "groq": ("groq", "/openai/v1/models", BEARER),
    "inception": ("inceptionai", "/v1/models", BEARER),
    "mistral": ("mistralai", "/v1/models", BEARER),
    "ollama": ("ollama", "/api/tags", {}),
    "openai": ("openai", "/v1/models", BEARER),
    "openrouter": ("openrouter", "/api/v1/models", BEARER),
    "perplexity": ("perplexityai", "/v1/models", BEARER),
    "portkey": ("portkey-ai", "/v1/models", {"x-portkey-api-key": KEY}),
    "replicate": ("replicate", "/v1/models", BEARER),
    "sambanova": ("sambanova", "/v1/models", BEARER),
    "together": ("together", "/v2/supported-models", BEARER),
    "venice": ("venice-ai", "/api/v1/models", BEARER),
    "watsonx": ("ibm-watsonx-ai", "/ml/v1/foundation_model_specs", {}),
}

# Preset: each path with the query that asks for the whole listing.
WHOLE: dict[str, list[tuple[str, dict[str, str]]]] = {
    "anthropic": [("/v1/models", {"limit": "1000"})],
    "cohere": [("/v1/models", {"page_size": "1000"})],
    "gemini": [("/v1beta/models", {"pageSize": "1000"})],
    "openrouter": [("/api/v1/models", {"output_modalities": "all"})],
    "venice": [("/api/v1/models", {"type": "all"})],
    "xai": [("/v1/language-models", {}), ("/v1/image-generation-models", {}), ("/v1/video-generation-models", {})],
}


def requests_of(slug: str, httpserver: HTTPServer) -> list[Request]:
    """The requests of a preset's listing, each answered with a page that is the last."""
    preset = find_preset(slug)
    preset = preset.filled({name: variable.example for name, variable in preset.variables.items()})
    origin = httpserver.url_for("").rstrip("/")
    last = {"data": [{"id": "m"}], "has_more": False, "result_info": {"page": 1, "total_pages": 1}}
    httpserver.expect_request(re.compile("/.*")).respond_with_json(last)
    here = at_base_url(preset, origin + urlsplit(preset.base_url).path, {"request": {"allow_private": True}})
    client = ListingClient(FetchLimits(retries=0), environ=keys.environ(preset.auth, origin))
    list(client.pages(source_of(here)))
    return [request for request, _ in httpserver.log]


@pytest.mark.parametrize("slug", RECORDED)
def test_a_preset_requests_what_the_providers_sdk_requests(slug: str, httpserver: HTTPServer):
    sdk, path, headers = RECORDED[slug]
    request = requests_of(slug, httpserver)[0]
    assert request.path == path
    assert {name: request.headers.get(name) for name in headers} == headers
    assert any((source.sdk or "").startswith(f"{sdk} ") for source in find_preset(slug).sources)


@pytest.mark.parametrize("slug", WHOLE)
def test_a_preset_asks_for_everything_that_the_provider_lists(slug: str, httpserver: HTTPServer):
    requests = requests_of(slug, httpserver)
    assert [(request.path, request.args.to_dict()) for request in requests] == WHOLE[slug]


def _claude(model_id: str, lifecycle: str, *, thinking: bool, **dates: str) -> dict[str, Any]:
    abilities = {"image_input": True, "structured_outputs": False, "thinking": thinking}
    return {
        "type": "model",
        "id": model_id,
        "display_name": model_id.title(),
        "created_at": "2026-02-04T00:00:00Z",
        "lifecycle": lifecycle,
        "deprecated_at": dates.get("deprecated_at"),
        "retires_at": dates.get("retires_at"),
        "max_input_tokens": 200000,
        "max_tokens": 8192,
        "capabilities": {name: {"supported": is_supported} for name, is_supported in abilities.items()},
    }


def _together(number: int, name: str, capability: str, *, output: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"ml_{number:012d}",
        "name": name,
        "displayName": f"Model {number}",
        "publisher": name.partition("/")[0],
        "capabilities": [f"CAPABILITY_{capability}"],
        "inputModalities": ["MODALITY_TEXT"],
        "outputModalities": [f"MODALITY_{output}"],
        "products": ["PRODUCT_SERVERLESS"],
        **more,
    }


# Preset: a page of the form that the SDK declares, and what it says of each model.
FORMS: dict[str, tuple[Any, dict[str, dict[str, Any]]]] = {
    "anthropic": (
        {
            "data": [
                _claude("claude-opus-9", "active", thinking=True),
                _claude(
                    "claude-haiku-2",
                    "deprecated",
                    thinking=False,
                    deprecated_at="2026-08-01T00:00:00Z",
                    retires_at="2027-02-01T00:00:00Z",
                ),
            ],
            "has_more": False,
            "first_id": "claude-opus-9",
            "last_id": "claude-haiku-2",
        },
        {
            "claude-opus-9": {"context_length": 200000, "lifecycle": "active", "retires_on": None, "reasoning": True},
            "claude-haiku-2": {
                "max_output_tokens": 8192,
                "lifecycle": "deprecated",
                "deprecated_on": "2026-08-01",
                "retires_on": "2027-02-01",
                "reasoning": False,
                "vision": True,
                "structured_output": False,
            },
        },
    ),
    "openai": (
        {
            "object": "list",
            "data": [
                {"id": "gpt-5", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None},
                {"id": "gpt-4", "object": "model", "created": 2, "owned_by": "openai", "shutdown_date": "2027-03-31"},
            ],
        },
        {"gpt-5": {"retires_on": None}, "gpt-4": {"retires_on": "2027-03-31", "owned_by": "openai"}},
    ),
    "together": (
        {
            "object": "list",
            "data": [
                _together(
                    1,
                    "acme/chat-8b",
                    "CHAT",
                    output="TEXT",
                    contextLength="131072",
                    features=["FEATURE_TOOL_CALLING"],
                    pricing={"input": 0.2, "output": 0.6},
                ),
                _together(2, "acme/embed-1", "EMBEDDING", output="TEXT", contextLength="512", pricing={"input": 0.02}),
                _together(3, "acme/paint-1", "IMAGE_GENERATION", output="IMAGE"),
            ],
            "next_cursor": None,
        },
        {
            "acme/chat-8b": {
                "display_name": "Model 1",
                "context_length": 131072,
                "input_price": 0.2,
                "output_price": 0.6,
                "chat": True,
                "tools": True,
            },
            "acme/embed-1": {"context_length": 512, "input_price": 0.02, "output_price": None, "embedding": True},
            "acme/paint-1": {"output_modalities": ["image"], "input_price": None, "image_generation": True},
        },
    ),
    "xai": (
        {
            "models": [
                {
                    "id": "grok-image-9",
                    "created": 3,
                    "object": "model",
                    "owned_by": "xai",
                    "input_modalities": ["text"],
                    "output_modalities": ["image"],
                    "image_price": 7,
                    "max_prompt_length": 1024,
                }
            ]
        },
        {"grok-image-9": {"image_generation": True, "context_length": None, "input_price": None}},
    ),
}


@pytest.mark.parametrize("slug", FORMS)
@pytest.mark.parametrize("is_shipped", [True, False], ids=["first rule", "new rule"])
def test_the_form_that_an_sdk_declares_is_read(slug: str, is_shipped: bool):
    page, expected = FORMS[slug]
    shipped = first_rule(find_preset(slug))
    assert shipped is not None
    rule = shipped.to_analysis() if is_shipped else RuleGenerator().analyze_sample(page)
    result = RuleValidator().validate_rule(rule, page)
    rows = {row["model_id"]: row | row["metadata_json"] | row["capabilities"] for row in result["extracted_models"]}
    assert rows.keys() == expected.keys()
    read = {model: {name: rows[model].get(name) for name in columns} for model, columns in expected.items()}
    assert read == expected
