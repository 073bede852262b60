"""Runs a command for as long as its starter lives, then ends it with all its descendants.

Usage: supervisor.py COMMAND...
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

import psutil

GRACE_SECONDS = 30
"""How long the command may take to end after SIGINT."""

_STRAGGLER_SECONDS = 3


def supervise(command: Sequence[str]) -> int:
    """Run the command until it ends or the starter is gone, and return its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603 - the starter's own command line
        threading.Thread(target=_end_after_starter, args=(process,), daemon=True).start()
        code = process.wait()
    _end_stragglers()
    return code if code >= 0 else 128 - code


def session_processes(leader: int) -> list[psutil.Process]:
    """The living processes of a session, including orphans."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(each.pid) == leader and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def _end_after_starter(process: subprocess.Popen[bytes]) -> None:
    # The starter holds the other end and never writes: this blocks until the kernel closes it, even if the starter was
    # killed right after the start.
    os.read(0, 1)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _end_stragglers() -> None:
    """Wait for the command's remaining descendants, then terminate them, then kill them."""
    own = os.getpid()
    left = [each for each in session_processes(own) if each.pid != own]
    _, left = psutil.wait_procs(left, timeout=_STRAGGLER_SECONDS)
    for each in left:
        with contextlib.suppress(psutil.Error):
            each.terminate()
    psutil.wait_procs(left, timeout=_STRAGGLER_SECONDS)
    for each in session_processes(own):
        if each.pid != own:
            with contextlib.suppress(psutil.Error):
                each.kill()


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))
