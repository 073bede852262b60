"""`provider-pipeline api` and `tokens`."""

import pytest

from provider_pipeline import catalog
from provider_pipeline_tests.cli.conftest import CommandLine


def test_a_token_is_shown_once_listed_without_itself_and_revoked(run: CommandLine):
    made = run("tokens", "create", "grafana", "--scope", "read", "--expires", "30", "--by", "7")
    assert made.code == 0, made.err
    token = made.out.strip()
    assert token.startswith("pp_")
    assert "not shown again" in made.err
    listed = run("tokens", "list")
    assert "grafana" in listed.out
    assert token not in listed.out
    (document,) = run("tokens", "list", "--json").json
    assert (document["name"], document["scope"], document["created_by_id"]) == ("grafana", "read", 7)
    assert document["expires_at"]
    again = run("tokens", "create", "grafana", "--scope", "admin")
    assert (again.code, "in use already" in again.err) == (1, True)
    assert run("tokens", "revoke", "grafana").code == 0
    assert "revoked" in run("tokens", "list").out
    assert run("tokens", "revoke", "grafana").code == 1
    assert run("tokens", "create", "grafana", "--scope", "sync", "--json").json["token"] != token


def test_a_token_has_one_of_the_scopes(run: CommandLine):
    assert run("tokens", "create", "x", "--scope", "everything").code == 2
    assert run("tokens", "create", "x").code == 2
    assert tuple(catalog.api_tokens.SCOPES) == ("read", "sync", "admin")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_an_api_beyond_loopback_needs_tokens(run: CommandLine, host: str):
    refused = run("api", "--no-auth", "--host", host)
    assert refused.code == 2
    assert "not a loopback address" in refused.err
