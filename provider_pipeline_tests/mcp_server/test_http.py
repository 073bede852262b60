"""`provider-pipeline mcp --http`: tokens, web pages, limits; the API's own."""

import os
import signal
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from provider_pipeline import catalog
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.mcp_server.http import MAX_BODY, create_app
from provider_pipeline_tests.api.conftest import Client, make_tokens, problem
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.mcp_server.conftest import at_http, serving

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def served(acme: Fleet) -> Iterator[SimpleNamespace]:
    """A running server, and a token of each scope."""
    tokens = make_tokens(acme.database)
    with serving(acme) as running:
        yield SimpleNamespace(running=running, url=f"{running.url}/mcp", tokens=tokens, fleet=acme)


def test_agents_read_with_a_token_until_it_is_revoked_and_the_server_ends_when_told(served: SimpleNamespace):
    for mode in ("auto", "legacy"):
        agent = at_http(served.url, served.tokens["read"], mode=mode)
        listed, found = agent.calls(("list_providers", {}), ("search_models", {"limit": 1, "provider": "acme"}))
        assert listed.data["providers"][0]["slug"] == "acme"
        assert found.data["models"][0]["provider"] == "acme"
    with httpx.Client(headers=ACCEPT) as client:
        refused = problem(client.post(served.url, json=PING), 401, "token-missing")
        assert refused["detail"] == "the request has no bearer token"
        bad = client.post(served.url, json=PING, headers={"Authorization": "Bearer pp_made_up"})
        problem(bad, 401, "token-refused")
        good = {"Authorization": f"Bearer {served.tokens['read']}"}
        assert client.post(served.url, json=PING, headers=good).json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        page = client.post(served.url, json=PING, headers={**good, "Origin": "https://evil.example"})
        problem(page, 403, "not-from-here")
        rebound = client.post(served.url, json=PING, headers={**good, "Host": "evil.example"})
        problem(rebound, 403, "not-from-here")
        assert client.get(served.url, headers=good).status_code == 405
        assert client.get(f"{served.running.url}/readyz").json() == {"status": "ok"}
        with served.fleet.database.session() as session:
            catalog.api_tokens.revoke(session, "read")
            session.commit()
        problem(client.post(served.url, json=PING, headers=good), 401, "token-refused")
    os.kill(served.running.process.pid, signal.SIGTERM)
    served.running.process.wait(60)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(served.running.address, timeout=5)


def test_beyond_loopback_any_host_is_served_but_no_web_page(fleet: Fleet):
    with Client(create_app(fleet.database, ApiSettings(), host="0.0.0.0")) as client:
        host = {"Host": "models.example"}
        problem(client.request("POST", "/mcp", json=PING, headers=host), 401, "token-missing")
        page = client.request("POST", "/mcp", json=PING, headers={**host, "Origin": "https://models.example"})
        assert problem(page, 403, "not-from-here")["detail"] == "only programs may call this, and no web pages"


def test_requests_are_limited_in_rate_and_size(fleet: Fleet):
    token = {"Authorization": f"Bearer {make_tokens(fleet.database)['read']}"}
    settings = ApiSettings(requests_per_second=0.01, burst=2)
    with Client(create_app(fleet.database, settings, host="127.0.0.1")) as client:
        large = client.request("POST", "/mcp", content=b"x" * (MAX_BODY + 1), headers=token)
        problem(large, 413, "content-too-large")
        client.request("POST", "/mcp", content=b"x" * (MAX_BODY + 1), headers=token)
        problem(client.request("POST", "/mcp", json=PING, headers=token), 429, "too-many-requests")
