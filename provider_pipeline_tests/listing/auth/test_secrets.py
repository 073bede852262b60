"""Where keys are read from and where they are sent. What a server does with a key is in `test_hostile`."""

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline_tests.listing.auth.conftest import LISTING, Ask, Said
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch

KEY = "sk-demo-0123456789abcdef"


@pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f" {KEY}\r\n\r\n", f"\ufeff{KEY}\n"])
def test_a_file_holds_the_key_with_or_without_a_newline(
    httpserver: HTTPServer, asker: Ask, tmp_path: Path, content: str
) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    httpserver.expect_request("/models", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(LISTING)
    assert asker().fetch({"type": "bearer", "file": str(tmp_path / "key")}) == [LISTING]


def test_a_mounted_secret_that_is_replaced_is_seen_by_the_next_listing(
    httpserver: HTTPServer, asker: Ask, tmp_path: Path
) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    ask = asker()
    # As Kubernetes mounts them: a link to a link into a folder that is swapped.
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "key").write_text(f"{KEY}-{version}\n")
        (tmp_path / "new").symlink_to(tmp_path / version)
        (tmp_path / "new").rename(tmp_path / "data")
        ask.fetch({"type": "header", "name": "x-api-key", "file": str(tmp_path / "data" / "key")})
    assert [request.headers["x-api-key"] for request, _ in httpserver.log] == [f"{KEY}-v1", f"{KEY}-v2"]


def _directory(path: Path) -> None:
    path.mkdir()


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" + KEY.encode())


def _large(path: Path) -> None:
    path.write_text(KEY * 10_000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist"),
        (_directory, "is not a file"),
        (os.mkfifo, "is not a file"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: path.write_text(" \n"), "is empty"),
        (_binary, "is not UTF-8 text"),
        (_large, "is larger than the 65,536 bytes"),
        (lambda path: path.write_text(f"{KEY}\nx: {KEY}"), "holds a line break"),
        (lambda path: path.write_text(f"{KEY}ü"), "holds a line break or another character"),
        (lambda path: path.symlink_to(path), "does not exist"),
    ],
)
def test_a_file_without_a_usable_key_is_named_and_nothing_is_sent(
    httpserver: HTTPServer, asker: Ask, tmp_path: Path, said: Said, make: Any, says: str
) -> None:
    place = tmp_path / "key"
    make(place)
    with pytest.raises(MissingCredentialError) as caught:
        asker().fetch({"type": "bearer", "file": str(place)})
    assert f"acme: its key is expected in file {place}, which {says}" in caught.value.message
    assert "mounted" in (caught.value.hint or "")
    said.note(caught.value)
    assert KEY not in said
    assert len(httpserver.log) == 0


def test_a_file_that_the_system_does_not_let_us_read_is_named_with_the_systems_reason(asker: Ask) -> None:
    with pytest.raises(MissingCredentialError, match=r"k, which cannot be read \(File name too long\)"):
        asker().fetch({"type": "bearer", "file": f"/{'k' * 300}"})


BASIC = {"type": "basic", "username": {"env": "USER_NAME"}, "password": {"env": "PASSWORD"}}
OAUTH = {
    "type": "oauth2_client_credentials",
    "token_url": "http://127.0.0.1:1/token",
    "client_id": {"value": "pipeline"},
    "client_secret": {"env": "ACME_SECRET"},
}
AWS = {
    "type": "aws_sigv4",
    "service": "bedrock",
    "region": "us-east-1",
    "access_key_id": {"env": "KEY_ID"},
    "secret_access_key": {"env": "KEY"},
    "session_token": {"env": "TOKEN"},
}


@pytest.mark.parametrize(
    ("auth", "environ", "says"),
    [
        (BASIC, {"PASSWORD": "p"}, "its user name is expected in environment variable USER_NAME, which is not set"),
        (BASIC, {"USER_NAME": "me"}, "its password is expected in environment variable PASSWORD, which is not set"),
        (BASIC, {"USER_NAME": "me", "PASSWORD": "a\nb"}, "PASSWORD, which holds a line break"),
        (BASIC, {"USER_NAME": "me:hunter2", "PASSWORD": "p"}, "its user name in USER_NAME has a colon"),
        (OAUTH, {}, "its client secret is expected in environment variable ACME_SECRET, which is not set"),
        (OAUTH, {"ACME_SECRET": " "}, "ACME_SECRET, which is empty"),
        (AWS, {"KEY_ID": "AKIA"}, "its secret access key is expected in environment variable KEY, which is not set"),
        (AWS, {"KEY_ID": "AKIA", "KEY": "s"}, "its session token is expected in environment variable TOKEN"),
    ],
)
def test_every_kind_says_which_of_its_secrets_is_missing(
    httpserver: HTTPServer, asker: Ask, auth: dict[str, Any], environ: dict[str, str], says: str
) -> None:
    with pytest.raises(MissingCredentialError) as caught:
        asker(environ).fetch(auth)
    assert caught.value.message.startswith("acme: ")
    assert says in caught.value.message
    assert "hunter2" not in str(caught.value)
    assert len(httpserver.log) == 0


