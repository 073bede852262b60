"""A place for a listing between the fetch and the write.

A listing is judged as a whole before a row of it is written, and it may hold a million models. So what comes of its
pages is kept in memory as long as it is little, and in a temporary file from then on. Not here: judging or writing.
"""

import pickle
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar

T = TypeVar("T")


class Spool(Generic[T]):
    """Items written once in order, then read any number of times.

    Only values that this process put in are read back, so pickle is safe here.

    Args:
        weigh: How much memory an item takes, in a unit of the caller's.
        most: How much of it all items together may take.
    """

    def __init__(self, weigh: Callable[[T], int], most: int) -> None:
        self._weigh = weigh
        self._most = most
        self._weight = 0
        self._items: list[T] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forgets everything."""
        self._items.clear()
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._count

    @property
    def weight(self) -> int:
        """How much the items weigh that are in memory."""
        return self._weight if self._file is None else 0

    def append(self, item: T) -> None:
        """Adds one item at the end."""
        self._count += 1
        if self._file is not None:
            pickle.dump(item, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            return
        self._items.append(item)
        self._weight += self._weigh(item)
        if self._weight > self._most:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            for each in self._items:
                pickle.dump(each, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._items.clear()

    def __iter__(self) -> Iterator[T]:
        if self._file is None:
            yield from self._items
            return
        self._file.seek(0)
        for _ in range(self._count):
            item: Any = pickle.load(self._file)  # noqa: S301 - our own bytes, see the class
            yield item
