"""Where a key goes, and where it comes from; what a server does with it is in `test_hostile`."""

from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import MissingCredentialError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.source import ListingEndpoint, ListingSource
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch

LISTING = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}
KEY = "sk-demo-0123456789/+abcdef"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"type": "bearer", "env": "ACME_KEY"}, lambda r: r.headers["Authorization"] == f"Bearer {KEY}"),
        ({"type": "header", "name": "x-api-key", "env": "ACME_KEY"}, lambda r: r.headers["x-api-key"] == KEY),
        ({"type": "query", "name": "key", "env": "ACME_KEY"}, lambda r: r.args["key"] == KEY and "limit" in r.args),
        (
            {"type": "none", "headers": {"anthropic-version": "2023-06-01"}},
            lambda r: r.headers["anthropic-version"] == "2023-06-01" and "Authorization" not in r.headers,
        ),
    ],
)
def test_the_key_goes_where_the_auth_config_says(httpserver: HTTPServer, fetch: Fetch, auth, sent) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    fetch(httpserver.url_for(""), auth=auth, params={"limit": "5"}, environ={"ACME_KEY": f"{KEY}\n"})
    ((request, _),) = httpserver.log
    assert sent(request)


@pytest.mark.parametrize("environ", [{}, {"ACME_KEY": ""}, {"ACME_KEY": "  \n"}, {"ACME_KEY": "two\r\nlines: x"}])
def test_without_a_usable_key_nothing_is_sent(httpserver: HTTPServer, fetch: Fetch, environ: dict[str, str]) -> None:
    with pytest.raises(MissingCredentialError) as caught:
        fetch(httpserver.url_for(""), auth={"type": "bearer", "env": "ACME_KEY"}, environ=environ)
    assert str(caught.value).startswith("acme: ")
    assert "ACME_KEY" in str(caught.value)
    assert "lines: x" not in str(caught.value)
    assert len(httpserver.log) == 0


def test_the_process_environment_is_read_at_call_time(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    client = ListingClient(QUICK)
    monkeypatch.setenv("ACME_KEY", KEY)
    endpoints = (ListingEndpoint(path="/models"),)
    auth = AuthConfig.parse({"type": "bearer", "env": "ACME_KEY"})
    base_url = httpserver.url_for("")
    list(client.pages(ListingSource(slug="acme", base_url=base_url, auth=auth, endpoints=endpoints, policy=LOOPBACK)))
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_netrc_login_is_never_sent(
    httpserver: HTTPServer, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/models").respond_with_json(LISTING)
    fetch(f"http://127.0.0.1:{httpserver.port}")
    fetch(f"http://127.0.0.1:{httpserver.port}", auth={"type": "bearer", "env": "K"}, environ={"K": KEY})
    assert [request.headers.get("Authorization") for request, _ in httpserver.log] == [None, f"Bearer {KEY}"]
