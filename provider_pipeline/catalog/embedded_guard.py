"""Stops an embedded PostgreSQL server whose users were killed; see `embedded` for the two locks.

A script that uses only the standard library, started with each server, which sleeps until `postgres.users` is free.

Usage: embedded_guard.py HOME PG_CTL [UID GID]
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path


def guard(home: Path, pg_ctl: str, identity: list[int]) -> None:
    """Wait until the last user ends, then stop the server if it still runs.

    Returns at once if another guard is on duty; otherwise each restart of a crashing server would leave one more.
    """
    duty = os.open(home / "postgres.guard", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(duty, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    users = os.open(home / "postgres.users", os.O_RDONLY)
    turn = os.open(home / "postgres.lock", os.O_RDONLY)
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        # Never wait for one lock while holding the other: a starting user takes them in the opposite order.
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(turn, fcntl.LOCK_UN)  # a new user came
            continue
        break
    if _runs(home / "postgres"):
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


def _runs(data: Path) -> bool:
    """Whether the server runs; the process id of a dead one may have been reused."""
    try:
        pid = data.joinpath("postmaster.pid").read_text(encoding="utf-8").split()[0]
        if Path("/proc/self").exists():
            return os.fsencode(data) in Path("/proc", pid, "cmdline").read_bytes()
    except (OSError, IndexError):
        return False
    asked = ["/bin/ps", "-ww", "-o", "command=", "-p", pid]
    return os.fsencode(data) in subprocess.run(asked, check=False, capture_output=True).stdout  # noqa: S603


if __name__ == "__main__":
    if os.fork():
        os._exit(0)  # the starter does not wait for us
    os.setsid()
    guard(Path(sys.argv[1]), sys.argv[2], [int(part) for part in sys.argv[3:]])
