"""docs/repair.md says what the code does: its gates, its bounds, its guards, its events, its commands."""

import re
from pathlib import Path

import typer.main

from provider_pipeline.catalog.notifications import MOST_ATTEMPTS
from provider_pipeline.catalog.task_claims import DEFAULT_RETRIES
from provider_pipeline.cli.app import app
from provider_pipeline.rules import GUARDS
from provider_pipeline.sync import events, gates, judge_process
from provider_pipeline.sync.evidence import SHADOW_RESPONSES
from provider_pipeline.sync.gates import Gates

TEXT = (Path(__file__).parents[2] / "docs" / "repair.md").read_text(encoding="utf-8")


def test_every_gate_is_described_and_none_that_is_not_there():
    names = set(re.findall(r'Gate\(\s*"([a-z_]+)"', Path(gates.__file__).read_text(encoding="utf-8")))
    described = set(re.findall(r"^\| `([a-z_]+)` \| [a-z]", TEXT, flags=re.MULTILINE))
    assert described | {"fits_where_the_active_rule_does"} == names


def test_every_bound_has_its_default():
    stated = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9.]+) \|$", TEXT, flags=re.MULTILINE))
    assert {name: float(value) for name, value in stated.items()} == Gates().model_dump()
    assert f"Up to {SHADOW_RESPONSES} stored responses" in TEXT


def test_the_bounds_of_a_judges_process_are_those_of_the_code():
    text = " ".join(TEXT.split())
    assert f"with {judge_process.MEMORY >> 20} MiB of memory and {judge_process.SECONDS} seconds of processor" in text


def test_guards_events_and_retries_are_those_of_the_code():
    assert f"The guards are {', '.join(f'`{name}`' for name in list(GUARDS)[:-1])} and `{list(GUARDS)[-1]}`" in TEXT
    kinds = [value for name, value in vars(events).items() if name.isupper()]
    assert len(kinds) == 5
    assert all(f"`{kind}`" in TEXT for kind in kinds)
    assert MOST_ATTEMPTS == 10
    assert (DEFAULT_RETRIES.base.total_seconds(), DEFAULT_RETRIES.attempts) == (300, 5)


def test_every_command_exists_with_its_options():
    root = typer.main.get_command(app)
    for line in re.findall(r"^provider-pipeline (.+)$", TEXT, flags=re.MULTILINE):
        command, words = root, line.split()
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
