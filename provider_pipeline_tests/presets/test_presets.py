"""Each shipped preset: its facts, its sample, and a sync of the sample over HTTP."""

import re
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import find_preset, preset_sample, presets
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.presets.plan import plan_providers
from provider_pipeline.presets.registration import apply_plan
from provider_pipeline.presets.requested import RequestedProvider, at_base_url
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.presets.vendor import Vendor, source_of

SLUGS = tuple(presets())
WITH_SAMPLE = tuple(slug for slug in SLUGS if preset_sample(slug) is not None)


def filled(slug: str) -> ProviderFile:
    """A preset with its variables' examples filled in."""
    preset = find_preset(slug)
    return preset.filled({name: variable.example for name, variable in preset.variables.items()})


def test_many_providers_ship_with_the_package():
    assert len(SLUGS) >= 60
    assert len(WITH_SAMPLE) >= 50
    assert {preset.kind for preset in presets().values()} == {"commercial", "gateway", "cloud", "self_hosted"}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_preset_names_a_source_for_each_fact(slug: str):
    preset = find_preset(slug)
    assert preset.without_source == ()
    assert all(date(2026, 11, 1) <= source.looked_up <= date(2026, 12, 31) for source in preset.sources)
    assert bool(preset.sample_rows) == (slug in WITH_SAMPLE)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_preset_has_valid_urls_and_authorisation(slug: str):
    preset = filled(slug)
    source = source_of(preset)
    AuthConfig.parse(preset.auth, slug=slug)
    for endpoint in source.endpoints:
        url = urlsplit(source.url(endpoint))
        assert url.hostname
        assert "{" not in source.url(endpoint)
        assert url.scheme == ("http" if preset.kind == "self_hosted" else "https")
    assert source.policy.allow_private == (preset.kind == "self_hosted")


@pytest.mark.parametrize("slug", WITH_SAMPLE)
def test_the_first_rule_extracts_the_stated_rows_from_the_sample(slug: str):
    preset, sample = find_preset(slug), preset_sample(slug)
    rule = first_rule(preset)
    assert rule is not None
    assert [endpoint.path for endpoint in rule.endpoints] == [endpoint.path for endpoint in preset.endpoints]
    assert not [issue for issue in rule.issues if issue["severity"] != "info" and issue["type"] != "unread_fields"]
    result = RuleValidator().validate_rule(rule.to_analysis(), sample)
    assert result["valid"], result["issues"]
    assert_rows(result["extracted_models"], preset)


@pytest.mark.parametrize("slug", WITH_SAMPLE)
def test_a_preset_is_registered_and_synced_over_http(
    slug: str, shared_database: catalog.database.Database, httpserver: HTTPServer
):
    preset, sample = filled(slug), preset_sample(slug)
    vendor = Vendor(preset, sample, httpserver.url_for(f"/{slug}"))
    httpserver.expect_request(re.compile(f"/{re.escape(slug)}/.*")).respond_with_handler(vendor.answer)
    with shared_database.session() as session:
        here = at_base_url(preset, vendor.base_url, {"request": {"allow_private": True}, "works_without_key": False})
        plan = plan_providers(session, [RequestedProvider(here, sample)], environ=vendor.environ())
        apply_plan(session, plan)
        session.commit()
        assert [each.next_step for each in plan.providers] == [None]
        client = ListingClient(FetchLimits(retries=0), environ=vendor.environ())
        result = ModelSyncer(session, client=client).sync_provider_models(slug)
        assert (result["success"], vendor.refused) == (True, [])
        rows = catalog.models.load(session, catalog.providers.get(session, slug).id)
    assert_rows(rows, preset)


def test_an_unknown_name_suggests_similar_ones():
    with pytest.raises(ConfigurationError, match="did you mean openai"):
        find_preset("openia")
    with pytest.raises(ConfigurationError, match="did you mean gemini"):
        find_preset("google")
    with pytest.raises(ConfigurationError, match=r"there are \d+: provider-pipeline providers presets"):
        find_preset("zzzzzz")


def test_a_preset_is_found_by_its_display_name_too():
    assert find_preset("OpenAI").slug == "openai"
    assert find_preset(" Hugging Face ").slug == "huggingface"


def test_presets_are_a_sorted_mapping():
    assert "openai" in presets()
    assert "nobody" not in presets()
    assert list(presets()) == sorted(presets())


def test_a_preset_without_a_sample_has_no_first_rule():
    assert first_rule(find_preset("perplexity")) is None


def assert_rows(rows: list[dict[str, Any]], preset: ProviderFile) -> None:
    """Check the rows against the columns that the preset states."""
    found = {row["model_id"]: row for row in rows}
    assert set(found) == set(preset.sample_rows)
    stated = {
        (model_id, column): value
        for model_id, columns in preset.sample_rows.items()
        for column, value in columns.items()
    }
    read = {(model_id, column): found[model_id][column] for model_id, column in stated}
    assert {key: value if isinstance(value, str) else pytest.approx(value) for key, value in stated.items()} == {
        key: value if isinstance(value, str) else None if value is None else float(value) for key, value in read.items()
    }
