"""Providers, rules, tasks, changes and overrides over HTTP: what each does when all is well."""

from datetime import UTC, datetime, timedelta

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, listing, moved
from provider_pipeline_tests.listing.hostile.search import places_in

WHY = {"reason": "somebody looked"}


@pytest.fixture
def synced(api: Api) -> Api:
    """The API with a provider that was synced."""
    api.fleet.add("acme")
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    return api


def block(api: Api, document: object) -> int:
    """The number of the task that a listing in a new shape opens."""
    api.fleet.serve("acme", document)
    with api.fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    return api.fleet.tasks("acme")[-1].id


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
def test_a_provider_that_no_sync_could_ask_is_not_added(api: Api, settings: dict):
    answer = api("POST", "/api/providers", json={"slug": "new", "base_url": "https://api.example.com", **settings})
    assert answer.status_code == 422
    assert "sk-secret" not in answer.text
    assert "password" not in answer.text
    assert api.get("/api/providers") == []


def test_disabling_a_provider_leaves_its_rows(synced: Api):
    synced("DELETE", "/api/providers/acme")
    assert len(synced.get("/api/providers/acme/models")["models"]) == 5


def test_rules_are_shown_compared_explained_activated_and_rolled_back(synced: Api):
    sample = {"sample_response": moved(*CHAT_MODELS)}
    assert synced("POST", "/api/providers/acme/metadata/generate-rules", json=sample).json()["version"] == 2
    whole = synced.get("/api/providers/acme/rules/2")
    assert whole["model_list_config"]["selector"] == "result.models[*]"
    assert whole["events"][0]["created_by_id"] == synced.token_id("admin")
    assert synced.get("/api/providers/acme/rules/2/explain")["summary"]["selector"] == "result.models[*]"
    difference = synced.get("/api/providers/acme/rules/diff?before=1&after=2")
    assert any("result.models[*]" in line for line in difference["text"])
    assert difference["differences"]
    active = synced("POST", "/api/providers/acme/rules/2/activate", json=WHY).json()
    assert active == {"provider": "acme", "active": 2}
    assert synced.get("/api/providers/acme/rules/2")["events"][-1]["reason"] == WHY["reason"]
    assert synced("POST", "/api/providers/acme/rules/rollback", json=WHY).json() == {"provider": "acme", "active": 1}
    statuses = {each["version"]: each["status"] for each in synced.get("/api/providers/acme/rules")}
    assert statuses == {1: "active", 2: "retired"}


def test_a_task_is_claimed_answered_with_a_rule_and_closed(synced: Api):
    sample = moved(*CHAT_MODELS)
    task = block(synced, sample)
    assert [each["id"] for each in synced.get("/api/tasks")] == [task]
    assert [each["id"] for each in synced.get("/api/tasks?provider=acme&status=PENDING")] == [task]
    claimed = synced("POST", f"/api/tasks/{task}/claim", scope="sync", json={"worker": "agent-7"}).json()
    assert (claimed["status"], claimed["claimed_by"]) == ("RUNNING", "agent-7")
    again = problem(synced("POST", f"/api/tasks/{task}/claim", json={"worker": "agent-8"}), 409, "task-not-free")
    assert "agent-7" in again["detail"]
    dry = synced("POST", "/api/providers/acme/metadata/generate-rules?dry_run=1", json={"sample_response": sample})
    proposal = {"rule": dry.json()["rule"] | {"endpoint": "/v1/models"}, "worker": "agent-8"}
    problem(synced("POST", f"/api/tasks/{task}/propose", json=proposal), 409, "task-claim-lost")
    problem(synced("POST", f"/api/tasks/{task}/propose", json={"rule": {"x": 1}}), 422, "invalid-rule")
    proposal["worker"] = "agent-7"
    answer = synced("POST", f"/api/tasks/{task}/propose", scope="sync", json=proposal)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["version"], answer.json()["models"]) == ("activated", 2, 5)
    assert synced.get(f"/api/tasks/{task}")["status"] == "SUCCEEDED"
    version = synced.get("/api/providers/acme/rules/2")
    assert (version["author"], version["created_by_id"]) == ("agent", synced.token_id("sync"))
    assert synced.get("/api/tasks") == []
    assert [each["id"] for each in synced.get("/api/tasks?status=all")] == [task]


def test_a_task_that_waits_for_a_person_is_approved_or_rejected(synced: Api):
    task = block(synced, moved(*CHAT_MODELS[:2]))
    document = synced(
        "POST", "/api/providers/acme/metadata/generate-rules?dry_run=1", json={"sample_response": moved("a")}
    )
    rule = document.json()["rule"] | {"endpoint": "/v1/models"}
    problem(synced("POST", f"/api/tasks/{task}/approve", json=WHY), 409, "catalog")
    assert synced("POST", f"/api/tasks/{task}/propose", json={"rule": rule}).json()["status"] == "needs_review"
    rejected = synced("POST", f"/api/tasks/{task}/reject", json=WHY).json()
    assert (rejected["status"], rejected["result"]["rejected"]["reason"]) == ("NEEDS_REVIEW", WHY["reason"])
    assert synced("POST", f"/api/tasks/{task}/approve", json=WHY).json() == {"provider": "acme", "active": 2}
    assert synced.get(f"/api/tasks/{task}")["result"]["approved"]["created_by_id"] == synced.token_id("admin")


