"""Who may ask for what: tokens, scopes, limits, and the record of it."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.limits import TokenBuckets
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.api.conftest import Api, Client, problem
from provider_pipeline_tests.fleet import Fleet

WHY = {"reason": "tests"}
NEEDS = {
    "read": [
        ("GET", "/api/providers", None),
        ("GET", "/api/providers/acme", None),
        ("GET", "/api/providers/acme/models", None),
        ("GET", "/api/models", None),
        ("GET", "/api/providers/acme/rules", None),
        ("GET", "/api/providers/acme/rules/1", None),
        ("GET", "/api/providers/acme/rules/1/explain", None),
        ("GET", "/api/providers/acme/rules/diff?before=1&after=1", None),
        ("GET", "/api/tasks", None),
        ("GET", "/api/tasks/1", None),
        ("GET", "/api/changes", None),
        ("GET", "/api/digest", None),
        ("GET", "/api/providers/acme/raw-responses", None),
        ("GET", "/api/overrides", None),
        ("GET", "/metrics", None),
    ],
    "sync": [
        ("POST", "/api/providers/acme/sync-models?dry_run=true", None),
        ("POST", "/api/providers/acme/metadata/generate-rules?dry_run=true", {"sample_response": {}}),
        ("POST", "/api/tasks/1/claim", {"worker": "me"}),
        ("POST", "/api/tasks/1/extend", {"worker": "me"}),
        ("POST", "/api/tasks/1/release", {"worker": "me", **WHY}),
        ("POST", "/api/tasks/1/propose", {"rule": {}}),
    ],
    "admin": [
        ("POST", "/api/providers", {"slug": "new", "base_url": "https://example.com"}),
        ("PATCH", "/api/providers/acme", {}),
        ("DELETE", "/api/providers/acme", None),
        ("POST", "/api/providers/acme/rules/1/activate", WHY),
        ("POST", "/api/providers/acme/rules/rollback", WHY),
        ("POST", "/api/tasks/1/approve", WHY),
        ("POST", "/api/tasks/1/reject", WHY),
        ("POST", "/api/tasks/1/retry", WHY),
        ("POST", "/api/tasks/1/cancel", WHY),
        ("PUT", "/api/providers/acme/overrides", {"model_id": "m", "field": "family", "value": "f", **WHY}),
        ("DELETE", "/api/providers/acme/overrides?model_id=m&field=family", None),
    ],
}
EVERY = [(scope, *request) for scope, requests in NEEDS.items() for request in requests]


@pytest.mark.parametrize(("needed", "method", "path", "body"), EVERY, ids=[f"{each[1]} {each[2]}" for each in EVERY])
def test_every_endpoint_needs_its_scope(api: Api, needed: str, method: str, path: str, body: object):
    api.fleet.add("acme")
    problem(api(method, path, scope=None, json=body), 401, "token-missing")
    for scope in catalog.api_tokens.SCOPES:
        answer = api(method, path, scope=scope, json=body)
        if catalog.api_tokens.SCOPES.index(scope) < catalog.api_tokens.SCOPES.index(needed):
            detail = problem(answer, 403, "scope-missing")["detail"]
            assert detail == f"this needs a token of the scope {needed}; {scope!r} has {scope}"
        else:
            assert answer.status_code not in (401, 403, 500), answer.text


def test_no_endpoint_is_left_out(api: Api):
    templates = {
        (method.upper(), path)
        for path, found in create_app(api.fleet.database).openapi()["paths"].items()
        for method in found
    }
    open_to_all = {("GET", "/healthz"), ("GET", "/readyz")}
    assert len(templates - open_to_all) == len(EVERY)


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer \u00e9", "bearer"])
def test_what_is_no_token_is_refused(api: Api, given: str):
    answer = api("GET", "/api/models", scope=None, headers={"Authorization": given.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_ends_when_it_expires_or_is_revoked(api: Api):
    with api.fleet.database.session() as session:
        old = catalog.api_tokens.create(session, "old", "read", expires_at=datetime.now(UTC) - timedelta(seconds=1))
        catalog.api_tokens.revoke(session, "sync")
        session.commit()
    for token in (old, api.tokens["sync"]):
        headers = {"Authorization": f"Bearer {token}"}
        problem(api("GET", "/api/models", scope=None, headers=headers), 401, "token-refused")


def test_only_a_digest_of_a_token_is_stored_and_its_use_is_noted_once_a_minute(api: Api):
    for _ in range(2):
        api.get("/api/models")
    with api.fleet.database.session() as session:
        (stored,) = session.execute(text("SELECT * FROM api_token WHERE name = 'read'")).mappings()
        assert api.tokens["read"] not in str(dict(stored))
        assert stored["last_used_at"] is not None
        before = session.scalar(text("SELECT xmin::text FROM api_token WHERE name = 'read'"))
    api.get("/api/models")
    with api.fleet.database.session() as session:
        assert session.scalar(text("SELECT xmin::text FROM api_token WHERE name = 'read'")) == before


def test_a_name_is_in_use_once_at_a_time(api: Api):
    with api.fleet.database.session() as session:
        with pytest.raises(CatalogError, match="in use already"):
            catalog.api_tokens.create(session, "read", "read")
        catalog.api_tokens.revoke(session, "read")
        catalog.api_tokens.create(session, "read", "admin")
        session.commit()
        with pytest.raises(CatalogError, match="no token"):
            catalog.api_tokens.revoke(session, "nobody")


def audit(fleet: Fleet) -> list[tuple]:
    with fleet.database.session() as session:
        query = "SELECT name, method, path, status FROM api_audit LEFT JOIN api_token ON token_id = api_token.id"
        return [tuple(row) for row in session.execute(text(f"{query} ORDER BY api_audit.id"))]


def test_every_request_that_could_change_something_is_noted_with_its_author(api: Api):
    api.fleet.add("acme")
    api("GET", "/api/models")
    api("DELETE", "/api/providers/acme?token=secret")
    api("DELETE", "/api/providers/acme", scope="read")
    api("DELETE", "/api/providers/acme", scope=None)
    api("POST", "/api/providers/nobody%00/sync-models")
    api("POST", "/nowhere")
    assert audit(api.fleet) == [
        ("admin", "DELETE", "/api/providers/acme", 204),
        ("read", "DELETE", "/api/providers/acme", 403),
        ("admin", "POST", "/api/providers/nobody%00/sync-models", 422),
    ]


@pytest.mark.parametrize("change", ["UPDATE api_audit SET status = 200", "DELETE FROM api_audit", "TRUNCATE api_audit"])
def test_the_record_cannot_be_changed(api: Api, change: str):
    api.fleet.add("acme")
    api("DELETE", "/api/providers/acme")
    with api.fleet.database.session() as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(change))


def test_a_body_that_is_too_large_is_refused_announced_or_not(serving):
    api = serving(ApiSettings(most_bytes=1000))
    body = b'{"sample_response": "' + b"x" * 2000 + b'"}'

    async def chunks():
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    path = "/api/providers/acme/metadata/generate-rules"
    for content in (body, chunks()):
        answer = api("POST", path, content=content, headers={"Content-Type": "application/json"})
        problem(answer, 413, "content-too-large")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body is"),
        (b'{"sample_response": NaN}', "the body is"),
        (b'{"sample_response": 1, "sample_response": 2}', "the body is"),
        (b'{"sample_response": "\\u0000"}', "NUL"),
        (b'{"sample_response": {"\\ud800": 1}}', "surrogate"),
        (b'{"sample_response": ' + b"[" * 1000 + b"]" * 1000 + b"}", "the body is"),
        (b"\xff\xfe\xfa", "the body is"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(api: Api, body: bytes, said: str):
    api.fleet.add("acme")
    path = "/api/providers/acme/metadata/generate-rules"
    answer = api("POST", path, content=body, headers={"Content-Type": "application/json"})
    assert said in problem(answer, 400, "bad-request")["detail"]


def test_what_was_sent_is_not_repeated_in_an_error(api: Api):
    answer = api("POST", "/api/providers", json={"slug": "x", "base_url": "sk-very-secret", "key": "sk-very-secret"})
    assert "sk-very-secret" not in answer.text
    assert [each["at"] for each in problem(answer, 422, "invalid-request")["errors"]] == [
        ["body", "base_url"],
        ["body", "key"],
    ]


def test_a_token_that_asks_too_often_has_to_wait_and_others_do_not(serving):
    api = serving(ApiSettings(requests_per_second=0.01, burst=2))
    assert [api("GET", "/api/tasks").status_code for _ in range(3)] == [200, 200, 429]
    assert int(api("GET", "/api/tasks").headers["retry-after"]) > 60
    assert api("GET", "/api/tasks", scope="read").status_code == 200
    strangers = [api("GET", "/api/tasks", scope=None).status_code for _ in range(3)]
    assert strangers == [401, 401, 429]
    assert api("GET", "/healthz", scope=None).status_code == 200


def test_a_bucket_fills_again_up_to_its_size():
    now = 0.0
    buckets = TokenBuckets(per_second=2, burst=3, clock=lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    now = 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    now = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Host": "localhost:8400"}, True),
        ({"Host": "[::1]:8400"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Origin": "http://localhost:3000"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "[::1"}, False),
    ],
)
def test_without_tokens_no_web_page_is_answered(fleet: Fleet, headers: dict[str, str], allowed: bool):
    with Client(create_app(fleet.database, ApiSettings(needs_token=False))) as client:
        answer: httpx.Response = client.get("/api/models", headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/api/providers/acme/nothing", 404, "not-found"),
        ("PUT", "/api/models", 405, "method-not-allowed"),
        ("GET", "/api/tasks/0", 422, "invalid-request"),
        ("GET", "/api/tasks/99999999999999999999", 422, "invalid-request"),
        ("GET", "/api/tasks/7", 404, "no-such-entry"),
        ("GET", "/api/providers/%00/models", 422, "invalid-request"),
        ("GET", "/api/providers/acme/rules/9", 404, "rule-missing"),
        ("DELETE", "/api/providers/acme/overrides?model_id=m&field=family", 404, "no-override"),
        ("GET", "/api/digest?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422, "bad-span"),
        ("GET", "/api/digest?until=0001-01-01T00:00:00Z", 422, "bad-span"),
        ("GET", "/api/changes?cursor=e30", 400, "broken-cursor"),
    ],
)
def test_every_other_error_is_a_problem_too(api: Api, method: str, path: str, status: int, kind: str):
    api.fleet.add("acme")
    answer = api(method, path)
    problem(answer, status, kind)
    if status == 405:
        assert answer.headers["allow"] == "GET"


def test_a_defect_says_nothing_of_the_inside(api: Api):
    api.fleet.add("acme")
    with api.fleet.database.session() as session:
        session.execute(text("ALTER TABLE provider_sync RENAME COLUMN last_error TO was_last_error"))
        session.commit()
    document = problem(api("GET", "/api/providers/acme"), 500, "defect")
    assert "last_error" not in str(document)


def test_health_needs_no_token_and_readiness_needs_the_database_and_its_schema(api: Api):
    assert api("GET", "/healthz", scope=None).json() == {"status": "ok"}
    assert api("GET", "/readyz", scope=None).json() == {"status": "ok"}
    with api.fleet.database.engine.begin() as connection:
        connection.execute(text("UPDATE provider_pipeline_schema_version SET version_num = '0001'"))
    document = problem(api("GET", "/readyz", scope=None), 503, "migration-missing")
    assert document["hint"] == "run: provider-pipeline db upgrade"
    assert api("GET", "/healthz", scope=None).status_code == 200
