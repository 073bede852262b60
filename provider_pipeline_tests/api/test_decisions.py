"""Who may decide what: each scope against each decision, and each token against other tokens' claims."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.sync.repair.worker import answer_tasks, worker_name
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

SYNC = "/api/providers/acme/sync-models"
KEYS = "/v1/organization/admin_api_keys"
WHY = {"reason": "somebody looked"}
MANY = listing(*(f"gpt-4-v{number}" for number in range(20)))
GOOD = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))


def allowed(scope: str, needed: str) -> bool:
    return catalog.api_tokens.SCOPES.index(scope) >= catalog.api_tokens.SCOPES.index(needed)


def sync(fleet: Fleet) -> None:
    with fleet.database.session() as session:
        ModelSyncer(session, client=ListingClient()).sync_provider_models("acme")


@pytest.fixture
def task(api: Api) -> int:
    """The task of a provider whose listing moved; its host also serves keys."""
    api.fleet.add("acme")
    api.fleet.serve("acme", {"data": [{"id": "sk-admin-0001"}, {"id": "sk-admin-0002"}]}, at=KEYS)
    sync(api.fleet)
    api.fleet.serve("acme", moved(*CHAT_MODELS))
    with pytest.raises(RuleValidationError):
        sync(api.fleet)
    return api.fleet.tasks("acme")[0].id


@pytest.mark.parametrize("scope", catalog.api_tokens.SCOPES)
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_only_admin_accepts_what_a_guard_blocks(api: Api, scope: str, query: str):
    api.fleet.add("acme", MANY)
    sync(api.fleet)
    before = api.fleet.rows("acme")
    api.fleet.serve("acme", listing("gpt-4-v1"))
    answer = api("POST", f"{SYNC}{query}", scope=scope, json={"accept": ["shrink", "turnover"], **WHY})
    if allowed(scope, "admin"):
        assert answer.status_code == 200, answer.text
        return
    detail = problem(answer, 403, "scope-missing")["detail"]
    assert f"{scope!r} has {scope}" in detail
    assert api.fleet.rows("acme") == before
    with api.fleet.database.session() as session:
        assert catalog.acceptances.find(session) == []


def test_the_refusal_to_accept_names_the_missing_scope(api: Api):
    detail = problem(api("POST", SYNC, scope="sync", json={"accept": ["all"], **WHY}), 403, "scope-missing")["detail"]
    assert detail == "accepting what a guard blocks needs a token with the scope admin; 'sync' has sync"


def test_only_admin_launches_a_run_that_accepts(fleet: Fleet, httpserver: HTTPServer, serving):
    fleet.add("acme")
    api = serving(ApiSettings(dagster_url=httpserver.url_for("/")))
    httpserver.clear()
    httpserver.clear_log()
    answer = api("POST", f"{SYNC}?via=dagster", scope="sync", json={"accept": ["shrink"], **WHY})
    problem(answer, 403, "scope-missing")
    assert len(httpserver.log) == 0
    problem(api("POST", f"{SYNC}?via=dagster", json={"accept": ["shrink"], **WHY}), 502, "dagster-refused")
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("scope", catalog.api_tokens.SCOPES)
@pytest.mark.parametrize("decision", ["approve", "reject", "retry", "cancel"])
def test_only_admin_decides_a_task(api: Api, task: int, scope: str, decision: str):
    elsewhere = {"rule": GOOD | {"endpoint": KEYS}}
    assert api("POST", f"/api/tasks/{task}/propose", scope="sync", json=elsewhere).json()["status"] == "needs_review"
    before = api.get(f"/api/tasks/{task}")
    answer = api("POST", f"/api/tasks/{task}/{decision}", scope=scope, json=WHY)
    if allowed(scope, "admin"):
        assert answer.status_code == 200, answer.text
    else:
        problem(answer, 403, "scope-missing")
        assert api.get(f"/api/tasks/{task}") == before


@pytest.mark.parametrize("scope", catalog.api_tokens.SCOPES)
@pytest.mark.parametrize(("decision", "before", "after"), [("rules/2/activate", 1, 2), ("rules/rollback", 2, 1)])
def test_only_admin_activates_a_rule(api: Api, scope: str, decision: str, before: int, after: int):
    api.fleet.add("acme")
    generate = "/api/providers/acme/metadata/generate-rules"
    made = api("POST", generate, scope="sync", json={"sample_response": moved(*CHAT_MODELS), "endpoint": KEYS}).json()
    assert (made["version"], made["activated"]) == (2, False)
    api("POST", f"/api/providers/acme/rules/{before}/activate", json=WHY)
    answer = api("POST", f"/api/providers/acme/{decision}", scope=scope, json=WHY)
    if allowed(scope, "admin"):
        assert answer.json() == {"provider": "acme", "active": after}
    else:
        problem(answer, 403, "scope-missing")
        assert api.get("/api/providers/acme")["rule_version"] == before


def test_approving_a_reviewed_version_does_not_approve_a_later_proposal(api: Api, task: int):
    propose, approve = f"/api/tasks/{task}/propose", f"/api/tasks/{task}/approve"
    harmless = {"rule": GOOD | {"fields": {"id": "model"}, "units": {}}}
    assert api("POST", propose, scope="sync", json=harmless).json()["version"] == 2
    assert api("POST", propose, scope="sync", json={"rule": GOOD | {"endpoint": KEYS}}).json()["version"] == 3
    problem(api("POST", approve, json={"version": 2, **WHY}), 409, "catalog")
    assert api.get("/api/providers/acme")["rule_version"] == 1
    assert api("POST", approve, json={"version": 3, **WHY}).json() == {"provider": "acme", "active": 3}


@pytest.mark.parametrize("scope", ["sync", "admin"])
@pytest.mark.parametrize("author", ["agent", "person"])
def test_a_proposed_rule_that_sends_requests_elsewhere_is_never_activated_automatically(
    api: Api, task: int, scope: str, author: str
):
    both = {
        "model_list_config": {
            "endpoint": [
                {"endpoint": "/v1/models", "selector": GOOD["jmespath_rule"], "fields": GOOD["fields"]},
                {"endpoint": KEYS, "selector": "data[*]", "fields": {"id": "id"}},
            ]
        },
        "endpoints_config": {each["capability"]: {"patterns": each["patterns"]} for each in GOOD["capability_rules"]},
    }
    for rule in (both, GOOD | {"endpoint": f"/v1/models?next={KEYS}"}):
        proposal = {"rule": rule, "author": author}
        answer = api("POST", f"/api/tasks/{task}/propose", scope=scope, json=proposal).json()
        assert answer["status"] == "needs_review"
        assert "asks_the_same_places" in [gate["name"] for gate in answer["gates"] if not gate["passed"]]
    api("POST", SYNC, scope="sync")
    assert {request.path for request, _ in api.fleet.server.log} == {"/acme/v1/models"}
    assert api.get("/api/providers/acme")["rule_version"] == 1


def test_a_proposed_rule_without_an_endpoint_keeps_the_active_one_and_is_activated(api: Api, task: int):
    answer = api("POST", f"/api/tasks/{task}/propose", scope="sync", json={"rule": GOOD}).json()
    assert answer["status"] == "activated"
    assert api.get(f"/api/providers/acme/rules/{answer['version']}")["model_list_config"]["endpoint"] == "/v1/models"
    assert api("POST", SYNC, scope="sync").json()["models_unchanged"] == 5


def acts(task: int, worker: str) -> list[tuple[str, dict]]:
    """All requests that need a claim."""
    return [
        (f"/api/tasks/{task}/extend", {"worker": worker}),
        (f"/api/tasks/{task}/release", {"worker": worker, **WHY}),
        (f"/api/tasks/{task}/propose", {"worker": worker, "rule": GOOD}),
    ]


def test_only_the_token_that_made_a_claim_can_use_it(api: Api, task: int):
    claimed = api("POST", f"/api/tasks/{task}/claim", scope="sync", json={"worker": "alice"}).json()
    assert api.get(f"/api/tasks/{task}") == claimed
    assert "token" not in str(claimed)
    for path, body in acts(task, "alice"):
        detail = problem(api("POST", path, scope="admin", json=body), 409, "task-claim-lost")["detail"]
        assert detail == f"task {task} is with alice, but was not claimed with this token"
        problem(api("POST", path, scope="read", json=body), 403, "scope-missing")
    assert api.get(f"/api/tasks/{task}") == claimed
    assert api.get("/api/providers/acme")["rule_version"] == 1
    longer = api("POST", f"/api/tasks/{task}/extend", scope="sync", json={"worker": "alice", "lease_seconds": 7200})
    until = datetime.fromisoformat(longer.json()["claimed_until"])
    assert until > datetime.fromisoformat(claimed["claimed_until"])
    released = api("POST", f"/api/tasks/{task}/release", scope="sync", json={"worker": "alice", **WHY}).json()
    assert (released["status"], released["claimed_by"], released["result"]["reason"]) == (
        "PENDING",
        None,
        WHY["reason"],
    )
    for path, body in acts(task, "alice"):
        problem(api("POST", path, scope="sync", json=body), 409, "task-claim-lost")


@pytest.mark.parametrize("worker", ["somebody", worker_name()], ids=["an agent's", "a built-in worker's"])
def test_no_token_can_use_a_claim_made_outside_the_api(api: Api, task: int, worker: str):
    with api.fleet.database.session() as session:
        now, lease = datetime.now(UTC), timedelta(hours=1)
        claimed = catalog.task_claims.claim(session, worker=worker, now=now, lease=lease, task_id=task)
        session.commit()
    for scope in ("sync", "admin"):
        for path, body in acts(task, worker):
            assert api("POST", path, scope=scope, json=body).status_code in (409, 422)
    assert api.fleet.tasks("acme") == [claimed]


def test_the_names_of_built_in_workers_are_refused(api: Api, task: int):
    for path, body in [(f"/api/tasks/{task}/claim", {"worker": worker_name()}), *acts(task, worker_name())]:
        document = problem(api("POST", path, json=body), 422, "invalid-request")
        assert document["errors"][0]["at"] == ["body", "worker"]
    with api.fleet.database.session() as session:
        (repair,) = answer_tasks(session, "acme")
    assert repair.activated


def test_without_tokens_every_caller_is_the_operator(serving, fleet: Fleet):
    fleet.add("acme", MANY)
    sync(fleet)
    fleet.serve("acme", listing("gpt-4-v1"))
    api = serving(ApiSettings(needs_token=False))
    assert api("POST", SYNC, scope=None, json={"accept": ["all"], **WHY}).status_code == 200
