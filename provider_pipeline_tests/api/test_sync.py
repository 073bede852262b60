"""Syncs, and rules generated from samples, over HTTP."""

from datetime import datetime, timedelta

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.sync_locks import LEASE
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, listing, moved
from provider_pipeline_tests.listing.hostile.search import places_in

SYNC = "/api/providers/acme/sync-models"


GENERATE = "/api/providers/acme/metadata/generate-rules"


def test_a_sync_returns_what_the_python_api_returns(api: Api):
    api.fleet.add("acme")
    dry = api("POST", f"{SYNC}?dry_run=true", scope="sync").json()
    assert (dry["dry_run"], dry["models_created"]) == (True, 5)
    assert api.fleet.rows("acme") == {}
    answer = api("POST", SYNC, scope="sync")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document.pop("seconds") > 0
    assert [change["kind"] for change in document.pop("changes")] == ["added"] * 5
    assert document == {
        "success": True,
        "provider": "acme",
        "dry_run": False,
        "models_synced": 5,
        "models_created": 5,
        "models_renamed": 0,
        "models_updated": 0,
        "models_unchanged": 0,
        "models_missing": 0,
        "models_removed": 0,
        "models_restored": 0,
        "models_rejected": 0,
        "rule_version": 1,
        "raw_response_id": document["raw_response_id"],
        "issues": document["issues"],
    }
    assert set(api.fleet.rows("acme")) == set(CHAT_MODELS)


def test_a_blocked_sync_is_a_422_with_its_issues_and_opens_a_task_with_the_token_as_author(api: Api):
    api.fleet.add("acme")
    api.fleet.serve("acme", {"moved": True})
    document = problem(api("POST", SYNC, scope="sync"), 422, "rule-validation")
    assert document["detail"].startswith("acme: ")
    assert [each["severity"] for each in document["issues"]].count("error") >= 1
    (task,) = api.fleet.tasks("acme")
    assert task.created_by_id == api.token_id("sync")
    assert api.get(f"/api/tasks/{task.id}")["config"]["issues"] == document["issues"]
    problem(api("POST", f"{SYNC}?dry_run=true"), 422, "rule-validation")


def test_a_sync_in_progress_is_a_409_that_names_the_process(api: Api):
    api.fleet.add("acme")
    with (
        catalog.database.open_database(api.fleet.database.url, client_name="the CLI") as other,
        other.session() as session,
        catalog.sync_locks.sync_lock(session, catalog.providers.get(session, "acme")),
    ):
        document = problem(api("POST", SYNC), 409, "sync-in-progress")
    assert document["detail"].startswith("acme is being synced by the CLI on ")
    assert document["holder"].startswith("the CLI on ")
    since, until = (datetime.fromisoformat(document[name]) for name in ("since", "until"))
    assert timedelta(0) < until - since <= LEASE


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (("no", 404, "text/plain"), 502, "listing-refused"),
        (("<html>", 200, "text/html"), 502, "listing-unreadable"),
    ],
)
def test_a_provider_that_refuses_or_sends_no_listing_is_a_502(api: Api, answer, status: int, kind: str):
    api.fleet.add("acme")
    body, code, content_type = answer
    api.fleet.answer("acme", body, status=code, content_type=content_type)
    problem(api("POST", SYNC), status, kind)


def test_a_provider_that_does_not_answer_is_a_504(api: Api):
    api.fleet.add("acme")
    api("PATCH", "/api/providers/acme", json={"base_url": "http://127.0.0.1:9"})
    problem(api("POST", SYNC), 504, "listing-unreachable")


def test_a_missing_rule_provider_or_key_is_named(api: Api):
    new = {"slug": "acme", "base_url": "http://127.0.0.1:9", "requests": {"allow_private": True}}
    new["auth"] = {"type": "bearer", "env": "NOBODY_SET_THIS"}
    assert api("POST", "/api/providers", json=new).status_code == 201
    problem(api("POST", SYNC), 404, "rule-missing")
    problem(api("POST", "/api/providers/nobody/sync-models"), 404, "unknown-provider")
    version = api("POST", GENERATE, json={"sample_response": listing(*CHAT_MODELS)}).json()["version"]
    api("POST", f"/api/providers/acme/rules/{version}/activate", json={"reason": "looked at it"})
    assert "NOBODY_SET_THIS" in problem(api("POST", SYNC), 422, "missing-credential")["detail"]


def test_a_guard_is_accepted_with_a_reason_and_the_token_as_author(api: Api):
    api.fleet.add("acme", listing(*(f"gpt-4-v{n}" for n in range(20))))
    api("POST", SYNC)
    api.fleet.serve("acme", listing("gpt-4-v1"))
    problem(api("POST", SYNC), 422, "rule-validation")
    problem(api("POST", SYNC, json={"accept": ["shrink"]}), 422, "configuration")
    problem(api("POST", SYNC, json={"accept": ["nonsense"], "reason": "x"}), 422, "unknown-value")
    answer = api("POST", SYNC, json={"accept": ["all"], "reason": "they closed shop"})
    assert answer.status_code == 200, answer.text
    with api.fleet.database.session() as session:
        (accepted,) = catalog.acceptances.find(session, slug="acme")
    assert (accepted.reason, accepted.created_by_id) == ("they closed shop", api.token_id("admin"))


def test_a_rule_generated_from_a_sample_is_stored_with_the_token_as_author_and_not_used(api: Api):
    api.fleet.add("acme")
    sample = moved(*CHAT_MODELS)
    dry = api("POST", f"{GENERATE}?dry_run=true", scope="sync", json={"sample_response": sample}).json()
    assert (dry["version"], dry["models"], dry["rule"]["jmespath_rule"]) == (None, 5, "result.models[*]")
    assert len(api.get("/api/providers/acme/rules")) == 1
    made = api("POST", GENERATE, scope="sync", json={"sample_response": sample}).json()
    assert (made["version"], made["activated"], made["models"]) == (2, False, 5)
    assert made["rule"] == dry["rule"]
    first, second = api.get("/api/providers/acme/rules")
    assert (first["status"], second["status"]) == ("active", "candidate")
    assert second["created_by_id"] == api.token_id("sync")
    (stored,) = [each for each in api.get("/api/providers/acme/raw-responses") if each["id"] == second["sample_id"]]
    assert stored["complete"] is False


@pytest.mark.parametrize("sample", [None, 7, "text", [], {}, {"data": []}, {"data": [1, 2]}])
@pytest.mark.parametrize("dry", ["", "?dry_run=true"])
def test_a_sample_without_models_is_a_422_and_stores_no_rule(api: Api, sample: object, dry: str):
    api.fleet.add("acme")
    answer = api("POST", f"{GENERATE}{dry}", json={"sample_response": sample})
    document = problem(answer, 422, "rule-validation")
    assert document["issues"]
    assert len(api.get("/api/providers/acme/rules")) == 1


def test_a_sample_with_integers_beyond_64_bits_is_read(api: Api):
    api.fleet.add("acme")
    found = api("POST", GENERATE, json={"sample_response": listing(*CHAT_MODELS) | {"serial": 10**30}})
    assert found.json()["models"] == len(CHAT_MODELS)


def test_keys_in_a_sample_are_masked_before_it_is_stored(api: Api):
    api.fleet.add("acme")
    sample = listing(*CHAT_MODELS) | {"apiKey": "hunter2 is my password"}
    sample["data"][0]["note"] = "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2"
    made = api("POST", "/api/providers/acme/metadata/generate-rules", json={"sample_response": sample})
    assert made.status_code == 200, made.text
    assert list(places_in(api.fleet.database.engine)) == []
