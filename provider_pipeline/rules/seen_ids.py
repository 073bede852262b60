"""Remembers the ids of a listing in little memory, however many there are."""

import json
import zlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final

Numbers = tuple[Any, ...]

_MAX_IN_FULL: Final = 10_000
_MAX_SHARED: Final = 10_000
"""Models of a long listing have few different limits and prices; if not, remembering them would only cost memory."""
_BUCKETS: Final = 4_096


class CompactIds:
    """A map from 64-bit hashes to small numbers, in about 13 bytes each; a `dict` takes several times that.

    Two of a million ids have the same hash with a probability of 3 in 100,000,000.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[int, tuple[array[int], array[int]]] = defaultdict(lambda: (array("q"), array("I")))

    def get(self, key: int) -> int | None:
        """The number of a hash; None if it is not in the map."""
        hashes, numbers = self._buckets[key % _BUCKETS]
        place = bisect_left(hashes, key)
        return numbers[place] if place < len(hashes) and hashes[place] == key else None

    def add(self, key: int, number: int = 0) -> None:
        """Add a hash that is not in the map yet."""
        hashes, numbers = self._buckets[key % _BUCKETS]
        place = bisect_left(hashes, key)
        hashes.insert(place, key)
        numbers.insert(place, number)


class SeenModels(Collection[str]):
    """The ids of the models seen so far, each with the model's numbers.

    The last ones are kept in full. The earlier ones of a long listing are kept as hashes, to look them up, and as
    compressed text, to iterate over them.
    """

    def __init__(self) -> None:
        self._last: dict[str, Numbers] = {}
        self._earlier = CompactIds()
        self._texts: list[bytes] = []
        self._numbers: list[Numbers] = []
        self._places: dict[Numbers, int] = {}
        self._count = 0

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._last or (bool(self._texts) and self._earlier.get(hash(model_id)) is not None)

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            yield from json.loads(zlib.decompress(text))
        yield from self._last

    def __len__(self) -> int:
        return self._count

    def add(self, model_id: str, numbers: Numbers) -> None:
        """Add a model that was not seen yet."""
        self._count += 1
        self._last[model_id] = numbers
        if len(self._last) > _MAX_IN_FULL:
            self._texts.append(zlib.compress(json.dumps([*self._last]).encode("ascii"), 1))
            for each, held in self._last.items():
                self._earlier.add(hash(each), self._place(held))
            self._last.clear()

    def numbers(self, model_id: str) -> Numbers:
        """The numbers of a model that was seen."""
        held = self._last.get(model_id)
        return self._numbers[self._earlier.get(hash(model_id)) or 0] if held is None else held

    def _place(self, numbers: Numbers) -> int:
        place = self._places.get(numbers)
        if place is None:
            place = len(self._numbers)
            self._numbers.append(numbers)
            if place < _MAX_SHARED:
                self._places[numbers] = place
        return place
