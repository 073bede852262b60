"""A catalogue in which an earlier release's demo left its sample providers beside the user's own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provider_pipeline.catalog import models, providers
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.providers import list_providers
from provider_pipeline_tests.catalog.builders import upgrade_to

# Of each: slug, address, what requests may do, what made the first rule, and where that rule's sample came from.
BEFORE = {
    "openai": ("http://127.0.0.1:8377/openai", '{"allow_private": true}', "generated", "sample:openai"),
    "xai": ("http://127.0.0.1:44889/xai", '{"allow_private": true}', "generated", "sample:xai"),
    # The real ones, which have nothing to do with the demo.
    "anthropic": ("https://api.anthropic.com", "{}", "sample", "sample:anthropic"),
    "gateway": (
        "http://127.0.0.1:4000/gateway",
        '{"allow_private": true}',
        "generated",
        "http://127.0.0.1:4000/models",
    ),
    "ollama": ("http://127.0.0.1:11434", '{"allow_private": true}', "generated", "sample:ollama"),
    # A real one that the demo turned to its server: its history is the user's.
    "mistral": ("http://127.0.0.1:8377/mistral", '{"allow_private": true}', "sample", "sample:mistral"),
    # A sample that the user turned into the real one.
    "cohere": ("https://api.cohere.com", "{}", "generated", "sample:cohere"),
    "deepseek.sample": ("https://api.deepseek.example", "{}", "generated", "https://api.deepseek.example/models"),
    "deepseek": ("http://127.0.0.1:8377/deepseek", '{"allow_private": true}', "generated", "sample:deepseek"),
}
INSERT = """
WITH added AS (INSERT INTO provider (slug, name) VALUES (:slug, :slug) RETURNING id),
response AS (
    INSERT INTO raw_response (provider_id, sha256, complete, byte_count, page_count)
    SELECT id, repeat('a', 64), true, 2, 1 FROM added RETURNING id
),
page AS (
    INSERT INTO raw_response_page (raw_response_id, endpoint, number, url, byte_count, content)
    SELECT id, 0, 0, :sample_url, 2, '\\x00' FROM response
),
rule AS (
    INSERT INTO rule_version (
        provider_id, version, model_list_config, endpoints_config, digest, origin, sample_id, status
    )
    SELECT added.id, 1, '{}', '{}', repeat('1', 64), :origin, response.id, 'retired' FROM added, response
),
model AS (
    INSERT INTO provider_model (
        provider_id, model_id, capabilities, capability_sources, metadata_json, meta_hash, rule_version, first_seen_at,
        last_seen_at
    )
    SELECT id, 'a-model', '{}', '{}', '{}', repeat('2', 64), 1, now(), now() FROM added
)
INSERT INTO provider_metadata (provider_id, slug, base_url, auth_config, request_config)
SELECT id, :slug, :base_url, '{"type": "none"}', cast(:request AS jsonb) FROM added
"""


@pytest.fixture
def upgraded(empty_database_url: str) -> Iterator[Session]:
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0014")
        with database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE provider_model DISABLE TRIGGER ALL")
            for slug, (base_url, request, origin, sample_url) in BEFORE.items():
                values = {"base_url": base_url, "request": request, "origin": origin, "sample_url": sample_url}
                connection.execute(text(INSERT), {"slug": slug, **values})
            connection.exec_driver_sql("ALTER TABLE provider_model ENABLE TRIGGER ALL")
        upgrade(database.engine)
        with database.session() as session:
            yield session


def test_what_an_earlier_demo_left_is_marked_disabled_and_out_of_the_way_of_the_real_provider(upgraded: Session):
    found = {each.slug: (each.is_sample, each.enabled) for each in list_providers(upgraded, enabled_only=False)}
    assert {slug for slug, (is_sample, _) in found.items() if is_sample} == {"openai.sample", "xai.sample", "deepseek"}
    assert all(enabled is not is_sample for is_sample, enabled in found.values())
    real = providers.add(
        upgraded, slug="openai", name="OpenAI", base_url="https://api.openai.com", auth_config={"type": "none"}
    )
    assert (real.is_sample, real.enabled, models.load(upgraded, real.id)) == (False, True, [])
    kept = providers.get(upgraded, "openai.sample")
    assert len(models.load(upgraded, kept.id)) == 1
    assert kept.base_url == BEFORE["openai"][0]


@pytest.mark.parametrize("slug", ["anthropic", "gateway", "ollama", "mistral", "cohere", "deepseek.sample"])
def test_a_provider_of_the_users_own_is_left_as_it_was(upgraded: Session, slug: str):
    found = providers.get(upgraded, slug)
    assert (found.is_sample, found.enabled, found.base_url) == (False, True, BEFORE[slug][0])
