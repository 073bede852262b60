"""Errors as problem+json, also while the database is in trouble."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import text

from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline_tests.api.conftest import Api, Client, problem
from provider_pipeline_tests.database_trouble import full, no_connection_left, ordinary_role, read_only


def test_errors_do_not_repeat_the_input(api: Api):
    answer = api("POST", "/api/providers", json={"slug": "x", "base_url": "sk-very-secret", "key": "sk-very-secret"})
    assert "sk-very-secret" not in answer.text
    assert [each["at"] for each in problem(answer, 422, "invalid-request")["errors"]] == [
        ["body", "base_url"],
        ["body", "key"],
    ]


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
        ("GET", "/api/providers/acme/rules/9", 404, "no-such-entry"),
        ("DELETE", "/api/providers/acme/overrides?model_id=m&field=family", 404, "no-override"),
        ("GET", "/api/digest?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422, "bad-span"),
        ("GET", "/api/digest?until=0001-01-01T00:00:00Z", 422, "bad-span"),
        ("GET", "/api/changes?cursor=e30", 400, "broken-cursor"),
    ],
)
def test_every_error_is_a_problem(api: Api, method: str, path: str, status: int, kind: str):
    api.fleet.add("acme")
    answer = api(method, path)
    problem(answer, status, kind)
    if status == 405:
        assert answer.headers["allow"] == "GET"


def test_an_unexpected_error_reveals_no_internals(api: Api):
    api.fleet.add("acme")
    with api.fleet.database.session() as session:
        session.execute(text("ALTER TABLE provider_sync RENAME COLUMN last_error TO was_last_error"))
        session.commit()
    document = problem(api("GET", "/api/providers/acme"), 500, "defect")
    assert "last_error" not in str(document)


def test_the_documentation_describes_every_error_as_a_problem(api: Api):
    document = api("GET", "/openapi.json", scope=None).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert errors, (method, path)
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"], (method, path)
    assert api("GET", "/docs", scope=None).status_code == 200


SYNC = "/api/providers/acme/sync-models"


@pytest.mark.parametrize(
    ("trouble", "kind", "told"),
    [(read_only, "database-read-only", "takes no writes"), (full, "database-full", "no space left")],
)
def test_a_sync_is_answered_with_503_and_works_again_afterwards(
    api: Api, trouble: Callable[[Database], AbstractContextManager[None]], kind: str, told: str
):
    api.fleet.add("acme")
    with trouble(api.fleet.database):
        answer = api("POST", SYNC, scope="sync")
        document = problem(answer, 503, kind)
        assert told in document["detail"]
        assert document["hint"]
        assert int(answer.headers["Retry-After"]) > 0
    assert api("POST", SYNC, scope="sync").json()["models_created"] == 5


def test_a_read_only_database_still_serves_reads(api: Api):
    api.fleet.add("acme")
    with read_only(api.fleet.database):
        assert [each["slug"] for each in api.get("/api/providers")] == ["acme"]
        problem(api("DELETE", "/api/providers/acme"), 503, "database-read-only")


def test_a_request_that_gets_no_connection_is_answered_with_503(database: Database):
    with (
        ordinary_role(database) as url,
        open_database(url) as as_that_role,
        Client(create_app(as_that_role, ApiSettings(needs_token=False))) as client,
        no_connection_left(database),
    ):
        for path in ("/readyz", "/api/providers"):
            document = problem(client.get(path), 503, "database-unavailable")
            assert "has no connection left" in document["detail"]
