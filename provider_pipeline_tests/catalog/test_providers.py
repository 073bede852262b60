from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.providers import list_providers, sample_slugs, set_enabled
from provider_pipeline.errors import ConfigurationError, UnknownProviderError
from provider_pipeline_tests.catalog.builders import NOON, record_failure, register

OPENAI = {
    "slug": "openai",
    "name": "OpenAI",
    "base_url": "https://api.openai.com",
    "auth_config": {"type": "bearer", "env": "OPENAI_API_KEY"},
}


def test_a_registered_provider_is_found_as_it_was_given(session):
    added = providers.add(session, **OPENAI, check_every=timedelta(hours=6), thresholds={"min_share": 0.5})
    session.commit()
    assert added == providers.get(session, "openai")
    assert (added.slug, added.name, added.base_url, added.auth_config) == tuple(OPENAI.values())
    assert (added.check_every, added.thresholds) == (timedelta(hours=6), {"min_share": 0.5})
    assert (added.enabled, added.active_rule_version) == (True, None)


def test_registering_the_same_provider_again_touches_no_row(session, row_versions):
    first = providers.add(session, **OPENAI, check_every=timedelta(hours=6), thresholds={"a": 1})
    session.commit()
    before = row_versions("provider"), row_versions("provider_metadata")
    assert providers.add(session, **OPENAI) == first
    session.commit()
    assert (row_versions("provider"), row_versions("provider_metadata")) == before


def test_what_requests_may_do_is_kept_until_it_is_said_anew(session):
    assert providers.add(session, **OPENAI).request_config == {}
    assert providers.add(session, **OPENAI, request_config={"deadline": 5}).request_config == {"deadline": 5}
    assert providers.add(session, **OPENAI).request_config == {"deadline": 5}
    assert providers.add(session, **OPENAI, request_config={}).request_config == {}


def test_names_at_peers_are_kept_until_they_are_stated_anew(session):
    names = {"litellm": {"default": "cohere", "chat": "cohere_chat"}, "models_dev": "cohere"}
    assert providers.add(session, **OPENAI).peer_ids == {}
    assert providers.add(session, **OPENAI, peer_ids=names).peer_ids == names
    assert providers.add(session, **OPENAI).peer_ids == names
    assert providers.add(session, **OPENAI, peer_ids={}).peer_ids == {}


def test_registering_a_known_slug_with_new_values_updates_it_and_keeps_its_rule(session, provider):
    changed = providers.add(session, **{**OPENAI, "name": "Open AI"}, thresholds={})
    assert (changed.id, changed.name, changed.base_url) == (provider.id, "Open AI", OPENAI["base_url"])
    assert changed.active_rule_version == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("slug", "Open AI"),
        ("slug", ""),
        ("slug", "-x"),
        ("slug", "a...b"),
        ("slug", "x" * 65),
        ("name", ""),
        ("base_url", "api.openai.com"),
        ("base_url", "ftp://api.openai.com"),
        ("base_url", "https://user:s3cret@api.openai.com"),
        ("base_url", "https://api.openai.com/v1?key=s3cret"),
        ("check_every", timedelta(0)),
    ],
)
def test_an_unacceptable_value_is_refused_in_one_line_and_the_session_stays_usable(session, column, value):
    with pytest.raises(ConfigurationError) as caught:
        providers.add(session, **{**OPENAI, column: value})
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert list_providers(session, enabled_only=False) == []


@pytest.mark.parametrize("slug", ["openai", "z.ai", "huggingface-router__1", "01-ai"])
def test_slugs_as_they_occur_are_accepted(session, slug):
    assert providers.add(session, **{**OPENAI, "slug": slug}).slug == slug


def test_an_unknown_slug_is_answered_with_similar_ones(session):
    with pytest.raises(UnknownProviderError, match="none is registered yet"):
        providers.get(session, "openai")
    register(session, "openai")
    register(session, "anthropic")
    with pytest.raises(UnknownProviderError, match=r"no provider 'opnai' \(did you mean openai\?\)"):
        providers.get(session, "opnai")
    with pytest.raises(UnknownProviderError, match="there are 2: anthropic, openai"):
        providers.get(session, "zzz")


