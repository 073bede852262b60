"""The commands `backup` and `restore`, on the embedded server and on a database named by URL."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provider_pipeline.catalog import pgserver_wheel
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet


def test_the_embedded_catalogue_is_backed_up_and_restored_into_another_home(
    run: CommandLine, working_folder: Path, tmp_path: Path
):
    run.environment.pop("PROVIDER_PIPELINE_DATABASE_URL")
    homes = [{"PROVIDER_PIPELINE_HOME": str(working_folder / name)} for name in ("one", "two")]
    file = str(tmp_path / "b.dump")
    added = run("providers", "add", "openai", **homes[0])
    assert added.code == 0, added.err
    # No PATH: the embedded server's own programs are taken.
    written = run("backup", file, "--json", **homes[0], PATH="")
    assert written.code == 0, written.err
    assert written.json["bytes"] == Path(file).stat().st_size
    restored = run("restore", file, **homes[1], PATH="")
    assert restored.code == 0, restored.err
    assert "grant-read" in restored.err
    listed = [run("providers", "list", "--json", **home).json for home in homes]
    assert listed[0] == listed[1]
    again = run("restore", file, **homes[1], PATH="")
    assert (again.code, "--replace" in again.err) == (1, True)


def test_a_database_named_by_url_takes_the_programs_on_the_path(run: CommandLine, acme: Fleet, tmp_path: Path):
    programs = f"{pgserver_wheel.binaries()}{os.pathsep}{os.environ['PATH']}"
    file = str(tmp_path / "b.dump")
    assert run("backup", file, PATH=programs).code == 0
    before = run("models", "list", "--json").json
    acme.add("later")
    finished = run("restore", file, "--replace", PATH=programs)
    assert finished.code == 0, finished.err
    assert run("models", "list", "--json").json == before
    assert [each["slug"] for each in run("providers", "list", "--json").json] == ["acme"]
    missing = run("backup", file, PATH="")
    assert (missing.code, "pg_dump is not on the PATH" in missing.err) == (1, True)


SLOW = """#!/bin/sh
case "$1" in --version) echo "pg_dump (PostgreSQL) 99.1"; exit;; esac
for each; do case "$each" in --file=*) echo half > "${each#--file=}";; esac; done
exec sleep 60
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_leaves_nothing(run: CommandLine, tmp_path: Path, how: signal.Signals):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pg_dump").write_text(SLOW)
    (tmp_path / "bin" / "pg_dump").chmod(0o755)
    (tmp_path / "out").mkdir()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("provider-pipeline"), "backup", tmp_path / "out" / "b.dump"],
        env={**run.environment, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not any(each.stat().st_size for each in (tmp_path / "out").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(how)
    assert process.wait(30) != 0
    assert list((tmp_path / "out").iterdir()) == []
