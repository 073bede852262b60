"""Help as it is read at a terminal of 80 columns."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from provider_pipeline.cli.app import app
from provider_pipeline_tests.cli.conftest import CommandLine


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


EVERY_COMMAND = [*commands(typer.main.get_command(app))]


def help_of(*path: str) -> str:
    command = CommandLine({"COLUMNS": "80"})
    shown = command(*path, "--help")
    assert shown.code == 0
    return shown.out


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_help_cuts_no_name_and_names_no_type_of_a_flag(path: tuple[str, ...]):
    shown = help_of(*path)
    assert max(map(len, shown.splitlines())) <= 80
    assert "\u2026" not in shown
    options = [line for line in shown.splitlines() if line.startswith("\u2502 --")]
    assert not [line for line in options if "<bool>" in line or "range>" in line or "<list" in line]


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_usage_names_each_argument_once_in_capitals_and_the_help_explains_it(path: tuple[str, ...]):
    shown = "\n".join(line.rstrip() for line in help_of(*path).splitlines())
    usage = shown.partition("Usage: ")[2].partition("\n\n")[0]
    assert not re.search(r"\[\[|\.\.\.[\]}]|\{[a-z_]+\}", usage), usage
    arguments = shown.partition(" Arguments ")[2].partition("\u2570")[0]
    assert "<list" not in arguments
    assert not re.search(r"> +\[required\]", arguments), arguments


def test_paragraphs_are_not_broken_where_the_source_is():
    lines = [line.strip() for line in help_of("providers", "add").splitlines()]
    start = next(place for place, line in enumerate(lines) if line.startswith("For an existing provider"))
    assert min(map(len, lines[start : start + 3])) > 50
