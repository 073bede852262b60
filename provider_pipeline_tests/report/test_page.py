"""The report in a real browser, without a network. With SCREENSHOTS set to a folder, screenshots are stored there."""

import base64
import gzip
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from provider_pipeline.catalog.database import Database
from provider_pipeline.report import files
from provider_pipeline.report.page import UNKNOWN, money, percent, tokens
from provider_pipeline_tests.browser import chromium
from provider_pipeline_tests.catalog.builders import model, register, write_models
from provider_pipeline_tests.showcase import HOSTILE, chat_model, fill

TIMEOUT = 60_000
PHONE = {"width": 390, "height": 844}


@dataclass
class Shown:
    """A page in a browser, what it asked of the network, and the browser's complaints."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"]) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def written(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the showcase."""
    fill(shared_database)
    return files.write(shared_database, tmp_path_factory.mktemp("report"), now=datetime.now(UTC))[0]


def data_of(path: Path) -> dict[str, Any]:
    """The data that a page holds, packed."""
    packed = re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', path.read_text(encoding="utf-8"))
    assert packed is not None
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


def opened(browser: Browser, path: Path, *, scheme: str = "light", size: dict[str, int] | None = None) -> Shown:
    context = browser.new_context(color_scheme=scheme, viewport=size or {"width": 1360, "height": 900}, offline=True)
    shown = Shown(context.new_page())
    shown.page.set_default_timeout(TIMEOUT)
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    shown.page.on("console", lambda message: shown.complaints.append(message.text))
    shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    shown.page.goto(path.as_uri())
    shown.page.wait_for_selector("html[data-charts=drawn]", state="attached")
    return shown


@pytest.mark.parametrize(
    ("name", "scheme", "size"),
    [("light", "light", None), ("dark", "dark", None), ("phone", "dark", PHONE)],
)
def test_it_is_drawn_without_a_network_and_fits_the_screen(
    browser: Browser, written: Path, name: str, scheme: str, size: dict[str, int] | None
):
    shown = opened(browser, written, scheme=scheme, size=size)
    page = shown.page
    expect(page.get_by_role("heading", name="All models")).to_be_visible()
    assert page.locator("#table tbody tr").count() == 10
    assert page.locator(".chart svg.main-svg").count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 60) == (scheme == "dark")
    assert [url for url in shown.asked if not url.startswith(("blob:", "data:")) and url != written.as_uri()] == []
    assert shown.complaints == []
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/report-{name}.png", full_page=True)


def test_the_charts_follow_a_change_of_theme(browser: Browser, written: Path):
    page = opened(browser, written).page
    title = page.locator("[data-chart=price-by-context] .xtitle")
    light = title.evaluate("element => getComputedStyle(element).fill")
    page.emulate_media(color_scheme="dark")
    expect(title).not_to_have_css("fill", light)


def test_names_from_listings_are_text_and_run_nothing(browser: Browser, written: Path):
    shown = opened(browser, written)
    page = shown.page
    for name in HOSTILE:
        page.get_by_label("Search", exact=False).first.fill(name[:12])
        expect(page.locator("#table td.id").filter(has_text=name).first).to_be_visible()
    page.get_by_label("Search", exact=False).first.fill("")
    # Below the bar that stays on top; at once, or the point moves away from the pointer.
    page.locator("#prices").evaluate("section => section.scrollIntoView({ behavior: 'instant' })")
    page.locator("[data-chart=price-by-context] .points path").first.hover(force=True)
    expect(page.locator("[data-chart=price-by-context] .hoverlayer")).to_contain_text("onerror")
    assert page.evaluate("window.wasRun") is None
    assert page.locator("#table img, #table svg, .hoverlayer img").count() == 0
    assert shown.complaints == []


def test_a_script_that_was_not_written_here_does_not_run(browser: Browser, written: Path):
    shown = opened(browser, written)
    shown.page.evaluate("""() => {
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.wasRun = 1'>");
        const script = document.createElement("script");
        script.textContent = "window.wasRun = 1";
        document.body.append(script);
    }""")
    shown.page.wait_for_timeout(200)
    assert shown.page.evaluate("window.wasRun") is None
    assert any("Content Security Policy" in each for each in shown.complaints)


def test_a_phone_shows_the_provider_beside_the_model_and_both_prices(browser: Browser, written: Path):
    page = opened(browser, written, size=PHONE).page
    expect(page.locator("#table th.provider")).to_be_hidden()
    expect(page.locator("#table td.id").first).to_contain_text("acme")
    price = page.locator("#table tbody tr").first.locator("td").nth(3).bounding_box()
    assert price is not None
    assert price["x"] + price["width"] <= PHONE["width"]


