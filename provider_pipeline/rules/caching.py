"""A cache that is bounded by the size of what it holds, not by how many things that are.

Here: one small class. Not here: what is kept in such caches. The concept: what comes from a rule may be large by
intention, and a cache that counts entries holds thousands of the largest.
"""

from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class SizedCache(Generic[K, V]):
    """Keeps values up to a total size; the oldest ones go first. Threads may share it.

    Args:
        most: The total size, in a unit of the caller's.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._entries: dict[K, tuple[V, int]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """The value that is kept for the key, if it still is."""
        found = self._entries.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value; one that is larger than the whole cache is not kept."""
        with self._lock:
            if size > self._most or key in self._entries:
                return
            self._entries[key] = (value, size)
            self._left -= size
            while self._left < 0:
                oldest = next(iter(self._entries))
                self._left += self._entries.pop(oldest)[1]
