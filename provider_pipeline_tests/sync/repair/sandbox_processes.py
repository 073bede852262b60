"""Finds and kills the sandbox processes in which rules from outside are judged."""

import contextlib
from collections.abc import Iterator

import psutil
from sqlalchemy import Engine, event

MODULE = "provider_pipeline.sync.repair.judge_process"


def judges(parent: int | None = None) -> list[psutil.Process]:
    """The sandboxes below a process, by default this one."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(parent).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if MODULE in process.cmdline():
                    found.append(process)
    return found


@contextlib.contextmanager
def kill_sandboxes(engine: Engine, signal: int) -> Iterator[None]:
    """Sends sandboxes a signal as soon as one waits for something from the database."""

    def end_judges(*_: object) -> None:
        for process in judges():
            process.send_signal(signal)

    event.listen(engine, "before_cursor_execute", end_judges)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", end_judges)
