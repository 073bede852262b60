"""Help as it is read at a terminal of 80 columns."""

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


def test_paragraphs_are_not_broken_where_the_source_is():
    lines = [line.strip() for line in help_of("providers", "add").splitlines()]
    start = next(place for place, line in enumerate(lines) if line.startswith("For an existing provider"))
    assert min(map(len, lines[start : start + 3])) > 50
