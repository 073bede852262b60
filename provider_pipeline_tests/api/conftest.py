"""The API on the test's own catalogue, called through its ASGI interface."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline_tests.fleet import Fleet

WHY = {"reason": "somebody looked"}


class Client:
    """Calls an application through its ASGI interface, as a program on this machine."""

    def __init__(self, app: FastAPI, *, client: tuple[str, int] = ("127.0.0.1", 50_000)) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        self._runner = asyncio.Runner()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends one request."""

        async def sent() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **options)

        return self._runner.run(sent())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Sends a GET."""
        return self.request("GET", path, **options)


@dataclass(frozen=True)
class Api:
    """The API, with a token of each scope."""

    fleet: Fleet
    client: Client
    tokens: dict[str, str]

    def __call__(self, method: str, path: str, *, scope: str | None = "admin", **options: Any) -> httpx.Response:
        """Sends one request with the token of a scope."""
        headers = {**options.pop("headers", {})}
        if scope is not None:
            headers["Authorization"] = f"Bearer {self.tokens[scope]}"
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The body of a GET that must succeed."""
        answer = self("GET", path, scope="read", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token_id(self, scope: str) -> int:
        """The id of a scope's token."""
        with self.fleet.database.session() as session:
            return next(token.id for token in catalog.api_tokens.list_tokens(session) if token.name == scope)


def make_tokens(database: catalog.database.Database) -> dict[str, str]:
    """A token of each scope, by scope."""
    with database.session() as session:
        tokens = {scope: catalog.api_tokens.create(session, scope, scope) for scope in catalog.api_tokens.SCOPES}
        session.commit()
    return tokens


@pytest.fixture
def serving(fleet: Fleet) -> Iterator[Callable[[ApiSettings], Api]]:
    """Serves the API with the test's settings."""
    tokens = make_tokens(fleet.database)
    with ExitStack() as stack:

        def serve(settings: ApiSettings) -> Api:
            return Api(fleet, stack.enter_context(Client(create_app(fleet.database, settings))), tokens)

        yield serve


@pytest.fixture
def api(serving: Callable[[ApiSettings], Api]) -> Api:
    """The API, with default settings."""
    return serving(ApiSettings())


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The document of a response that must be this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["type"] == f"urn:provider-pipeline:problem:{kind}"
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in answer.text
    return document


@pytest.fixture
def synced(api: Api) -> Api:
    """The API with a provider that was synced."""
    api.fleet.add("acme")
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    return api


def block(api: Api, document: object) -> int:
    """The id of the task that a listing in a new shape opens."""
    api.fleet.serve("acme", document)
    with api.fleet.database.session() as session, pytest.raises(RuleValidationError):
        ModelSyncer(session).sync_provider_models("acme")
    return api.fleet.tasks("acme")[-1].id
