"""Health for load balancers, and metrics for Prometheus."""

import threading

import httpx
from sqlalchemy import text

from provider_pipeline.api.app import create_app
from provider_pipeline_tests.api.conftest import Api, block, problem
from provider_pipeline_tests.api.server import running_api
from provider_pipeline_tests.fleet import Fleet

TIMEOUT = 120


def test_health_needs_no_token_and_readiness_needs_the_database_and_its_schema(api: Api):
    assert api("GET", "/healthz", scope=None).json() == {"status": "ok"}
    assert api("GET", "/readyz", scope=None).json() == {"status": "ok"}
    with api.fleet.database.engine.begin() as connection:
        connection.execute(text("UPDATE provider_pipeline_schema_version SET version_num = '0001'"))
    document = problem(api("GET", "/readyz", scope=None), 503, "migration-missing")
    assert document["hint"] == "run: provider-pipeline db upgrade"
    assert api("GET", "/healthz", scope=None).status_code == 200


def test_metrics_cover_every_enabled_provider(synced: Api):
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


def test_the_metrics_of_a_sample_provider_are_labelled_so(fleet: Fleet, api: Api):
    fleet.add("acme", is_sample=True)
    lines = [line for line in api("GET", "/metrics", scope="read").text.splitlines() if not line.startswith("#")]
    assert len(lines) == 3
    assert all('{provider="acme",sample="true"}' in line for line in lines)


def test_health_and_metrics_are_answered_while_every_thread_waits_for_the_database(fleet: Fleet):
    fleet.add("acme")
    threads = create_app(fleet.database).state.service.threads
    waiting_now = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with (
        running_api(fleet.database, "--no-auth") as api,
        httpx.Client(base_url=api.url, timeout=TIMEOUT) as client,
        fleet.database.session() as holder,
        fleet.database.session() as watching,
    ):
        holder.execute(text("LOCK TABLE provider_model_change"))
        asked = [threading.Thread(target=client.get, args=("/api/changes",)) for _ in range(2 * threads)]
        for each in asked:
            each.start()
        while watching.scalar(waiting_now) < threads:
            watching.rollback()
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200, path
        holder.rollback()
        for each in asked:
            each.join(TIMEOUT)
