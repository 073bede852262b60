"""Caches the rows of items that the same rule reads again in other listings."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.extraction import ItemReader, Rejected
from provider_pipeline.rules.limits import SizedCache, Work
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.rows import SetAside
from provider_pipeline.rules.thresholds import Thresholds

_MAX_REMEMBERED: Final = 4 * 1024 * 1024
"""Limit of the cached items' JSON, in bytes; their rows take a few times as much memory."""


class _Read(NamedTuple):
    row: dict[str, Any] | Rejected
    set_aside: tuple[SetAside, ...]
    steps: int


@dataclass(frozen=True)
class ItemMemory:
    """Rules' results for the latest items, in bounded memory.

    Attributes:
        rule: Identifies a rule with its patterns and thresholds, among those that share `reads`.
        reads: The results, by rule, endpoint and the item's JSON.
    """

    rule: Hashable = None
    reads: SizedCache[tuple[Hashable, int, bytes], _Read] = field(default_factory=lambda: SizedCache(_MAX_REMEMBERED))

    def under(self, rule: Hashable) -> "ItemMemory":
        """The same memory for another rule."""
        return ItemMemory(rule, self.reads)


class RememberingReader(ItemReader):
    """An `ItemReader` with the same rows, steps and values set aside. Rows are shared: do not change them.

    Args:
        memory: Of the endpoint's rule.
        place: The endpoint's position in the rule.
    """

    def __init__(
        self,
        memory: ItemMemory,
        place: int,
        endpoint: Endpoint,
        capabilities: CompiledCapabilities,
        thresholds: Thresholds,
        work: Work,
        on_set_aside: Callable[[SetAside], None],
    ) -> None:
        self._noted: list[SetAside] = []
        super().__init__(endpoint, capabilities, thresholds, work, self._noted.append)
        self._report = on_set_aside
        self._memory = memory
        self._place = place

    def row(self, item: Any) -> dict[str, Any] | Rejected:
        """See `ItemReader.row`."""
        try:
            text = orjson.dumps(item)
        except TypeError:  # integers of more than 64 bits, lone surrogates
            text = None
        key = None if text is None else (self._memory.rule, self._place, text)
        read = None if key is None else self._memory.reads.get(key)
        if read is None or read.steps > self._work.left:
            read = self._read(item)
            if key is not None and text is not None:
                self._memory.reads.put(key, read, len(text))
        else:
            self._work.left -= read.steps
        for each in read.set_aside:
            self._report(each)
        return read.row

    def _read(self, item: Any) -> _Read:
        self._noted.clear()
        left = self._work.left
        row = super().row(item)
        return _Read(row, tuple(self._noted), left - self._work.left)
