"""`/docs` in a real browser: it works, and loads nothing from elsewhere.

With SCREENSHOTS set to a folder, a screenshot is stored there.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

import provider_pipeline
from provider_pipeline_tests.api.conftest import Api, make_tokens
from provider_pipeline_tests.api.server import running_api
from provider_pipeline_tests.browser import chromium
from provider_pipeline_tests.fleet import Fleet

TIMEOUT = 60_000
SWAGGER_UI = Path(provider_pipeline.__file__).parent / "api" / "docs_files" / "swagger-ui"
VERSION = "5.35.0"
PUBLISHED = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "favicon-32x32.png": "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@dataclass
class Docs:
    """The page, the URLs it requested, and the browser's error messages."""

    page: Page
    url: str
    token: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def docs(fleet: Fleet) -> Iterator[Docs]:
    """The page of a running API with one provider, in a browser."""
    executable = chromium()
    fleet.add("acme")
    token = make_tokens(fleet.database)["read"]
    with (
        running_api(fleet.database) as api,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(TIMEOUT)
        found = Docs(page, api.url, token)
        page.on("request", lambda request: found.asked.append(request.url))
        page.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.goto(f"{api.url}/docs", timeout=TIMEOUT)
        yield found


@pytest.mark.timeout(600)
def test_a_person_calls_the_api_from_the_page_which_loads_nothing_from_elsewhere(docs: Docs):
    page = docs.page
    expect(page.get_by_text("/api/providers/{slug}/sync-models")).to_be_visible(timeout=TIMEOUT)
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(docs.token)
    page.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close", exact=True).click()
    page.locator("#operations-providers-list_providers").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    answer = page.locator(".live-responses-table").first
    expect(answer).to_contain_text('"slug": "acme"', timeout=TIMEOUT)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/docs.png")
    assert docs.complaints == []
    assert [each for each in docs.asked if not each.startswith((f"{docs.url}/", "data:"))] == []


def test_the_page_can_neither_load_from_nor_send_to_other_hosts(docs: Docs):
    page = docs.page
    expect(page.get_by_text("/api/models").first).to_be_visible(timeout=TIMEOUT)
    refused = page.evaluate(
        """async () => {
            try { await fetch("http://127.0.0.1:9/"); return false; } catch (error) { return String(error); }
        }"""
    )
    assert "Failed to fetch" in refused
    assert any("Content Security Policy" in each for each in docs.complaints)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.wasRun = true";
        document.body.append(script);
    }""")
    assert page.evaluate("window.wasRun") is None


def test_no_other_page_can_frame_it(api: Api):
    answer = api("GET", "/docs", scope=None)
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "://" not in answer.text


def test_swagger_ui_is_unchanged_from_its_release():
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SWAGGER_UI.iterdir()} == PUBLISHED
    assert f'"{VERSION}"' in (SWAGGER_UI / "swagger-ui-bundle.js").read_text(encoding="utf-8")
