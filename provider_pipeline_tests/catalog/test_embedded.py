import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
from sqlalchemy import text

from provider_pipeline.catalog import pgserver_wheel
from provider_pipeline.catalog.database import embedded_server, open_catalog
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.errors import CatalogError, ConfigurationError, DatabaseUnavailableError

USER = """
import os, sys
from pathlib import Path
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog import pgserver_wheel
if len(sys.argv) > 2:
    pgserver_wheel.binaries()
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    server.ensure_database("kept")
    print((server.data / "postmaster.pid").read_text().split()[0], flush=True)
    sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
as_another_user = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can act as another user, with setpriv"
)


@pytest.fixture
def home(working_folder: Path) -> Path:
    return working_folder


@pytest.fixture
def start_user(home: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts processes that use the server until their standard input closes."""
    started: list[subprocess.Popen] = []

    def start(as_user: pwd.struct_passwd | None = None, *, may_read_everything: bool = True) -> subprocess.Popen:
        command = [sys.executable, "-W", "error", "-c", USER, str(home)]
        if as_user is not None and may_read_everything:
            # The interpreter may be in a folder of root's, so the new user keeps root's right to read.
            rights = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
            identity = [f"--reuid={as_user.pw_uid}", f"--regid={as_user.pw_gid}", "--clear-groups"]
            command = ["setpriv", *identity, *rights, *command]
        elif as_user is not None:
            command += [str(as_user.pw_uid), str(as_user.pw_gid)]
        user = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        started.append(user)
        return user

    yield start
    for user in started:
        user.kill()
        user.communicate()
    _until(lambda: not _servers(home))


def _server_pid(user: subprocess.Popen) -> int:
    line = user.stdout.readline()
    assert line, user.stderr.read()
    return int(line)


def _leave(user: subprocess.Popen) -> None:
    _, complaints = user.communicate(timeout=30)
    assert (user.returncode, complaints) == (0, "")


