"""The Dagster UI in a real browser, on a fresh home: a person launches, and sees what changed and what is blocked.

With SCREENSHOTS set to a folder, the pages are saved there as pictures; CONTRIBUTING.md says how the README's are made.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Page, ViewportSize, expect, sync_playwright
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline_tests.browser import chromium
from provider_pipeline_tests.dev_stack import (
    LAUNCH,
    REPOSITORY,
    away_from_the_hour,
    dev,
    eventually,
    finished_runs,
    free_port,
    graphql,
    partitions_of,
    processes_of,
    stop_schedule,
    stop_sensor,
)
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, moved

ROOT = Path(__file__).parents[1]
SYNC, DIGEST, OUTPUTS = "sync_all_providers_job", "change_digest_job", "catalog_outputs_job"
PATIENCE = 120_000
SIZE: ViewportSize = {"width": 1280, "height": 800}


def acme(models: dict[str, tuple[float, float]]) -> dict:
    """A listing of models with their prices, in USD per million tokens, and their context lengths in thousands."""
    return {
        "object": "list",
        "data": [
            {
                "id": name,
                "name": name.rpartition("/")[2].replace("-", " ").title(),
                "context_length": 1_000 * context,
                "pricing": {"prompt": f"{price / 1e6:.9f}", "completion": f"{4 * price / 1e6:.9f}"},
            }
            for name, (price, context) in models.items()
        ],
    }


YESTERDAY = {
    "acme-large-2": (2.5, 128),
    "acme-small-2": (0.2, 64),
    "acme-vision-1": (3.0, 128),
    "acme-embed-1": (0.02, 8),
    "acme-audio-1": (6.0, 32),
}
TODAY = {
    "acme/acme-large-2": (2.5, 128),
    "acme-small-2": (0.24, 64),
    "acme-vision-1": (3.0, 256),
    "acme-embed-1": (0.02, 8),
    "acme-reason-1": (15.0, 200),
}


@dataclass(frozen=True)
class Ui:
    """A page of the browser, on a running UI."""

    page: Page
    port: int

    def open(self, path: str) -> None:
        self.page.goto(f"http://127.0.0.1:{self.port}{path}", wait_until="commit", timeout=PATIENCE)

    def sees(self, text: str | re.Pattern[str], *, exact: bool = False) -> None:
        expect(self.page.get_by_text(text, exact=exact).first).to_be_visible(timeout=PATIENCE)

    def keeps(self, name: str, clip: FloatRect | None = None) -> None:
        """Saves a picture of the page, or a part of it, if SCREENSHOTS is set."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled", clip=clip)

    def launches(self, job: str, partition: str) -> None:
        """Materializes one partition of a job's assets, by clicking."""
        only_people_launch(self.port)  # again: a tick that was under way may have declared them as running
        self.open(f"/locations/provider_pipeline/jobs/{job}")
        self.page.get_by_role("button", name="Materialize all").click(timeout=PATIENCE)
        # By its text: the list of partitions is a dialog too, inside this one, and takes a moment to close.
        dialog = self.page.get_by_role("dialog").filter(has_text="Launch runs to materialize")
        dialog.get_by_text("Select a partition or create one").click(timeout=PATIENCE)
        self.page.get_by_role("menuitem").filter(has_text=partition).first.click(timeout=PATIENCE)
        dialog.get_by_text("Launch runs to materialize").click()  # closes the menu
        expect(self.page.get_by_role("menuitem")).to_have_count(0, timeout=PATIENCE)
        self.page.get_by_role("button", name="Launch 1 run").click(timeout=PATIENCE)
        expect(dialog).to_be_hidden(timeout=PATIENCE)

    def waits_for(self, job: str, runs: int) -> list[str]:
        """The statuses of a job's finished runs, newest first, once there are this many."""
        return eventually(lambda: len(done := finished_runs(self.port, job)) >= runs and done)


def only_people_launch(port: int) -> bool:
    """Switches off what would launch runs by itself: the repair of a failing rule, and the hourly fleet run."""
    return stop_schedule(port, "hourly_sync_schedule") and stop_sensor(port, "rule_generation_sensor")


@pytest.fixture
def home(working_folder: Path, httpserver: HTTPServer) -> Iterator[Path]:
    """A fresh home with two providers whose listings changed: one keeps its shape, one does not."""
    with EmbeddedPostgres(working_folder) as server:
        server.ensure_database("provider_pipeline")
        with open_database(server.url("provider_pipeline")) as database:
            upgrade(database.engine)
            fleet = Fleet(database, httpserver)
            fleet.add("acme", acme(YESTERDAY))
            with database.session() as session:
                ModelSyncer(session).sync_provider_models("acme")
            fleet.serve("acme", acme(TODAY))
            fleet.add("deepseek")
            fleet.serve("deepseek", moved(*CHAT_MODELS))
        yield working_folder


