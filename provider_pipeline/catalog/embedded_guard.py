"""Stops an embedded PostgreSQL server that has no users; see `embedded` for the two locks.

A script of the standard library only. It sleeps while `postgres.users` is locked, then until that file's time.

Usage: embedded_guard.py HOME PG_CTL [UID GID]
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MAX_IDLE_SECONDS = 3600.0
_POLL_SECONDS = 2.0


def seconds_to_run(users: os.stat_result) -> float:
    """How long a server without users is to run on."""
    left = users.st_mtime - time.time()
    # More can only come from a clock that was set back.
    return left if 0 < left <= MAX_IDLE_SECONDS else 0


def guard(home: Path, pg_ctl: str, identity: list[int]) -> None:
    """Wait until the server has been without users for as long as they wanted, then stop it if it still runs.

    Returns at once if another guard is on duty; otherwise each restart of a crashing server would leave one more.
    """
    duty = os.open(home / "postgres.guard", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(duty, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    users = os.open(home / "postgres.users", os.O_RDONLY)
    turn = os.open(home / "postgres.lock", os.O_RDONLY)
    server = None
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        # Never wait for one lock while holding the other: a starting user takes them in the opposite order.
        fcntl.flock(users, fcntl.LOCK_UN)
        if not _is_same(home / "postgres.users", users):
            # The folder was removed, perhaps made anew: pg_ctl no longer finds the server.
            if server is not None and _works_in(server, home / "postgres"):
                os.kill(int(server), signal.SIGQUIT)
            return
        server = _server(home / "postgres") or server
        if (left := seconds_to_run(os.fstat(users))) > 0:
            time.sleep(min(left, _POLL_SECONDS))
            continue
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(turn, fcntl.LOCK_UN)  # a new user came
            continue
        if seconds_to_run(os.fstat(users)) == 0:
            break
        fcntl.flock(users, fcntl.LOCK_UN)  # a user came and went
        fcntl.flock(turn, fcntl.LOCK_UN)
    server = _server(home / "postgres")
    if server is not None and _works_in(server, home / "postgres"):
        user, group = identity or (None, None)
        subprocess.run(  # noqa: S603 - PostgreSQL's own program, without a shell
            [pg_ctl, "stop", "-w", "-m", "fast", "-s", "-D", home / "postgres"],
            check=False,
            user=user,
            group=group,
            extra_groups=[] if identity else None,
        )
    # While new users still wait: the next server's guard must not find this one on duty.
    fcntl.flock(duty, fcntl.LOCK_UN)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _server(data: Path) -> str | None:
    """The process id that the server wrote down."""
    try:
        return data.joinpath("postmaster.pid").read_text(encoding="utf-8").split()[0]
    except (OSError, IndexError):
        return None


def _works_in(pid: str, data: Path) -> bool:
    try:
        return is_postgres(pid, data)
    except PermissionError:
        return False


def is_postgres(pid: str, data: Path) -> bool:
    """Whether this is the server of the folder; the process id of a dead one may have been reused.

    Raises:
        PermissionError: The system hides other users' processes.
    """
    if Path("/proc/self").exists():
        try:
            program, *arguments = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.path.basename(program).startswith(b"postgres") and os.fsencode(data) in arguments  # noqa: PTH119 - bytes
    asked = ["/bin/ps", "-ww", "-o", "command=", "-p", pid]
    return os.fsencode(data) in subprocess.run(asked, check=False, capture_output=True).stdout  # noqa: S603


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # the starter does not wait for us
    os.setsid()
    guard(Path(sys.argv[1]), sys.argv[2], [int(part) for part in sys.argv[3:]])
