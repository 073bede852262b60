"""Who may call what: tokens, scopes, and the audit log."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.api.conftest import WHY, Api, problem
from provider_pipeline_tests.fleet import Fleet

NEEDS = {
    "read": [
        ("GET", "/api/providers", None),
        ("GET", "/api/providers/acme", None),
        ("GET", "/api/providers/acme/models", None),
        ("GET", "/api/providers/acme/models/gpt-4.1", None),
        ("GET", "/api/models", None),
        ("GET", "/api/vocabulary", None),
        ("GET", "/api/canonical/openai/gpt-4.1/offers", None),
        ("GET", "/api/canonical", None),
        ("GET", "/v1/models", None),
        ("GET", "/api/v1/models", None),
        ("GET", "/providers/acme/v1/models", None),
        ("GET", "/exports", None),
        ("GET", "/exports/api.json", None),
        ("GET", "/exports/csv", None),
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
        ("PUT", "/api/overrides?dry_run=true", {"set": "s", "overrides": []}),
        ("PUT", "/api/providers/acme/overrides", {"model_id": "m", "field": "family", "value": "f", **WHY}),
        ("DELETE", "/api/providers/acme/overrides?model_id=m&field=family", None),
    ],
}


REQUESTS = [(scope, *request) for scope, requests in NEEDS.items() for request in requests]


@pytest.mark.parametrize(
    ("needed", "method", "path", "body"), REQUESTS, ids=[f"{each[1]} {each[2]}" for each in REQUESTS]
)
def test_every_endpoint_needs_its_scope(api: Api, needed: str, method: str, path: str, body: object):
    api.fleet.add("acme")
    problem(api(method, path, scope=None, json=body), 401, "token-missing")
    for scope in catalog.api_tokens.SCOPES:
        answer = api(method, path, scope=scope, json=body)
        if catalog.api_tokens.SCOPES.index(scope) < catalog.api_tokens.SCOPES.index(needed):
            detail = problem(answer, 403, "scope-missing")["detail"]
            assert detail == f"this needs a token with the scope {needed}; {scope!r} has {scope}"
        else:
            assert answer.status_code not in (401, 403, 500), answer.text


def test_no_endpoint_is_left_out(api: Api):
    templates = {
        (method.upper(), path)
        for path, found in create_app(api.fleet.database).openapi()["paths"].items()
        for method in found
    }
    open_to_all = {("GET", "/healthz"), ("GET", "/readyz")}
    assert len(templates - open_to_all) == len(REQUESTS)


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer \u00e9", "bearer"])
def test_an_invalid_token_is_refused(api: Api, given: str):
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


def test_only_a_digest_of_a_token_is_stored_and_its_use_is_recorded_once_a_minute(api: Api):
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


def test_two_valid_tokens_cannot_have_the_same_name(api: Api):
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


def test_every_request_that_could_change_something_is_recorded_with_its_author(api: Api):
    api.fleet.add("acme")
    api("GET", "/api/models")
    api("DELETE", "/api/providers/acme?token=secret")
    api("DELETE", "/api/providers/acme")
    api("DELETE", "/api/providers/acme", scope="read")
    api("DELETE", "/api/providers/acme", scope=None)
    api("POST", "/api/providers/nobody%00/sync-models")
    api("POST", "/nowhere")
    assert audit(api.fleet) == [
        ("admin", "DELETE", "/api/providers/acme", 422),
        ("admin", "DELETE", "/api/providers/acme", 204),
        ("read", "DELETE", "/api/providers/acme", 403),
        ("admin", "POST", "/api/providers/nobody%00/sync-models", 422),
    ]


@pytest.mark.parametrize("change", ["UPDATE api_audit SET status = 200", "DELETE FROM api_audit", "TRUNCATE api_audit"])
def test_the_audit_log_is_append_only(api: Api, change: str):
    api.fleet.add("acme")
    api("DELETE", "/api/providers/acme")
    with api.fleet.database.session() as session, pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(change))


def test_scopes_are_ordered_from_small_to_large():
    assert catalog.api_tokens.SCOPES == ("read", "sync", "admin")
