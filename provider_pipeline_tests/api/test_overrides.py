"""Overrides over HTTP."""

from datetime import UTC, datetime, timedelta

from provider_pipeline_tests.api.conftest import WHY, Api, problem


def test_an_override_is_set_listed_and_removed_with_the_token_as_author(synced: Api):
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


def test_a_set_is_applied_whole_with_its_patterns_and_pruned(synced: Api):
    entry = {"provider": "acme", "reason": "their page", "field": "prices.cache_read", "value": 1.25}
    body = {"set": "team", "overrides": [{**entry, "pattern": "gpt-4o*"}, {**entry, "model": "gpt-4o", "value": 1}]}
    planned = synced("PUT", "/api/overrides?dry_run=true", json=body).json()
    assert (planned["applied"], [each["action"] for each in planned["changes"]]) == (False, ["set", "set"])
    assert synced.get("/api/overrides") == []
    done = synced("PUT", "/api/overrides", json=body).json()
    assert {**done, "applied": False} == planned
    assert synced("PUT", "/api/overrides", json=body).json()["unchanged"] == 2
    pruned = synced("PUT", "/api/overrides", json={"set": "team", "prune": True, "overrides": []}).json()
    assert [each["action"] for each in pruned["changes"]] == ["removed", "removed"]


def test_a_wrong_entry_of_a_set_is_named_by_its_position_and_applies_nothing(synced: Api):
    entry = {"provider": "acme", "model": "gpt-4o", "reason": "x", "field": "family", "value": "x"}
    body = {"set": "team", "overrides": [entry, {**entry, "field": "colour"}]}
    refused = problem(synced("PUT", "/api/overrides", json=body), 422, "configuration")
    assert refused["detail"].startswith("overrides[1]: no field 'colour'")
    assert synced.get("/api/overrides") == []
