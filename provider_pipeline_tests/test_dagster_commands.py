"""Dagster's own commands in a fresh checkout, with nothing in the environment but PATH and HOME."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run_in_the_checkout(*command: str, home: Path) -> str:
    """The output of a command that succeeds."""
    env = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "HOME": str(home)}
    ended = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("dg", "check", "defs"), "All definitions loaded successfully"),
        (("dg", "list", "defs"), "provider_model"),
        (("dagster", "definitions", "validate"), "All code locations passed validation"),
    ],
    ids=["dg check defs", "dg list defs", "dagster definitions validate"],
)
def test_the_command_works_in_an_empty_environment_and_leaves_nothing_behind(
    command: tuple[str, ...], said: str, tmp_path: Path
):
    before = set(ROOT.iterdir())
    output = run_in_the_checkout(*command, home=tmp_path)
    assert said in output
    assert "Traceback" not in output
    assert set(ROOT.iterdir()) == before