def _runs(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _servers(home: Path, program: str = "") -> list[int]:
    """Process ids of the embedded server in this home and its guards; only those whose command line has `program`."""
    commands = {process.pid: " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])}
    return [pid for pid, line in commands.items() if str(home) in line and program in line and pid != os.getpid()]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 15 seconds"
        time.sleep(0.02)


def _pid(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def _stop_idle(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        os.utime(server.home / "postgres.users", (0, 0))


def test_a_server_is_found_running_within_the_time_that_its_last_user_wanted(home):
    with EmbeddedPostgres(home, idle_seconds=600) as server:
        pid = _pid(server)
    assert _runs(pid)
    with EmbeddedPostgres(home) as server, psycopg.connect(server.url("postgres").replace("+psycopg", "")):
        assert _pid(server) == pid
    assert _runs(pid), "a user that wants no such time stopped it"
    _stop_idle(home)
    _until(lambda: not _servers(home))


def test_an_idle_server_ends_after_its_time_which_every_use_begins_anew(home):
    with EmbeddedPostgres(home, idle_seconds=1) as server:
        pid = _pid(server)
        time.sleep(1.5)
    with EmbeddedPostgres(home, idle_seconds=4) as server:
        assert _pid(server) == pid
    left = time.monotonic()
    _until(lambda: not _servers(home))
    assert time.monotonic() - left > 3


def test_a_user_that_is_killed_does_not_keep_an_idle_server_longer_than_it_wanted(home, start_user):
    with EmbeddedPostgres(home, idle_seconds=2):
        user = start_user()
        pid = _server_pid(user)
    user.kill()
    _until(lambda: not _runs(pid))


def test_the_next_user_of_a_server_without_a_guard_starts_another(home):
    with EmbeddedPostgres(home, idle_seconds=600):
        _until(lambda: len(_guards(home)) == 1)
        (killed,) = _guards(home)
        os.kill(killed, signal.SIGKILL)
        _until(lambda: not _runs(killed))
    with EmbeddedPostgres(home, idle_seconds=1):
        _until(lambda: len(_guards(home)) == 1)
        os.utime(home / "postgres.users", (0, 0))
    _until(lambda: not _servers(home))


def test_an_idle_server_ends_if_its_folder_is_removed_and_one_in_a_new_folder_is_left_alone(home):
    folder = home / "removed"
    with EmbeddedPostgres(folder, idle_seconds=600) as server:
        pid = _pid(server)
        _until(lambda: len(_guards(folder)) == 1)
    time.sleep(2.5)  # the guard must have seen the server
    shutil.rmtree(folder)
    with EmbeddedPostgres(folder) as server:
        _until(lambda: not _runs(pid))
        assert _runs(_pid(server))
    _until(lambda: not _servers(folder))


def test_a_clock_that_was_set_back_does_not_keep_a_server_running(home):
    with EmbeddedPostgres(home) as server:
        pid = _pid(server)
        os.utime(home / "postgres.users", (time.time() + 90_000,) * 2)
    assert not _runs(pid)


def test_commands_leave_the_server_running_for_the_next_one(home, monkeypatch):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(home))
    monkeypatch.delenv("PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS")
    pids = set()
    for _ in range(2):
        with open_catalog():
            pass
        pids.add(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    (pid,) = pids
    assert _runs(pid)
    _stop_idle(home)
    _until(lambda: not _servers(home))


def test_opening_a_catalogue_that_exists_takes_one_connection_and_no_transaction_that_others_wait_for(
    home, monkeypatch
):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(home))
    with open_catalog() as kept, kept.engine.connect() as watching:
        # As an upgrade holds it, for minutes if it builds an index.
        watching.exec_driver_sql("SELECT pg_advisory_xact_lock(7160527341)")
        before = watching.exec_driver_sql("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'").scalar()
        with open_catalog() as database, database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM provider")) == 0
        watching.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        after = watching.exec_driver_sql("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'").scalar()
    assert after == before


@pytest.mark.parametrize("setting", ["soon", "-1", "3601", "nan"])
def test_an_idle_time_that_cannot_be_is_refused(home, monkeypatch, setting: str):
    monkeypatch.setenv("PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS", setting)
    with pytest.raises(ConfigurationError, match="expected seconds from 0 to 3600, got"):
        embedded_server(home)


def test_processes_that_start_at_once_share_one_server_which_ends_with_the_last(start_user, home):
    users = [start_user() for _ in range(3)]
    (pid,) = {_server_pid(user) for user in users}
    for user in users[:-1]:
        _leave(user)
        assert _runs(pid)
    _leave(users[-1])
    assert not _runs(pid)
    _until(lambda: not _servers(home))


def test_a_killed_user_does_not_stop_the_server_under_a_living_one(start_user):
    killed, living = start_user(), start_user()
    pid = _server_pid(killed)
    assert _server_pid(living) == pid
    killed.kill()
    killed.wait()
    time.sleep(0.3)
    assert _runs(pid)
    _leave(living)
    assert not _runs(pid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_when_its_only_user_is_killed(start_user, how):
    user = start_user()
    pid = _server_pid(user)
    user.send_signal(how)
    _until(lambda: not _runs(pid))


def test_the_number_of_a_dead_server_that_another_process_has_by_now_is_left_alone(start_user, home):
    user = start_user()
    pid = _server_pid(user)
    as_user = pwd.getpwnam("pgserver").pw_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=as_user) as bystander:
        try:
            os.kill(pid, signal.SIGKILL)
            _until(lambda: not _runs(pid))
            pid_file = home / "postgres" / "postmaster.pid"
            pid_file.write_text("\n".join([str(bystander.pid), *pid_file.read_text().splitlines()[1:]]) + "\n")
            user.kill()
            user.wait()
            _until(lambda: not _guards(home))
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_server_that_was_killed_is_started_again_with_its_data(start_user):
    first = start_user()
    pid = _server_pid(first)
    os.kill(pid, signal.SIGKILL)
    second = start_user()
    assert _server_pid(second) != pid
    _leave(second)
    _leave(first)


def _kill_server(server: EmbeddedPostgres) -> int:
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    _until(lambda: not _runs(pid))
    return pid


def _guards(home: Path) -> list[int]:
    return _servers(home, "embedded_guard")


def test_a_process_that_goes_on_running_starts_a_dead_server_again_when_it_wants_a_connection(home, monkeypatch):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(home))
    with EmbeddedPostgres(home) as server, open_catalog() as database:
        with database.session() as session:
            session.execute(text("CREATE TABLE kept AS SELECT 1 AS one"))
            session.commit()
        for _ in range(3):
            _kill_server(server)
            with database.session() as session:
                assert session.scalar(text("SELECT one FROM kept")) == 1
        _until(lambda: len(_guards(home)) == 1)
        with ThreadPoolExecutor(8) as threads:
            _kill_server(server)
            found = threads.map(lambda _: database.session().scalar(text("SELECT one FROM kept")), range(8))
            assert list(found) == [1] * 8
    _until(lambda: not _servers(home))


def test_a_server_that_cannot_be_started_again_is_told_and_started_once_it_can(home, monkeypatch):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(home))
    with EmbeddedPostgres(home) as server, open_catalog() as database:
        settings = server.data / "postgresql.conf"
        sound = settings.read_text()
        settings.write_text(f"{sound}\nno_such_setting = 1\n")
        _kill_server(server)
        for _ in range(3):
            with database.session() as session, pytest.raises(DatabaseUnavailableError, match="does not start") as told:
                session.execute(text("SELECT 1"))
            assert "\n" not in str(told.value)
        assert len(_guards(home)) == 1
        settings.write_text(sound)
        with database.session() as session:
            assert session.scalar(text("SELECT 1")) == 1


@pytest.fixture
def small_disk(home: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    folder = home / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    _until(lambda: not _servers(folder))
    subprocess.run(["umount", str(folder)], check=True)


@as_root
def test_a_full_disk_is_told_and_the_same_process_goes_on_when_there_is_room_again(small_disk: Path, monkeypatch):
    monkeypatch.delenv("PROVIDER_PIPELINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("PROVIDER_PIPELINE_HOME", str(small_disk))
    insert = text("INSERT INTO filling SELECT repeat(md5(random()::text), 30) FROM generate_series(1, 100000)")
    with open_catalog() as database:
        with database.session() as session:
            session.execute(text("CREATE TABLE filling (line text)"))
            session.commit()
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 2**20))
        for _ in range(3):
            with database.session() as session, pytest.raises(DatabaseUnavailableError) as told:
                session.execute(insert)
                session.commit()
            assert "\n" not in str(told.value)
        with EmbeddedPostgres(small_disk) as server:
            _kill_server(server)
        with database.session() as session, suppress(DatabaseUnavailableError):
            session.execute(insert)
        ballast.unlink()
        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM filling")) == 0
            session.execute(text("INSERT INTO filling VALUES ('one')"))
            session.commit()


def test_a_home_is_removed_entirely_unless_it_is_in_use(home, start_user):
    folder = home / "thrown-away"
    with EmbeddedPostgres(folder) as server:
        server.ensure_database("kept")
        with pytest.raises(CatalogError, match="is in use"):
            EmbeddedPostgres(folder).discard()
        assert server.data.is_dir()
    EmbeddedPostgres(folder).discard()
    assert not folder.exists()
    assert home.exists()


def test_a_stale_pid_file_that_names_another_living_process_is_not_believed(home):
    with EmbeddedPostgres(home) as server:
        server.ensure_database("kept")
        pid_file = (server.data / "postmaster.pid").read_text()
    stale = home / "postgres" / "postmaster.pid"
    stale.write_text("\n".join([str(os.getpid()), *pid_file.splitlines()[1:]]) + "\n")
    with EmbeddedPostgres(home) as server, psycopg.connect(server.url("kept").replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_set_up_that_was_interrupted_is_begun_anew(home):
    unfinished = home / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(home) as server:
        server.ensure_database("made")
    assert not unfinished.exists()


def test_a_folder_too_deep_for_a_socket_name_works(home):
    deep = home / ("d" * 60) / ("e" * 60)
    with EmbeddedPostgres(deep) as server:
        url = server.url("postgres")
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT current_setting('data_directory')").fetchone() == (str(server.data),)
        socket_folder = Path(psycopg.conninfo.conninfo_to_dict(url.replace("+psycopg", ""))["host"])
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    socket_folder.rmdir()


def test_a_folder_name_with_spaces_and_quotes_works(home):
    with EmbeddedPostgres(home / "it's a home") as server:
        server.ensure_database("made")


def test_one_process_may_enter_twice(home):
    with EmbeddedPostgres(home) as outer:
        with EmbeddedPostgres(home) as inner:
            assert inner.url("x") == outer.url("x")
        outer.ensure_database("still_there")


def test_a_server_that_was_left_has_no_url(home):
    with pytest.raises(DatabaseUnavailableError, match="not running"):
        EmbeddedPostgres(home).url("x")


def test_data_of_another_major_version_is_refused_in_one_line(home):
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseUnavailableError, match="was made by PostgreSQL 9, the installed one is") as caught:
        EmbeddedPostgres(home).__enter__()
    assert "\n" not in str(caught.value)


def test_a_server_that_cannot_start_says_why_in_one_line(home):
    with EmbeddedPostgres(home) as server:
        pass
    with (server.data / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailableError, match="does not start") as caught:
        EmbeddedPostgres(home).__enter__()
    assert "\n" not in str(caught.value)


def test_importing_the_catalogue_does_not_import_the_wheel():
    code = (
        "import sys, provider_pipeline.catalog.database; print([name for name in sys.modules if 'pixeltable' in name])"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


@as_root
def test_root_runs_the_server_as_the_user_pgserver(home):
    with EmbeddedPostgres(home) as server:
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        assert psutil.Process(pid).username() == "pgserver"
        assert server.data.stat().st_mode & 0o777 == 0o700


def test_servers_that_start_at_once_on_a_new_machine_create_their_user_once(home, monkeypatch):
    # For real, three workers of `make test` in a new container did: each `useradd` succeeded, and replaced the user of
    # another, whose `initdb` then had none.
    users: set[str] = set()
    created = []

    def ensure_user_exists(name: str) -> None:
        if name not in users:
            time.sleep(0.05)
            created.append(name)
            users.add(name)

    monkeypatch.setattr(pgserver_wheel, "_utils", lambda: SimpleNamespace(ensure_user_exists=ensure_user_exists))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with ThreadPoolExecutor(3) as threads:
        found = [threads.submit(EmbeddedPostgres(home / name)._account) for name in "abc"]
        assert {each.result() for each in found} == {"pgserver"}
    assert created == ["pgserver"]


@as_another_user
def test_an_ordinary_user_runs_the_server_itself_and_root_can_join(home, start_user):
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    user = start_user(as_user=nobody)
    pid = _server_pid(user)
    assert psutil.Process(pid).username() == "nobody"
    with EmbeddedPostgres(home) as server:
        server.ensure_database("made_by_root")
        _leave(user)
        assert _runs(pid)
    assert not _runs(pid)
    with EmbeddedPostgres(home) as server:  # begun by root this time, for the same owner
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        assert psutil.Process(pid).username() == "nobody"


@as_root
def test_an_ordinary_user_is_told_in_one_line_that_the_folder_is_not_its_own(home, start_user):
    with EmbeddedPostgres(home):
        pass
    home.chmod(0o755)
    user = start_user(as_user=pwd.getpwnam("nobody"), may_read_everything=False)
    _, complaints = user.communicate(timeout=30)
    last = complaints.splitlines()[-1]
    assert "DatabaseUnavailableError" in last
    assert "Permission denied" in last
    assert "PROVIDER_PIPELINE_HOME" in last