def test_a_missing_key_is_an_error_of_that_provider_alone(httpserver: HTTPServer, asker: Ask) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    ask = asker({"GOOD": KEY})
    with pytest.raises(ConfigurationError, match="bad: its key"):
        ask.fetch({"type": "bearer", "env": "BAD"}, slug="bad")
    assert ask.fetch({"type": "bearer", "env": "GOOD"}, slug="good") == [LISTING]


def test_keys_are_read_only_from_the_variables_that_the_operator_names(httpserver: HTTPServer, asker: Ask) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    environ = {"ACME_API_KEY": KEY, "SSH_AUTH_SOCK": KEY, "PROVIDER_PIPELINE_KEY_VARIABLES": "*_API_KEY, HF_TOKEN"}
    assert asker(environ).fetch({"type": "bearer", "env": "ACME_API_KEY"}) == [LISTING]
    with pytest.raises(
        MissingCredentialError, match="SSH_AUTH_SOCK, which is not among those that PROVIDER_PIPELINE_KEY"
    ):
        asker(environ).fetch({"type": "bearer", "env": "SSH_AUTH_SOCK"})
    assert len(httpserver.log) == 1


def test_keys_are_read_only_from_the_folders_that_the_operator_names(
    httpserver: HTTPServer, asker: Ask, tmp_path: Path
) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    for folder in ("keys", "private"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "key").write_text(KEY)
    (tmp_path / "keys" / "link").symlink_to(tmp_path / "private" / "key")
    environ = {
        "PROVIDER_PIPELINE_KEY_FOLDERS": f"/run/secrets:{tmp_path}/keys",
        "GOOGLE_KEY": str(tmp_path / "private" / "key"),
    }
    assert asker(environ).fetch({"type": "bearer", "file": str(tmp_path / "keys" / "key")}) == [LISTING]
    says = "is not in a folder that PROVIDER_PIPELINE_KEY_FOLDERS allows"
    for place in ("private/key", "keys/link", "keys/../private/key"):
        with pytest.raises(MissingCredentialError, match=says):
            asker(environ).fetch({"type": "bearer", "file": f"{tmp_path}/{place}"})
    with pytest.raises(MissingCredentialError, match=says):
        asker(environ).fetch({"type": "google_service_account", "env": "GOOGLE_KEY", "scopes": ["a"]})
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("name", ["PROVIDER_PIPELINE_DATABASE_URL", "DAGSTER_POSTGRES_URL"])
def test_the_products_own_variables_hold_no_providers_key(asker: Ask, name: str) -> None:
    for auth in (
        {"type": "bearer", "env": name},
        {"type": "basic", "username": {"env": name}, "password": {"env": "K"}},
        {
            "type": "aws_sigv4",
            "service": "s",
            "region": "r",
            "access_key_id": {"env": "K"},
            "secret_access_key": {"env": name},
        },
    ):
        with pytest.raises(ConfigurationError, match="a variable of this product's own"):
            asker({name: KEY}).fetch(auth)


ODD_KEY = "sk-demo-0123456789/+abcdef"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"type": "bearer", "env": "ACME_KEY"}, lambda r: r.headers["Authorization"] == f"Bearer {ODD_KEY}"),
        (
            {"type": "header", "name": "x-api-key", "env": "ACME_KEY"},
            lambda r: r.headers["x-api-key"] == ODD_KEY,
        ),
        (
            {"type": "query", "name": "key", "env": "ACME_KEY"},
            lambda r: r.args["key"] == ODD_KEY and "limit" in r.args,
        ),
        (
            {"type": "none", "headers": {"anthropic-version": "2023-06-01"}},
            lambda r: r.headers["anthropic-version"] == "2023-06-01" and "Authorization" not in r.headers,
        ),
    ],
)
def test_the_key_goes_where_the_auth_config_says(httpserver: HTTPServer, fetch: Fetch, auth, sent) -> None:
    httpserver.expect_request("/models").respond_with_json(LISTING)
    fetch(httpserver.url_for(""), auth=auth, params={"limit": "5"}, environ={"ACME_KEY": f"{ODD_KEY}\n"})
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
    monkeypatch.setenv("ACME_KEY", ODD_KEY)
    endpoints = (ListingEndpoint(path="/models"),)
    auth = AuthConfig.parse({"type": "bearer", "env": "ACME_KEY"})
    base_url = httpserver.url_for("")
    list(client.pages(ListingSource(slug="acme", base_url=base_url, auth=auth, endpoints=endpoints, policy=LOOPBACK)))
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {ODD_KEY}"


def test_a_netrc_login_is_never_sent(
    httpserver: HTTPServer, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/models").respond_with_json(LISTING)
    fetch(f"http://127.0.0.1:{httpserver.port}")
    fetch(f"http://127.0.0.1:{httpserver.port}", auth={"type": "bearer", "env": "K"}, environ={"K": ODD_KEY})
    assert [request.headers.get("Authorization") for request, _ in httpserver.log] == [None, f"Bearer {ODD_KEY}"]
