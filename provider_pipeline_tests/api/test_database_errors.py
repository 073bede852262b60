"""What a client is told while the database is in trouble."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.catalog.database import Database, open_database
from provider_pipeline_tests.api.conftest import Api, Client, problem
from provider_pipeline_tests.database_trouble import full, no_connection_left, ordinary_role, read_only

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


def test_what_only_looks_is_answered_by_a_standby(api: Api):
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