@pytest.fixture
def ui(home: Path, tmp_path: Path) -> Iterator[Ui]:
    """The whole development stack on that home, and a browser."""
    executable, port, log = chromium(), free_port(), tmp_path / "dev.log"
    main = "from provider_pipeline.cli import main; main()"
    command = [sys.executable, "-c", main, "dev", "--port", str(port)]
    extra = {"PROVIDER_PIPELINE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    away_from_the_hour()
    with dev(command, home=home, log=log, **extra) as process:
        eventually(lambda: only_people_launch(port))
        eventually(lambda: {"acme", "deepseek"} <= set(partitions_of(port)))
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"]) as browser,
        ):
            yield Ui(browser.new_page(viewport=SIZE), port)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 0, log.read_text()
    assert [each for each in processes_of(home) if str(home / "dagster") in each] == []


@pytest.mark.timeout(1200)  # a whole stack and a browser, perhaps on a busy machine
def test_a_person_launches_a_provider_sees_what_changed_what_is_blocked_and_why(ui: Ui):
    ui.launches(SYNC, "acme")
    assert ui.waits_for(SYNC, 1) == ["SUCCESS"]
    today = datetime.now(UTC).date().isoformat()  # of the changes: the digest is asked for minutes later
    ui.open("/assets/provider_model?view=partitions&partition=acme")
    ui.sees("Materialized", exact=True)
    for told in ("acme/acme-large-2", "acme-reason-1", "+20.0%"):
        ui.sees(told)
    ui.keeps("what-changed")

    ui.open("/assets/raw_models_response")
    ui.sees("pricing.prompt")
    ui.sees(re.compile("Read into .*input_price"))

    ui.launches(SYNC, "deepseek")
    assert ui.waits_for(SYNC, 2) == ["FAILURE", "SUCCESS"]
    ui.open("/assets/validated_extraction?view=partitions&partition=deepseek")
    ui.sees(re.compile("failed, and did not materialize this asset"))
    ui.open("/assets/validated_extraction?view=checks&checkDetail=rule_extracts_models")
    ui.sees(re.compile(r"the selector data\[\*\] finds no list"))
    ui.sees("deepseek")
    ui.keeps("blocked")

    ui.open("/assets/validated_extraction?view=checks&checkDetail=capabilities_are_covered")
    ui.sees("not evaluated: deepseek: the selector")
    ui.keeps("not-reached")

    # The fleet run succeeds although a provider is blocked, and says which one and why.
    fleet_run = {"selector": {**REPOSITORY, "pipelineName": SYNC}, "mode": "default"}
    assert graphql(ui.port, LAUNCH, run=fleet_run)["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess"
    assert ui.waits_for(SYNC, 3) == ["SUCCESS", "FAILURE", "SUCCESS"]
    ui.open("/assets/provider_model?view=events")
    ui.sees("providers_blocked")
    ui.sees(re.compile(r"deepseek: the selector"))
    ui.keeps("fleet-run")

    tags = [{"key": "dagster/partition", "value": today}]
    run = {"selector": {**REPOSITORY, "pipelineName": DIGEST}, "mode": "default", "executionMetadata": {"tags": tags}}
    assert graphql(ui.port, LAUNCH, run=run)["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess"

    ui.page.set_viewport_size({"width": 2600, "height": 1400})  # all assets at a size at which their nodes tell more
    ui.open("/locations/provider_pipeline/asset-groups/provider_catalog")
    for asset in ("extraction_rule", "raw_models_response", "validated_extraction", "provider_model", "change_digest"):
        ui.sees(asset)
    assert "SUCCESS" in ui.waits_for(OUTPUTS, 1)  # its sensor launches it
    for asset in ("canonical_model", "catalog_export", "catalog_report"):
        ui.sees(asset)
    ui.sees(re.compile(r"% filled"))
    ui.sees(re.compile(r"1 failed"))
    ui.keeps("lineage", {"x": 470, "y": 480, "width": 1900, "height": 560})
    ui.page.set_viewport_size(SIZE)

    assert ui.waits_for(DIGEST, 1) == ["SUCCESS"]
    ui.open(f"/assets/change_digest?view=partitions&partition={today}")
    ui.sees(re.compile("Repriced, in USD per million tokens unless stated: 1"))
    ui.sees(re.compile(r"input price 0\.2 → 0\.24 \(\+20\.0%\)"))
    ui.keeps("change-digest")
