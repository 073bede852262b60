"""docs/fix-a-rule.md: its commands and its file, as written."""

import re
import shlex
import sys
from pathlib import Path

import yaml

from provider_pipeline.presets.library import load_provider_file
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

PAGE = (Path(__file__).parents[2] / "docs" / "fix-a-rule.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for language, text in BLOCKS if not language for line in text.splitlines()]


def test_every_command_of_the_page_works_in_order(run: CommandLine, fleet: Fleet, tmp_path: Path):
    sample = listing(*CHAT_MODELS)
    for place, model in enumerate(sample["data"], start=1):
        model["limits"] = {"out": 4_096 * place}
        model["max_output_tokens"] = 1_024
    fleet.add("acme", sample)
    assert run("sync", "acme").code == 0
    assert len(COMMANDS) == 9
    for name, *arguments in COMMANDS:
        done = run(*arguments, EDITOR=_editor(tmp_path))
        assert (name, done.code) == ("provider-pipeline", 0), f"{arguments}: {done.err}"


def _editor(folder: Path) -> str:
    program = folder / "editor.py"
    program.write_text(
        "import pathlib, sys\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        "file.write_text(file.read_text().replace('  id: id\\n', '  id: id\\n  name: id\\n'))\n"
    )
    return f"{sys.executable} {program}"


def test_every_assignment_of_the_page_is_one(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    table = PAGE.partition("| to change | write |")[2].partition("\n\n")[0]
    written = re.findall(r"^\| [^`|]+ \| `([^`]+)`", table, flags=re.MULTILINE)
    assert len(written) == 7
    for text in written:
        if not text.startswith("--"):
            tried = run("rules", "set", "acme", *text.split(), "--dry-run", "--json")
            assert tried.json["rule_changes"] or text.endswith("usd_per_million_tokens"), tried.err


def test_the_file_of_the_page_is_valid(tmp_path: Path):
    (block,) = (text for language, text in BLOCKS if language == "yaml")
    file = tmp_path / "acme.yaml"
    file.write_text(block)
    stated = load_provider_file(file).rule
    assert stated is not None
    assert stated.to_json() == yaml.safe_load(block)["rule"]
