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