def test_a_column_in_which_nothing_is_known_is_not_shown(browser: Browser, written: Path):
    page = opened(browser, written).page
    expect(page.get_by_role("columnheader", name="ends")).to_have_count(2)  # and that of the section on ends
    expect(page.get_by_role("columnheader", name="max output")).to_have_count(1)  # that of the section on coverage


def test_models_are_found_filtered_and_sorted(browser: Browser, written: Path):
    page = opened(browser, written).page
    rows = page.locator("#table tbody tr")
    expect(rows.first).to_contain_text("gpt-4")
    page.get_by_role("button", name="vision").click()
    expect(rows).to_have_count(4)
    page.get_by_label("Input at most").fill("2")
    expect(rows).to_have_count(2)
    page.locator("#provider").select_option("bolt")
    expect(rows).to_have_text(["No model is like that."])
    page.get_by_label("Input at most").fill("")
    expect(rows).to_have_count(2)
    heading = page.get_by_role("columnheader", name="input $/M")
    for cheapest_or_dearest in ("$2.20", "$3.00"):
        heading.click()
        expect(rows.first).to_contain_text(cheapest_or_dearest)


def test_unknown_prices_come_last_in_either_direction(browser: Browser, written: Path):
    page = opened(browser, written).page
    last = page.locator("#table tbody tr").last
    heading = page.get_by_role("columnheader", name="output $/M")
    for _ in range(2):
        heading.click()
        expect(last.locator("td").nth(3)).to_have_text(UNKNOWN)


def test_it_tells_of_offers_changes_ends_and_trouble(browser: Browser, written: Path):
    page = opened(browser, written).page
    offers = page.locator("#offers details")
    assert offers.count() == 2
    offers.filter(has_text="gpt-4o").locator("summary").click()
    expect(offers.filter(has_text="gpt-4o")).to_contain_text("openai/gpt-4o")
    page.get_by_label("Find").fill("4.1")
    expect(offers.filter(has_text="gpt-4o")).to_be_hidden()
    expect(page.locator("#changes")).to_contain_text("-20%")
    expect(page.locator("#retiring")).to_contain_text("openai/gpt-4.1")
    expect(page.locator("#trouble")).to_contain_text("the listing shrank from 40 to 1 models")


@pytest.mark.parametrize(("most", "expected"), [(50_000, 9_004), (4_000, 4_000)])
def test_every_row_is_in_the_page_or_the_page_says_how_many(
    database: Database, browser: Browser, tmp_path: Path, most: int, expected: int
):
    with database.session() as session:
        provider = register(session, "large")
        models = [model(f"model-{number}") for number in range(9_000)]
        models += [chat_model(f"cheap-{number}", 0.1) for number in range(3)]
        write_models(session, provider.id, models, now=datetime.now(UTC) - timedelta(hours=1), rule_version=1)
        models.append(chat_model("a-new-one", 90))
        write_models(session, provider.id, models, now=datetime.now(UTC), rule_version=1)
        session.commit()
    path, contents = files.write(database, tmp_path, now=datetime.now(UTC), max_models=most)
    assert len(contents.models) == expected
    page = opened(browser, path).page
    assert page.evaluate("Number(document.documentElement.dataset.rows)") == expected
    assert len(data_of(path)["models"]) == expected
    for cheapest_or_newest in ("cheap-0", "a-new-one"):
        expect(page.locator("#table .id").get_by_text(cheapest_or_newest)).to_be_visible()
    says = page.get_by_text(f"{most:,} of 9,004 models")
    expect(says).to_have_count(int(expected == most))


def test_a_catalogue_without_anything_is_a_page_too(database: Database, browser: Browser, tmp_path: Path):
    shown = opened(browser, files.write(database, tmp_path, now=datetime.now(UTC))[0])
    expect(shown.page.get_by_text("There is no model yet.")).to_be_visible()
    assert shown.complaints == []


def test_the_page_is_not_larger_than_a_photo(written: Path):
    assert written.stat().st_size < 3 * 2**20
    assert len(data_of(written)["models"]) == 10


def test_amounts_and_sizes_are_short():
    assert [money(each) for each in (None, 0, Decimal("2.5"), 0.0025, 1234.5, Decimal("0.125"))] == [
        *(UNKNOWN, "$0.00", "$2.50", "$0.0025", "$1,234.50", "$0.125")
    ]
    assert [tokens(each) for each in (None, 512, 128_000, 1_047_576)] == [UNKNOWN, "512", "128k", "1M"]
    assert [percent(before, after) for before, after in ((2, 3), (4, 1), (0, 1))] == ["+50%", "-75%", ""]
