"""`/`: the report, for browsers."""

import base64
from pathlib import Path

import pytest

from provider_pipeline.api.settings import ApiSettings
from provider_pipeline_tests.api.conftest import Api, problem


@pytest.fixture
def site(serving, tmp_path: Path) -> Api:
    """The API, with a folder of its own for the report."""
    return serving(ApiSettings(report_folder=tmp_path / "report"))


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()}


def test_a_browser_is_asked_for_the_token_and_gets_the_page(site: Api):
    asked = site("GET", "/", scope=None)
    problem(asked, 401, "token-missing")
    assert asked.headers["www-authenticate"].startswith("Basic ")
    answer = site("GET", "/", scope=None, headers=basic(site.tokens["read"]))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "<title>AI models" in answer.text
    assert site("GET", "/").text == answer.text


@pytest.mark.parametrize("credentials", ["Basic ???", "Basic " + base64.b64encode(b"no colon").decode(), "Basic"])
def test_odd_credentials_are_refused(site: Api, credentials: str):
    answer = site("GET", "/", scope=None, headers={"Authorization": credentials})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_only_the_page_takes_basic_authentication(site: Api):
    headers = basic(site.tokens["admin"])
    answer = site("GET", "/api/providers", scope=None, headers=headers)
    problem(answer, 401, "token-missing")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_without_tokens_it_is_simply_there(serving, tmp_path: Path):
    open_site = serving(ApiSettings(needs_token=False, report_folder=tmp_path))
    assert open_site("GET", "/", scope=None).status_code == 200
