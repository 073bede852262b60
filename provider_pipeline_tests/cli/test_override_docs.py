"""docs/overrides.md: its commands and files, as written."""

import json
import re
import shlex
from pathlib import Path

import pytest

from provider_pipeline.overrides.entries import OverrideEntry
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

PAGE = (Path(__file__).parents[2] / "docs" / "overrides.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for language, text in BLOCKS if not language for line in text.splitlines()]


def block(wanted: str) -> str:
    (found,) = (text for language, text in BLOCKS if language == wanted)
    return found


def test_every_command_and_file_of_the_page_works_in_order(
    run: CommandLine,
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    fleet.add("acme", listing(*CHAT_MODELS))
    assert run("sync", "acme").code == 0
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "acme.yaml").write_text(block("yaml"), encoding="utf-8")
    (tmp_path / "prices" / "acme.csv").write_text(
        "\n".join(line for line in block("csv").splitlines() if "2026-01-01" not in line), encoding="utf-8"
    )
    (tmp_path / "model_prices_and_context_window.json").write_text("{}", encoding="utf-8")
    (tmp_path / "data.json").write_text("[]", encoding="utf-8")
    assert len(COMMANDS) == 8
    for name, *arguments in COMMANDS:
        done = run(*arguments)
        assert (name, done.code) == ("provider-pipeline", 0), f"{arguments}: {done.err}"
    assert run("sync", "acme").code == 0
    found = json.loads(run("models", "list", "acme", "--json").out)
    (model,) = (each for each in found if each["model_id"] == "gpt-4o")
    assert model["prices"]["output"]["tiers"] == [{"above": 200_000, "amount": 15}]


def test_the_table_names_every_field_of_an_override():
    table = PAGE.partition("<!-- fields of an override -->")[2].partition("\n\nIn YAML")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == list(OverrideEntry.model_fields)
