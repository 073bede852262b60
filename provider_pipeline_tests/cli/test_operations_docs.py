"""The page on operations: its table of checks is the doctor's, and its commands work."""

import os
import re
import shlex
from pathlib import Path

import dagster as dg
import pytest

from provider_pipeline.catalog import pgserver_wheel
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.locked import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_table_of_checks_names_those_of_the_doctor(run: CommandLine, instance: dg.DagsterInstance, tmp_path: Path):
    table = PAGE.partition("| check | fails if |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1] if row else "")}
    checked = {check["name"] for check in run("doctor", "--json", DAGSTER_HOME=str(tmp_path)).json["checks"]}
    # The collation is named only if it is wrong, and the database's disk only if it is another one.
    assert named == checked | {"collation", "disk of the database"}


def test_its_commands_work_in_order(run: CommandLine, acme: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    programs = f"{pgserver_wheel.binaries()}{os.pathsep}{os.environ['PATH']}"
    run.environment.pop("DAGSTER_HOME", None)
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 3
    for name, *arguments in commands:
        assert name == "provider-pipeline"
        finished = run(*arguments, PATH=programs)
        assert finished.code == 0, f"{arguments}: {finished.out}{finished.err}"
