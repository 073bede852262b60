"""A place for a listing between the fetch and the write.

A listing is judged as a whole before a row of it is written, and it may hold a million models. So its pages and rows go
to temporary files that start in memory and spill to disk. Not here: judging or writing.
"""

import pickle
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

_MEMORY_BYTES = 16 * 1024 * 1024


class Spool(Generic[T]):
    """Items written once in order, then read any number of times.

    Only values that this process put in are read back, so pickle is safe here.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def append(self, item: T) -> None:
        """Adds one item at the end."""
        pickle.dump(item, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        self._count += 1

    def __iter__(self) -> Iterator[T]:
        self._file.seek(0)
        for _ in range(self._count):
            item: Any = pickle.load(self._file)  # noqa: S301 - our own bytes, see the class
            yield item
