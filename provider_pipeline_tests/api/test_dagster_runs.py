"""Syncs launched as runs in Dagster."""

import time
from pathlib import Path

import graphql as graphql_core
import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.api.dagster_runs import ADD_PARTITION, JOB, LAUNCH, LOCATION, PARTITIONS, STEP
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.definitions import defs
from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.listing.hostile.server import HostileServer
from provider_pipeline_tests.listing.test_posting import DRIPPING

SYNC = "/api/providers/acme/sync-models"


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


def test_an_unreachable_dagster_is_a_504_and_another_server_a_502(fleet: Fleet, httpserver: HTTPServer, serving):
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
def test_a_dagster_that_drips_its_response_times_out(fleet: Fleet, serving, monkeypatch: pytest.MonkeyPatch, how: str):
    monkeypatch.setattr("provider_pipeline.api.dagster_runs._TIMEOUT", 0.5)
    fleet.add("acme")
    with HostileServer(DRIPPING[how]) as dagster:
        api = serving(ApiSettings(dagster_url=dagster.url))
        began = time.monotonic()
        document = problem(api("POST", f"{SYNC}?via=dagster"), 504, "dagster-unreachable")
        assert time.monotonic() - began < 10
    assert document["detail"] == "Dagster does not answer: nothing whole within 0.5 s"


def test_without_a_dagster_url_nothing_is_launched(api: Api):
    api.fleet.add("acme")
    assert "PROVIDER_PIPELINE_DAGSTER_URL" in problem(api("POST", f"{SYNC}?via=dagster"), 503, "no-dagster")["hint"]


@pytest.mark.parametrize("query", [ADD_PARTITION, LAUNCH])
def test_the_mutations_are_valid_in_dagsters_schema(query: str):
    from dagster_graphql.schema import create_schema

    assert graphql_core.validate(create_schema().graphql_schema, graphql_core.parse(query)) == []


def test_job_step_partitions_and_location_have_these_names():
    job = defs.resolve_job_def(JOB)
    assert [node.name for node in job.nodes] == [STEP]
    assert job.partitions_def.name == PARTITIONS
    deploy = Path(__file__).parents[2] / "provider_pipeline" / "deploy"
    workspace = (deploy / "workspace.yaml").read_text(encoding="utf-8")
    assert f"location_name: {LOCATION}\n" in workspace