def test_a_disabled_provider_is_left_out_unless_asked_for_and_stays_disabled(session):
    register(session, "openai")
    register(session, "anthropic")
    set_enabled(session, "openai", False)
    assert [provider.slug for provider in list_providers(session)] == ["anthropic"]
    assert [provider.slug for provider in list_providers(session, enabled_only=False)] == ["anthropic", "openai"]
    assert not providers.add(session, **OPENAI).enabled
    assert providers.due(session, NOON) == ["anthropic"]
    set_enabled(session, "openai", True)
    assert providers.due(session, NOON) == ["anthropic", "openai"]


def test_enabling_an_enabled_provider_touches_no_row(session, provider, row_versions):
    before = row_versions("provider")
    set_enabled(session, "openai", True)
    session.commit()
    assert row_versions("provider") == before


@pytest.mark.parametrize(
    ("minutes", "due"),
    [
        (0, ["always", "new"]),
        (53, ["always", "new"]),
        (54, ["always", "hourly", "new"]),
        (90, ["always", "hourly", "new"]),
    ],
)
def test_a_provider_is_due_when_nine_tenths_of_its_interval_have_passed(session, minutes, due):
    for slug, interval in (("always", None), ("hourly", timedelta(hours=1)), ("new", timedelta(hours=1))):
        added = providers.add(session, **{**OPENAI, "slug": slug}, check_every=interval)
        if slug != "new":
            record_failure(session, added.id, now=NOON, kind="X", message="x", result={})
    assert providers.due(session, NOON + timedelta(minutes=minutes)) == due


SAMPLE = {**OPENAI, "base_url": "http://127.0.0.1:8377/openai", "auth_config": {"type": "none"}, "is_sample": True}


def test_a_sample_provider_is_marked_and_stays_so(session):
    assert providers.add(session, **SAMPLE).is_sample
    assert sample_slugs(session) == {"openai"}
    assert providers.add(session, **SAMPLE).is_sample
    with pytest.raises(ConfigurationError, match="takes sample providers only"):
        providers.add(session, **OPENAI)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text("UPDATE provider SET is_sample = false"))
    assert providers.get(session, "openai").base_url == SAMPLE["base_url"]


def test_a_catalogue_with_a_provider_of_ones_own_takes_no_sample_and_no_row_is_touched(session, row_versions):
    providers.add(session, **OPENAI)
    session.commit()
    before = row_versions("provider"), row_versions("provider_metadata")
    for sample in (SAMPLE, {**SAMPLE, "slug": "mistral"}):
        with pytest.raises(ConfigurationError, match="takes no sample provider") as caught:
            providers.add(session, **sample)
        assert "\n" not in str(caught.value)
    session.commit()
    assert (row_versions("provider"), row_versions("provider_metadata")) == before


def test_the_catalogue_of_the_demo_takes_no_other_provider(session):
    providers.add(session, **SAMPLE)
    with pytest.raises(ConfigurationError, match="takes sample providers only") as caught:
        providers.add(session, **{**OPENAI, "slug": "acme"})
    assert "PROVIDER_PIPELINE_HOME" in str(caught.value)
    assert [each.slug for each in list_providers(session)] == ["openai"]


def test_a_disabled_sample_stands_beside_other_providers_and_is_not_enabled_there(session):
    providers.add(session, **SAMPLE)
    set_enabled(session, "openai", False)
    providers.add(session, **{**OPENAI, "slug": "acme"})
    with pytest.raises(ConfigurationError, match="takes no sample provider"):
        set_enabled(session, "openai", True)
    with pytest.raises(ConfigurationError, match="cannot become or cease to be a sample"):
        providers.add(session, **OPENAI)
    assert not providers.get(session, "openai").enabled
