"""Runs the garbage collector less often where many new objects stay, or form no cycles."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_THRESHOLD: Final = 50_000
"""Net allocations before the collector looks at the youngest generation; Python's default is some hundreds."""

_lock = threading.Lock()
_thresholds: list[tuple[int, int, int]] = []
"""The thresholds to restore, once for each block that is running."""


@contextmanager
def loading_modules() -> Iterator[None]:
    """Pauses the garbage collector while modules load, and exempts what exists then from later collections.

    Functions, classes and constants stay for good: looking for garbage among them was a twelfth of a short command.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Raises the garbage collector's threshold, process-wide, until the last such block ends.

    Parsed listings are large trees without reference cycles: the collector would scan them again and again for nothing.
    """
    with _lock:
        _thresholds.append(_thresholds[0] if _thresholds else gc.get_threshold())
        youngest, *older = _thresholds[0]
        if youngest:  # 0 disables the collector
            gc.set_threshold(max(youngest, _THRESHOLD), *older)
    try:
        yield
    finally:
        with _lock:
            before = _thresholds.pop()
            if not _thresholds:
                gc.set_threshold(*before)
