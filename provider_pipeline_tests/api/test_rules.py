"""Rule versions over HTTP."""

from provider_pipeline_tests.api.conftest import WHY, Api
from provider_pipeline_tests.fleet import CHAT_MODELS, moved


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
