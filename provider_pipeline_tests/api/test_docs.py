"""What README and docs/api.md say of the API, tried."""

import os
import re
import subprocess
from pathlib import Path
from typing import get_args

from provider_pipeline.api.documents import ModelStatus
from provider_pipeline.api.routes.models import ModelFilters
from provider_pipeline.catalog import SCOPES
from provider_pipeline_tests.api.conftest import make_tokens
from provider_pipeline_tests.api.server import running_api
from provider_pipeline_tests.fleet import Fleet

PROJECT = Path(__file__).parents[2]
SECTION = (PROJECT / "README.md").read_text(encoding="utf-8").partition("## HTTP API\n")[2].partition("\n## ")[0]
CURLS = re.findall(r"^curl .*$", SECTION, flags=re.MULTILINE)


def test_the_readme_s_requests_are_answered(fleet: Fleet):
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


def test_the_page_names_every_filter_and_every_scope():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    named = {*ModelFilters.model_fields, *SCOPES} - {"limit"}
    assert not [name for name in named if f"`{name}`" not in page]
    assert get_args(ModelStatus)[0] == "active"


def test_the_page_says_which_scope_each_decision_needs():
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (no|yes) \| (.+) \| (.+) \|$", page, flags=re.MULTILINE)
    stated = {what: (sync, admin) for what, read, sync, admin in rows if read == "no"}
    needs_admin = [what for what, (sync, admin) in stated.items() if (sync, admin) == ("no", "yes")]
    for word in ("approve", "activate", "rollback", "accept"):
        assert any(f"`{word}`" in what for what in needs_admin), word
