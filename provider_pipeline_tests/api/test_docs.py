"""The statements about the API in docs/api.md."""

import os
import re
import subprocess
from pathlib import Path
from typing import get_args

from provider_pipeline.api.routes.models import ModelFilters
from provider_pipeline.api.routing import MAX_MEMBERS, SMALL_BODY
from provider_pipeline.api.serving import DRAIN_SECONDS, MAX_CONNECTIONS, MAX_HEAD, MAX_HEADERS
from provider_pipeline.api.settings import MAX_SYNCS_AT_ONCE, ApiSettings
from provider_pipeline.catalog.api_tokens import SCOPES
from provider_pipeline.rules.model_columns import ModelStatus
from provider_pipeline_tests.api.conftest import make_tokens
from provider_pipeline_tests.api.server import running_api
from provider_pipeline_tests.fleet import Fleet

PROJECT = Path(__file__).parents[2]
CURLS = re.findall(r"^curl .*$", (PROJECT / "docs" / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_first_requests_work(fleet: Fleet):
    assert len(CURLS) == 5
    fleet.add("openai")
    token = make_tokens(fleet.database)["sync"]
    said = []
    with running_api(fleet.database) as api:
        for curl in CURLS:
            finished = subprocess.run(
                ["bash", "-c", curl.replace("http://127.0.0.1:8400", api.url)],
                env={**os.environ, "TOKEN": token},
                capture_output=True,
                text=True,
                check=False,
            )
            assert finished.returncode == 0, f"{curl}: {finished.stderr}"
            said.append(finished.stdout)
    synced, models, vision, changes, metrics = said
    assert '"models_created":5' in synced
    assert models.count('"model_id":') == 5
    assert vision.count('"model_id":') == 4
    assert changes.count('"kind":"added"') == 5
    assert 'provider_pipeline_models{provider="openai",status="active"} 5.0' in metrics


def test_the_docs_name_every_filter_and_scope():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    named = {*ModelFilters.model_fields, *SCOPES} - {"limit"}
    assert not [name for name in named if f"`{name}`" not in page]
    assert get_args(ModelStatus)[0] == "active"


def test_the_docs_state_the_scope_of_each_decision():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (no|yes) \| (.+) \| (.+) \|$", page, flags=re.MULTILINE)
    stated = {what: (sync, admin) for what, read, sync, admin in rows if read == "no"}
    needs_admin = [what for what, (sync, admin) in stated.items() if (sync, admin) == ("no", "yes")]
    for word in ("approve", "activate", "rollback", "accept"):
        assert any(f"`{word}`" in what for what in needs_admin), word


def test_the_documented_limits_are_the_real_ones():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Limits")[2].partition("\n## ")[0]
    chosen = ApiSettings()
    for told in (
        f"{chosen.requests_per_second} a second, {chosen.burst} at once",
        f"| {chosen.syncs_at_once} at once | 429 | `--syncs-at-once`, {MAX_SYNCS_AT_ONCE} at most |",
        f"| {chosen.computations_at_once} at once |",
        f"{SMALL_BODY // 2**10} KiB; with a sample, a rule or a set of overrides {chosen.most_bytes // 2**20} MiB",
        f"| {chosen.body_seconds} s in all | 408 |",
        f"| {MAX_HEAD // 2**10} KiB, {MAX_HEADERS} headers | 400 |",
        f"| {chosen.head_seconds} s from when the connection is free |",
        f"| {DRAIN_SECONDS} s | closed |",
        f"| {chosen.unread_seconds} s | closed |",
        f"| {MAX_CONNECTIONS}; ",
        f", {MAX_MEMBERS} members in the outermost object",
    ):
        assert told in page