def test_a_task_is_cancelled_and_taken_up_again(synced: Api):
    task = block(synced, {"moved": 1})
    assert synced("POST", f"/api/tasks/{task}/cancel", json=WHY).json()["status"] == "CANCELLED"
    assert synced("POST", f"/api/tasks/{task}/retry", json=WHY).json()["status"] == "PENDING"


def test_changes_come_newest_first_page_by_page(synced: Api):
    changed = listing(*CHAT_MODELS)
    changed["data"][2]["context_length"] = 256_000
    synced.fleet.serve("acme", changed)
    synced("POST", "/api/providers/acme/sync-models")
    whole = synced.get("/api/changes")
    assert whole["next_cursor"] is None
    assert [each["kind"] for each in whole["changes"]] == ["updated", *["added"] * 5]
    assert whole["changes"][0]["changed"] == {"context_length": [128_000, 256_000]}
    pages, cursor = [], None
    while True:
        page = synced.get("/api/changes?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        pages += page["changes"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == whole["changes"]
    only = synced.get("/api/changes?kind=updated&cause=provider&provider=acme")["changes"]
    assert [each["model_id"] for each in only] == ["gpt-4o"]
    problem(synced("GET", "/api/changes?provider=nobody"), 404, "unknown-provider")
    digest = synced.get("/api/digest")
    assert (digest["counts"]["added"], digest["counts"]["limits"]) == (5, 1)


def test_an_override_is_set_shown_and_removed_in_the_token_s_name(synced: Api):
    override = {"model_id": "gpt-4o", "field": "context_length", "value": 99_000, **WHY}
    set_one = synced("PUT", "/api/providers/acme/overrides", json=override).json()
    assert (set_one["override_value"], set_one["created_by_id"]) == (99_000, synced.token_id("admin"))
    assert synced.get("/api/overrides?provider=acme&model_id=gpt-4o") == [set_one]
    synced("POST", "/api/providers/acme/sync-models")
    models = {each["model_id"]: each for each in synced.get("/api/providers/acme/models")["models"]}
    assert (models["gpt-4o"]["context_length"], models["gpt-4o"]["overridden_fields"]) == (99_000, ["context_length"])
    past = {**override, "expires_at": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    problem(synced("PUT", "/api/providers/acme/overrides", json=past), 422, "past-end")
    wrong = {**override, "value": "much"}
    problem(synced("PUT", "/api/providers/acme/overrides", json=wrong), 422, "invalid-rule")
    where = "/api/providers/acme/overrides?model_id=gpt-4o&field=context_length"
    assert synced("DELETE", where).status_code == 204
    problem(synced("DELETE", where), 404, "no-override")


def test_metrics_tell_how_every_enabled_provider_is_doing(synced: Api):
    synced.fleet.add("down")
    synced.fleet.add("off")
    block(synced, {"moved": 1})
    synced("DELETE", "/api/providers/off")
    answer = synced("GET", "/metrics", scope="read")
    assert answer.headers["content-type"].startswith("text/plain")
    values = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert values.pop('provider_pipeline_models{provider="acme",status="active"}') == "5.0"
    assert values['provider_pipeline_blocked{provider="acme"}'] == "1.0"
    assert values['provider_pipeline_blocked{provider="down"}'] == "0.0"
    assert values['provider_pipeline_consecutive_failures{provider="acme"}'] == "1.0"
    assert float(values['provider_pipeline_last_sync_seconds{provider="acme"}']) > 0
    assert 0 <= float(values['provider_pipeline_last_success_age_seconds{provider="acme"}']) < 600
    assert not [name for name in values if "off" in name]


def test_the_documentation_describes_every_error_as_a_problem(api: Api):
    document = api("GET", "/openapi.json", scope=None).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert errors, (method, path)
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"], (method, path)
    assert api("GET", "/docs", scope=None).status_code == 200


def test_a_token_s_scope_includes_the_smaller_ones():
    assert catalog.api_tokens.SCOPES == ("read", "sync", "admin")


def test_a_key_goes_to_another_host_only_if_the_request_names_that(api: Api):
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


def test_keys_in_a_sample_are_masked_before_it_is_stored(api: Api):
    api.fleet.add("acme")
    sample = listing(*CHAT_MODELS) | {"apiKey": "hunter2 is my password"}
    sample["data"][0]["note"] = "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2"
    made = api("POST", "/api/providers/acme/metadata/generate-rules", json={"sample_response": sample})
    assert made.status_code == 200, made.text
    assert list(places_in(api.fleet.database.engine)) == []
