"""Names that carry secrets and texts that look like keys are recognised, and nothing else."""

import random
import re
import tomllib
from datetime import date
from importlib import resources

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.listing.key_looks import (
    MIN_KEY_LENGTH,
    is_our_variable,
    is_sensitive_variable,
    looks_like_a_key,
)
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline_tests.listing.keys import BASE62, KEYS

ORDINARY = (
    "2023-06-01",
    "2024-12-17-preview",
    "application/vnd.github+json; version=2022-11-28",
    "claude-code-20250219,interleaved-thinking-2025-05-14",
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    "provider-pipeline/0.1.0",
    "550e8400-e29b-41d4-a716-446655440000",
    "023e105f4ecef8ad9ca31a8372d0c353",
    "/subscriptions/8f0a9f5e-0000-4444-aaaa-1234567890ab/resourceGroups/models",
    "ocid1.generativeaimodel.oc1.phx.amaaaaaask7dceyarleil5jr7k2rykljkhapnvhrqvzx4cwuvtfedlfxet4q",
    "ProjectForModelCatalogue2025V2beta",
    "gpt-4o-mini-2024-07-18-ft:acme::9aBcDeFg",
    "sk-learn-text-classification-v2-large",
    "sk-llama-3-1-70b-2024-instruct-v2",
    "hf_your_api_key_goes_here",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "us-east-1",
    "en-US,en;q=0.9",
)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_is_recognised_by_its_look(key: str):
    assert looks_like_a_key(key)
    assert looks_like_a_key(f"https://api.example/v1/{key}/models")


@pytest.mark.parametrize("text", ORDINARY)
def test_values_of_ordinary_settings_are_not_keys(text: str):
    assert not looks_like_a_key(text)


def test_under_the_name_of_an_id_only_a_well_known_form_is_a_key():
    organization = "org-9TkXq3Vn8sLmZ2RbYcWdEfGh"
    assert looks_like_a_key(organization, name="X-Whatever")
    for name in ("OpenAI-Organization", "X-Project-Id", "x-tenant"):
        assert not looks_like_a_key(organization, name=name)
        assert looks_like_a_key(KEYS["GitHub"], name=name)


@pytest.mark.parametrize("length", [32, 40, 64])
def test_random_text_is_nearly_always_recognised(length: int):
    chance = random.Random(length)
    assert sum(looks_like_a_key("".join(chance.choices(BASE62, k=length))) for _ in range(1000)) > 950


@given(st.uuids(), st.dates())
def test_ids_and_dates_are_not_keys(identifier, day: date):
    for text in (str(identifier), identifier.hex, day.isoformat(), f"preview-{day:%Y%m%d}"):
        assert not looks_like_a_key(text)


def test_nothing_in_the_shipped_presets_or_their_samples_looks_like_a_key():
    def texts(part):
        if isinstance(part, dict):
            for name, value in part.items():
                yield name
                yield from texts(value)
        elif isinstance(part, list):
            for value in part:
                yield from texts(value)
        elif isinstance(part, str):
            yield part

    for slug, preset in presets().items():
        document = preset.model_dump(mode="json", include={"base_url", "auth", "endpoints"})
        found = [text for text in texts(document) if looks_like_a_key(text)]
        assert found == [], slug
        assert [text for text in texts(preset_sample(slug)) if text.startswith("sk-") and looks_like_a_key(text)] == []


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "LABKEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "PGPASSWORD",
        "DATABASE_URL",
        "GITHUB_PAT",
        "jwt",
    ],
)
def test_a_variable_that_holds_secrets_is_recognised_by_its_name(name: str):
    assert is_sensitive_variable(name)


def test_the_variables_of_presets_placeholders_are_public_and_the_products_own_are_known():
    for preset in presets().values():
        assert not any(variable.env and is_sensitive_variable(variable.env) for variable in preset.variables.values())
    assert is_our_variable("PROVIDER_PIPELINE_DATABASE_URL")
    assert is_our_variable("DAGSTER_POSTGRES_URL")
    assert not is_our_variable("MY_DAGSTER_KEY")


def test_every_known_form_names_its_source():
    data = tomllib.loads((resources.files("provider_pipeline.listing") / "data" / "key_patterns.toml").read_text())
    assert isinstance(data["looked_up"], date)
    assert len(data["pattern"]) > 20
    assert all(each["source"].startswith("https://") for each in data["pattern"])


def test_every_known_form_is_longer_than_what_is_not_even_looked_at():
    data = tomllib.loads((resources.files("provider_pipeline.listing") / "data" / "key_patterns.toml").read_text())
    for form in data["pattern"]:
        shortest, _ = re._parser.parse(form["regex"]).getwidth()  # type: ignore[attr-defined]
        assert shortest >= MIN_KEY_LENGTH, form["name"]
