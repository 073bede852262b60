"""RULE_GEN tasks over HTTP. Who may decide what is in `test_decisions.py`."""

from provider_pipeline_tests.api.conftest import WHY, Api, block, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, moved


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


def test_a_proposed_rule_is_rejected_and_approved(synced: Api):
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


def test_a_task_is_cancelled_and_reopened(synced: Api):
    task = block(synced, {"moved": 1})
    assert synced("POST", f"/api/tasks/{task}/cancel", json=WHY).json()["status"] == "CANCELLED"
    assert synced("POST", f"/api/tasks/{task}/retry", json=WHY).json()["status"] == "PENDING"
