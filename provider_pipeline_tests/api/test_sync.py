"""Syncs and generated rules over HTTP."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import graphql as graphql_core
import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline import catalog
from provider_pipeline.api.dagster_runs import ADD_PARTITION, JOB, LAUNCH, LOCATION, PARTITIONS, STEP
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.catalog.sync_locks import LEASE
from provider_pipeline.definitions import defs
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved
from provider_pipeline_tests.listing.hostile.server import HostileServer
from provider_pipeline_tests.listing.test_posting import DRIPPING

SYNC = "/api/providers/acme/sync-models"
GENERATE = "/api/providers/acme/metadata/generate-rules"


def test_a_sync_answers_what_the_python_api_answers(api: Api):
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


def test_a_blocked_sync_is_a_422_with_the_reason_and_the_issues_and_opens_a_task_of_the_token(api: Api):
    api.fleet.add("acme")
    api.fleet.serve("acme", {"moved": True})
    document = problem(api("POST", SYNC, scope="sync"), 422, "rule-validation")
    assert document["detail"].startswith("acme: ")
    assert [each["severity"] for each in document["issues"]].count("error") >= 1
    (task,) = api.fleet.tasks("acme")
    assert task.created_by_id == api.token_id("sync")
    assert api.get(f"/api/tasks/{task.id}")["config"]["issues"] == document["issues"]
    problem(api("POST", f"{SYNC}?dry_run=true"), 422, "rule-validation")


def test_a_provider_that_somebody_is_syncing_is_a_409_that_says_who(api: Api):
    api.fleet.add("acme")
    with (
        catalog.database.open_database(api.fleet.database.url, door="the CLI") as other,
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
def test_a_provider_that_refuses_or_says_nothing_readable_is_a_502(api: Api, answer, status: int, kind: str):
    api.fleet.add("acme")
    body, code, content_type = answer
    api.fleet.answer("acme", body, status=code, content_type=content_type)
    problem(api("POST", SYNC), status, kind)


def test_a_provider_that_does_not_answer_is_a_504(api: Api):
    api.fleet.add("acme")
    api("PATCH", "/api/providers/acme", json={"base_url": "http://127.0.0.1:9"})
    problem(api("POST", SYNC), 504, "listing-unreachable")


def test_a_provider_without_a_rule_or_a_key_says_so(api: Api):
    new = {"slug": "acme", "base_url": "http://127.0.0.1:9", "requests": {"allow_private": True}}
    new["auth"] = {"type": "bearer", "env": "NOBODY_SET_THIS"}
    assert api("POST", "/api/providers", json=new).status_code == 201
    problem(api("POST", SYNC), 404, "rule-missing")
    problem(api("POST", "/api/providers/nobody/sync-models"), 404, "unknown-provider")
    version = api("POST", GENERATE, json={"sample_response": listing(*CHAT_MODELS)}).json()["version"]
    api("POST", f"/api/providers/acme/rules/{version}/activate", json={"reason": "looked at it"})
    assert "NOBODY_SET_THIS" in problem(api("POST", SYNC), 422, "missing-credential")["detail"]


def test_a_guard_is_accepted_with_a_reason_in_the_token_s_name(api: Api):
    api.fleet.add("acme", listing(*(f"gpt-4-v{n}" for n in range(20))))
    api("POST", SYNC)
    api.fleet.serve("acme", listing("gpt-4-v1"))
    problem(api("POST", SYNC), 422, "rule-validation")
    problem(api("POST", SYNC, json={"accept": ["shrink"]}), 422, "configuration")
    problem(api("POST", SYNC, json={"accept": ["nonsense"], "reason": "x"}), 422, "configuration")
    answer = api("POST", SYNC, json={"accept": ["all"], "reason": "they closed shop"})
    assert answer.status_code == 200, answer.text
    with api.fleet.database.session() as session:
        (accepted,) = catalog.acceptances.find(session, slug="acme")
    assert (accepted.reason, accepted.created_by_id) == ("they closed shop", api.token_id("admin"))


def test_rules_generated_from_a_sample_are_stored_in_the_token_s_name_and_not_used(api: Api):
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


def graphql(server: HTTPServer, *answers: dict) -> None:
    for answer in answers:
        server.expect_ordered_request("/graphql", method="POST").respond_with_json({"data": answer})


def test_a_sync_is_launched_through_dagster(fleet: Fleet, httpserver: HTTPServer, serving):
    fleet.add("acme")
    api = serving(ApiSettings(dagster_url=httpserver.url_for("/").rstrip("/")))
    httpserver.clear()
    graphql(
        httpserver,
        {"addDynamicPartition": {"__typename": "DuplicateDynamicPartitionError"}},
        {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "abc-1"}}},
        {"addDynamicPartition": {"__typename": "AddDynamicPartitionSuccess"}},
        {"launchRun": {"__typename": "PythonError", "message": "no such\njob"}},
    )
    options = {"accept": ["shrink"], "reason": "they closed shop"}
    answer = api("POST", f"{SYNC}?via=dagster&dry_run=true", json=options)
    assert answer.status_code == 202, answer.text
    link = httpserver.url_for("/runs/abc-1")
    assert answer.json() == {"provider": "acme", "run_id": "abc-1", "url": link}
    assert answer.headers["location"] == link
    launch = httpserver.log[1][0].json["variables"]["execution"]
    assert launch["executionMetadata"]["tags"] == [{"key": "dagster/partition", "value": "acme"}]
    assert launch["runConfigData"] == {"ops": {"provider_catalog": {"config": {"dry_run": True, **options}}}}
    document = problem(api("POST", f"{SYNC}?via=dagster"), 502, "dagster-refused")
    assert document["detail"] == "Dagster refused: PythonError: no such job"


def test_a_dagster_that_is_not_there_or_something_else_is_told_apart(fleet: Fleet, httpserver: HTTPServer, serving):
    fleet.add("acme")
    api = serving(ApiSettings(dagster_url="http://127.0.0.1:9"))
    problem(api("POST", f"{SYNC}?via=dagster"), 504, "dagster-unreachable")
    problem(api("POST", f"{SYNC}?via=dagster", json={"accept": ["shrink"]}), 422, "configuration")
    api = serving(ApiSettings(dagster_url=httpserver.url_for("/")))
    for body in ("<html>", "[]", '{"data": null}', '{"errors": []}'):
        httpserver.clear()
        httpserver.expect_request("/graphql").respond_with_data(body)
        problem(api("POST", f"{SYNC}?via=dagster"), 502, "dagster-refused")


@pytest.mark.parametrize("how", ["says nothing", "drips headers", "drips a body"])
def test_a_dagster_that_drips_its_answer_is_given_up(fleet: Fleet, serving, monkeypatch: pytest.MonkeyPatch, how: str):
    monkeypatch.setattr("provider_pipeline.api.dagster_runs._SECONDS", 0.5)
    fleet.add("acme")
    with HostileServer(DRIPPING[how]) as dagster:
        api = serving(ApiSettings(dagster_url=dagster.url))
        began = time.monotonic()
        document = problem(api("POST", f"{SYNC}?via=dagster"), 504, "dagster-unreachable")
        assert time.monotonic() - began < 10
    assert document["detail"] == "Dagster does not answer: nothing whole within 0.5 s"


def test_without_an_address_of_dagster_nothing_is_launched(api: Api):
    api.fleet.add("acme")
    assert "PROVIDER_PIPELINE_DAGSTER_URL" in problem(api("POST", f"{SYNC}?via=dagster"), 503, "no-dagster")["hint"]


@pytest.mark.parametrize("query", [ADD_PARTITION, LAUNCH])
def test_what_dagster_is_asked_is_in_its_schema(query: str):
    from dagster_graphql.schema import create_schema

    assert graphql_core.validate(create_schema().graphql_schema, graphql_core.parse(query)) == []


def test_the_job_and_its_step_are_called_what_they_are_called():
    job = defs.resolve_job_def(JOB)
    assert [node.name for node in job.nodes] == [STEP]
    assert job.partitions_def.name == PARTITIONS
    workspace = (Path(__file__).parents[2] / "provider_pipeline" / "deploy" / "workspace.yaml").read_text(
        encoding="utf-8"
    )
    assert f"location_name: {LOCATION}\n" in workspace
