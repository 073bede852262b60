"""Child processes end, whatever they do; the embedded server keeps the catalogue safer than Dagster's events."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from sqlalchemy import create_engine, text

from provider_pipeline.catalog.database import open_database
from provider_pipeline.cli.supervisor import session_processes
from provider_pipeline.cli.workbench import running, workbench
from provider_pipeline.errors import ConfigurationError, MigrationMissingError

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


STARTER = """
import os, sys, time
from provider_pipeline.cli.workbench import running
with running([sys.executable, "-c", sys.argv[1], sys.argv[2]], environment=dict(os.environ)) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


def test_a_starter_that_is_killed_takes_the_child_and_the_grandchild_with_it(tmp_path: Path):
    command = [sys.executable, "-c", STARTER, STUBBORN, str(tmp_path / "pid")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        session = int(starter.stdout.readline())
        grandchild = grandchild_in(tmp_path / "pid")
        starter.kill()
    psutil.wait_procs([grandchild, *session_processes(session)], timeout=30)
    assert is_gone(grandchild)
    assert session_processes(session) == []


def test_a_starter_that_is_killed_at_once_leaves_nothing_behind(tmp_path: Path):
    command = [sys.executable, "-c", STARTER, "import time; time.sleep(600)", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        session = int(starter.stdout.readline())
        starter.kill()
    psutil.wait_procs(session_processes(session), timeout=30)
    assert session_processes(session) == []


def test_a_childs_exit_code_is_returned(tmp_path: Path):
    with running([sys.executable, "-c", "raise SystemExit(7)"], environment=dict(os.environ)) as process:
        assert process.wait(60) == 7


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


def test_a_database_named_by_url_is_not_migrated_behind_its_operators_back(empty_database_url: str, tmp_path: Path):
    urls = {"catalog_url": empty_database_url, "dagster_url": empty_database_url}
    with pytest.raises(MigrationMissingError), workbench(tmp_path, **urls):
        pass
    with open_database(empty_database_url) as database, database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")) == 0


def test_a_home_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path):
    (tmp_path / "dagster").touch()
    with pytest.raises(ConfigurationError, match="cannot be written") as caught, workbench(tmp_path):
        pass
    assert "\n" not in str(caught.value)
