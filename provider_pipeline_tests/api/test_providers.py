"""Providers over HTTP: added, changed, disabled; keys for new hosts; the demo's samples."""

import pytest

from provider_pipeline.samples.registration import register_sample
from provider_pipeline.samples.server import SampleServer
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline_tests.api.conftest import Api, problem


def test_a_provider_is_added_changed_disabled_and_enabled(api: Api):
    new = {"slug": "new", "base_url": "https://api.example.com", "auth": {"type": "bearer", "env": "NEW_KEY"}}
    made = api("POST", "/api/providers", json=new)
    assert made.status_code == 201
    assert made.json() == api.get("/api/providers/new")
    assert made.json() == {
        "slug": "new",
        "name": "new",
        "enabled": True,
        "sample": False,
        "base_url": "https://api.example.com",
        "auth": {"type": "bearer", "env": "NEW_KEY"},
        "requests": {},
        "thresholds": {},
        "ids": {},
        "check_every_seconds": None,
        "rule_version": None,
        "active_models": 0,
        "last_checked_at": None,
        "last_success_at": None,
        "consecutive_failures": 0,
        "last_error": None,
    }
    problem(api("POST", "/api/providers", json=new), 409, "provider-exists")
    changed = api("PATCH", "/api/providers/new", json={"name": "New", "check_every_seconds": 3600}).json()
    assert (changed["name"], changed["check_every_seconds"], changed["auth"]) == ("New", 3600, new["auth"])
    answer = api("DELETE", "/api/providers/new")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [each["enabled"] for each in api.get("/api/providers")] == [False]
    assert api("PATCH", "/api/providers/new", json={"enabled": True}).json()["enabled"] is True


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "https://user:password@example.com"},
        {"base_url": "ftp://example.com"},
        {"auth": {"type": "bearer", "value": "sk-secret"}},
        {"auth": {"type": "magic"}},
        {"requests": {"allow_everything": True}},
        {"thresholds": {"nonsense": 1}},
        {"check_every_seconds": 1},
        {"slug": "Not A Slug"},
    ],
)
def test_a_provider_with_invalid_settings_is_not_added(api: Api, settings: dict):
    answer = api("POST", "/api/providers", json={"slug": "new", "base_url": "https://api.example.com", **settings})
    assert answer.status_code == 422
    assert "sk-secret" not in answer.text
    assert "password" not in answer.text
    assert api.get("/api/providers") == []


def test_disabling_a_provider_keeps_its_rows(synced: Api):
    synced("DELETE", "/api/providers/acme")
    assert len(synced.get("/api/providers/acme/models")["models"]) == 5


def test_a_key_goes_to_a_new_host_only_if_the_request_names_the_host(api: Api):
    auth = {"type": "bearer", "env": "NEW_KEY"}
    new = {"slug": "new", "base_url": "https://api.example.com", "auth": auth}
    assert api("POST", "/api/providers", json=new).status_code == 201
    moved_to = {"base_url": "https://evil.example"}
    refused = problem(api("PATCH", "/api/providers/new", json=moved_to), 409, "new-host")
    assert refused["detail"] == "new: the key in NEW_KEY went to api.example.com, and would go to evil.example"
    other = new | moved_to | {"slug": "other"}
    problem(api("POST", "/api/providers", json=other), 409, "new-host")
    assert api.get("/api/providers/new")["base_url"] == "https://api.example.com"
    assert [each["slug"] for each in api.get("/api/providers")] == ["new"]
    changed = api("PATCH", "/api/providers/new", json=moved_to | {"new_hosts": ["evil.example"]})
    assert (changed.status_code, changed.json()["base_url"]) == (200, "https://evil.example")
    assert api("POST", "/api/providers", json=other).status_code == 201


def test_a_sample_provider_and_its_models_are_and_stay_marked(api: Api):
    with SampleServer() as server, api.fleet.database.session() as session:
        sample = next(each for each in server.providers if each.slug == "mistral")
        register_sample(session, sample, base_url=server.base_url("mistral"))
        generate_rule(session, "mistral", sample.endpoints)
        session.commit()
        assert api("POST", "/api/providers/mistral/sync-models").status_code == 200
    (listed,) = api.get("/api/providers")
    assert listed["sample"] is True
    for path in ("/api/models", "/api/providers/mistral/models"):
        assert {model["sample"] for model in api.get(path)["models"]} == {True}

    changed = api("PATCH", "/api/providers/mistral", json={"name": "Another name"})
    assert (changed.status_code, changed.json()["sample"]) == (200, True)
    document = problem(
        api("POST", "/api/providers", json={"slug": "acme", "base_url": "https://api.example.com"}),
        422,
        "configuration",
    )
    assert "takes sample providers only" in document["detail"]


def test_other_providers_are_not_marked_as_samples(api: Api):
    api.fleet.add("acme")
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    assert api.get("/api/providers/acme")["sample"] is False
    assert {model["sample"] for model in api.get("/api/models")["models"]} == {False}
