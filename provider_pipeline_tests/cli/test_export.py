"""`provider-pipeline export`, and the commands of docs/exports.md."""

import json
import re
import shlex
from pathlib import Path

import pytest

from provider_pipeline.catalog.database import Database
from provider_pipeline.exports.forms import FORMS
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.exports.conftest import fill_catalogue

PAGE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^provider-pipeline (export .*)$", PAGE, flags=re.MULTILINE)


@pytest.fixture
def filled(run: CommandLine, database: Database) -> CommandLine:
    """The command line on the catalogue of the exports' tests."""
    fill_catalogue(database)
    return run


def test_the_commands_of_the_page_work(filled: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.json").write_text("{}")
    assert len(COMMANDS) == 8
    for command in COMMANDS:
        finished = filled(*shlex.split(command))
        assert finished.code == 0, f"{command}: {finished.err}"
    assert json.loads((tmp_path / "merged.json").read_bytes()) == json.loads(
        (tmp_path / "model_prices.json").read_bytes()
    )


def test_the_page_explains_each_form():
    assert re.findall(r"^\| `([\w-]+)` \|", PAGE, flags=re.MULTILINE) == list(FORMS)


def test_without_a_file_the_export_is_the_output_and_the_report_is_beside_it(filled: CommandLine):
    finished = filled("export", "litellm", "acme")
    assert len(finished.json) == 4
    assert "4 models, 1 left out" in finished.err
    assert filled("export", "litellm", "acme", "-o", "-").out == finished.out
    assert "purpose (mode) unknown (1)" in finished.err


def test_an_incomplete_export_fails_where_it_must_be_complete(filled: CommandLine, tmp_path: Path):
    file = tmp_path / "map.json"
    finished = filled("export", "litellm", "--require-complete", "-o", str(file), "--json")
    assert (finished.code, finished.json["left_out"]) == (1, 1)
    assert len(json.loads(file.read_bytes())) == 4
    assert filled("export", "csv", "--require-complete").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["litelm"], 2, "there are litellm"),
        (["csv", "nobody"], 2, "no provider 'nobody'"),
        (["csv", "--fill", "guess"], 2, "expected canonical"),
        (["csv", "--json"], 2, "add -o FILE"),
        (["csv", "--merge", "base.json"], 1, "base.json"),
        (["litellm", "--fill", "canonical", "--as-of", "1d"], 1, "for now only"),
    ],
)
def test_what_cannot_be_exported_is_told(filled: CommandLine, arguments: list[str], code: int, told: str):
    finished = filled("export", *arguments)
    assert finished.code == code
    assert told in finished.err
