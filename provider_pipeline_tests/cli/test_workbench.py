"""Child processes end, whatever they do; the embedded server keeps the catalogue safer than Dagster's events."""

import os
import signal
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from sqlalchemy import create_engine, text

from provider_pipeline.cli.workbench import running, workbench

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "time.sleep(600)"])
open(sys.argv[1], "w").write(str(grandchild.pid))
time.sleep(600)
"""


def start(told: Path):
    return running([sys.executable, "-c", STUBBORN, str(told)], environment=dict(os.environ))


def grandchild_in(told: Path) -> psutil.Process:
    while not told.exists() or not told.read_text():
        time.sleep(0.05)
    return psutil.Process(int(told.read_text()))


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_grandchild_that_ignores_every_request_is_killed_with_its_session(tmp_path: Path):
    with start(tmp_path / "pid") as process:
        grandchild = grandchild_in(tmp_path / "pid")
    psutil.wait_procs([grandchild], timeout=10)
    assert process.returncode is not None
    assert is_gone(grandchild)


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path):
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), start(tmp_path / "pid") as process:
            grandchild = grandchild_in(tmp_path / "pid")
            signal.setitimer(signal.ITIMER_REAL, 1.5)  # comes while the grandchild is waited for
        assert process.returncode is not None
        psutil.wait_procs([grandchild], timeout=10)
        assert is_gone(grandchild)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def waits_for_the_disk(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SHOW synchronous_commit")).scalar_one()
    engine.dispose()
    return str(found)


def test_the_embedded_server_waits_for_the_disk_for_the_catalogue_and_not_for_dagsters_events(
    working_folder: Path, monkeypatch
):
    with workbench(working_folder) as bench:
        assert waits_for_the_disk(bench.environment["PROVIDER_PIPELINE_DATABASE_URL"]) == "on"
        assert waits_for_the_disk(bench.environment["DAGSTER_POSTGRES_URL"]) == "off"
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", bench.environment["DAGSTER_POSTGRES_URL"])
        with dg.DagsterInstance.from_config(bench.environment["DAGSTER_HOME"]) as instance:
            assert instance.get_runs() == []
