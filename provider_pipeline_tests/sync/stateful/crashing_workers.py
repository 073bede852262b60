"""Worker processes that are killed with SIGKILL in the middle of their work.

One process imports everything and forks a child per job, which kills itself before its n-th statement, so that failures
are reproducible. Run as a program, this module is that process.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import open_database
from provider_pipeline.errors import ProviderPipelineError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.worker import answer_tasks

LIMITS = FetchLimits(retries=0, read_timeout=0.3, deadline=20)


class CrashingWorkers:
    """The process that forks workers."""

    def __init__(self, database_url: str, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.communicate()

    def work(self, job: str, slug: str, *, dies_at: int) -> bool:
        """Runs a job in a worker that dies at its n-th statement; returns whether it finished before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([job, slug, dies_at]) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        assert status in (0, signal.SIGKILL), f"the worker ended with the status {status}"
        return bool(status == 0)


def _sync(database_url: str, slug: str, dies_at: int) -> None:
    with _mortal_session(database_url, dies_at) as session:
        attempt_sync(session, slug, client=ListingClient(LIMITS))


def _answer(database_url: str, slug: str, dies_at: int) -> None:
    with _mortal_session(database_url, dies_at) as session:
        try:
            answer_tasks(session, slug)
        except ProviderPipelineError:
            return


JOBS: dict[str, Callable[[str, str, int], None]] = {"sync": _sync, "answer": _answer}


@contextmanager
def _mortal_session(database_url: str, dies_at: int) -> Iterator[Session]:
    left = itertools.count(dies_at - 1, -1)

    def live_or_die(*_: Any) -> None:
        if next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_database(database_url) as database:
        for name in ("before_cursor_execute", "commit"):
            event.listen(database.engine, name, live_or_die)
        with database.session() as session:
            yield session


def _main(database_url: str) -> None:
    for line in sys.stdin:
        job, slug, dies_at = json.loads(line)
        child = os.fork()
        if not child:
            status = 1
            try:
                JOBS[job](database_url, slug, dies_at)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        status = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1])
