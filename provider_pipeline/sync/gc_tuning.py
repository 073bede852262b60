"""Fewer garbage collections while much is allocated."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_GC_THRESHOLD: Final = 50_000
"""Net allocations before the collector looks at the youngest generation; Python's default is some hundreds."""

_gc_lock = threading.Lock()
_gc_thresholds: list[tuple[int, int, int]] = []
"""The thresholds to restore, once for each block that is running."""


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Raises the garbage collector's threshold, process-wide, until the last such block ends.

    Parsed listings are large trees without reference cycles: the collector would scan them again and again for nothing.
    """
    with _gc_lock:
        _gc_thresholds.append(_gc_thresholds[0] if _gc_thresholds else gc.get_threshold())
        youngest, *older = _gc_thresholds[0]
        if youngest:  # 0 disables the collector
            gc.set_threshold(max(youngest, _GC_THRESHOLD), *older)
    try:
        yield
    finally:
        with _gc_lock:
            before = _gc_thresholds.pop()
            if not _gc_thresholds:
                gc.set_threshold(*before)
