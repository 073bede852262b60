"""Providers to register: found by the keys in the environment, under another slug or at another address."""

import pytest

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.presets.library import find_preset
from provider_pipeline.presets.model import PeerIds
from provider_pipeline.presets.plan import plan_providers
from provider_pipeline.presets.requested import at_base_url, presets_with_keys, requested_provider, with_slug


def test_presets_are_found_by_the_keys_in_the_environment():
    requested, incomplete = presets_with_keys({"OPENAI_API_KEY": "sk", "GROQ_API_KEY": "", "DATABRICKS_TOKEN": "d"})
    assert [each.file.slug for each in requested] == ["openai"]
    assert ["databricks needs a value for host" in str(error) for error in incomplete] == [True]
    assert presets_with_keys({}) == ([], [])


def test_a_preset_at_another_address_is_another_provider_to_peers():
    openai = find_preset("openai")
    assert openai.ids.otel == "openai"
    assert at_base_url(openai, "https://llm.acme.example", {}).ids == PeerIds()


def test_a_preset_can_have_another_slug(database: catalog.database.Database):
    requested = with_slug(requested_provider(find_preset("openai"), {}), "openai-eu")
    with database.session() as session:
        (plan,) = plan_providers(session, [requested], environ={}).providers
    assert (plan.slug, plan.rule is not None) == ("openai-eu", True)
    with pytest.raises(ConfigurationError, match="cannot be a slug"):
        with_slug(requested, "Open AI")
