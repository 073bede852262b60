"""Python's collector of reference cycles, while listings are worked on.

It looks again and again at whatever was made since and still lives, and now and then at all there is. Listings are
large trees of values without a cycle, of which it finds nothing to free: reference counts do that.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SELDOM: Final = 50_000
"""Containers that were made and not freed before it looks at the youngest of them; usually, some hundreds."""

_lock = threading.Lock()
_usual: list[tuple[int, int, int]] = []
"""What is to be restored, once for each block that is running."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Let the collector run less often, in the whole process, for as long as any such block lasts."""
    with _lock:
        _usual.append(_usual[0] if _usual else gc.get_threshold())
        youngest, *older = _usual[0]
        if youngest:  # it runs at all
            gc.set_threshold(max(youngest, _SELDOM), *older)
    try:
        yield
    finally:
        with _lock:
            usual = _usual.pop()
            if not _usual:
                gc.set_threshold(*usual)
