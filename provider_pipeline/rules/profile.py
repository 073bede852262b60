"""The profile: what an extraction looks like as a whole, in bounded space.

Here: counts, fill rates, distributions and a sketch of the ids, built row by row. Not here: comparing two profiles
(`plausibility.py`). The id sketch keeps the smallest hashes of all ids, from which the overlap of two listings can be
estimated however many models they have (exactly, up to `SKETCH_SIZE` models).
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.rows import ROW_COLUMNS

SKETCH_SIZE: Final = 2_048
DISTINCT_CAP: Final = 16
NUMERIC: Final = ("context_length", "max_output_tokens", "input_price", "output_price")
_TEXTUAL: Final = ("display_name", "input_modalities", "output_modalities")
FILLED: Final = (*_TEXTUAL, *NUMERIC)
_BUCKETS_PER_DECADE: Final = 8
_DIGEST_SIZE: Final = 6
_EMPTY_ROW: Final[Mapping[str, Any]] = dict.fromkeys(ROW_COLUMNS)


class Profile(BaseModel):
    """What a whole extraction looks like. Equal listings have equal profiles, whatever their order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int = 0
    sketch: tuple[int, ...] = Field((), max_length=SKETCH_SIZE)
    with_slash: int = 0
    filled: dict[str, int] = Field(default_factory=dict)
    distinct: dict[str, int] = Field(default_factory=dict)
    medians: dict[str, float] = Field(default_factory=dict)
    capabilities: dict[str, int] = Field(default_factory=dict)
    covered: int = 0

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Profile":
        """The profile of rows held in memory."""
        builder = ProfileBuilder()
        builder.add([row if len(row) >= len(ROW_COLUMNS) else {**_EMPTY_ROW, **row} for row in rows])
        return builder.profile()

    def to_json(self) -> dict[str, Any]:
        """The profile as plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Profile":
        """The profile a document of `to_json` holds.

        Raises:
            ConfigurationError: The document is no profile.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ConfigurationError(f"not a stored profile: {error.errors(include_url=False)[0]['msg']}") from error

    def overlap(self, other: "Profile") -> float:
        """The share of the other profile's ids that are in this one too, estimated from the sketches."""
        if not other.sketch or not self.sketch:
            return 0.0
        bound = min(_reach(self), _reach(other))
        theirs = {value for value in other.sketch if value <= bound}
        return len(theirs.intersection(self.sketch)) / len(theirs) if theirs else 0.0

    def fill_rate(self, column: str) -> float:
        """The share of the models that have a value in the column."""
        return self.filled.get(column, 0) / self.count if self.count else 0.0


class ProfileBuilder:
    """Builds a profile page by page."""

    def __init__(self) -> None:
        self._count = self._with_slash = 0
        self._kept: set[bytes] = set()
        self._bound = b"\xff" * (_DIGEST_SIZE + 1)
        """The largest digest that is kept; a longer one while there is room for any."""
        self._filled: Counter[str] = Counter()
        self._combinations: Counter[tuple[tuple[str, ...], tuple[bool, ...]]] = Counter()
        self._numbers: list[tuple[str, set[float], Counter[int]]] = [(column, set(), Counter()) for column in NUMERIC]

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count some rows, column by column."""
        self._count += len(rows)
        ids = [str(row["model_id"]) for row in rows]
        self._with_slash += sum("/" in model_id for model_id in ids)
        self._keep([blake2b(_bytes(model_id.lower()), digest_size=_DIGEST_SIZE).digest() for model_id in ids])
        for column in _TEXTUAL:
            self._fill(column, len(rows) - [row[column] for row in rows].count(None))
        for column, distinct, buckets in self._numbers:
            values = [value for row in rows if (value := row[column]) is not None]
            self._fill(column, len(values))
            numbers = Counter([value for value in values if type(value) is int or type(value) is float])
            for value, count in numbers.items():
                if len(distinct) < DISTINCT_CAP:
                    distinct.add(value)
                if 0 < value < math.inf:
                    buckets[_bucket(value)] += count
        held = [row["capabilities"] or {} for row in rows]
        self._combinations.update([(tuple(capabilities), tuple(capabilities.values())) for capabilities in held])

    def _fill(self, column: str, count: int) -> None:
        if count:
            self._filled[column] += count

    def profile(self) -> Profile:
        """The profile of the rows so far."""
        capabilities: Counter[str] = Counter()
        covered = 0
        for (names, states), count in self._combinations.items():
            held = [capability for capability, has in zip(names, states, strict=True) if has]
            covered += count if held else 0
            capabilities.update(dict.fromkeys(held, count))
        return Profile(
            count=self._count,
            sketch=tuple(int.from_bytes(digest, "big") for digest in sorted(self._kept)),
            with_slash=self._with_slash,
            filled=dict(sorted(self._filled.items())),
            distinct={column: len(values) for column, values, _ in self._numbers if values},
            medians={column: _median(buckets) for column, _, buckets in self._numbers if buckets},
            capabilities=dict(sorted(capabilities.items())),
            covered=covered,
        )

    def _keep(self, digests: Iterable[bytes]) -> None:
        known = len(self._kept)
        self._kept.update([digest for digest in digests if digest < self._bound])
        if len(self._kept) >= SKETCH_SIZE and len(self._kept) > known:
            smallest = sorted(self._kept)[:SKETCH_SIZE]
            self._kept, self._bound = set(smallest), smallest[-1]


@functools.lru_cache(maxsize=4096)
def _bucket(value: float) -> int:
    return round(_BUCKETS_PER_DECADE * math.log10(value))


def _reach(profile: Profile) -> float:
    """Up to which hash the sketch knows every id: all of them while it is not full."""
    return profile.sketch[-1] if len(profile.sketch) >= SKETCH_SIZE else math.inf


def _median(buckets: Mapping[int, int]) -> float:
    half, seen = sum(buckets.values()) / 2, 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= half:
            return float(f"{10 ** (bucket / _BUCKETS_PER_DECADE):.6g}")
    raise AssertionError("a non-empty histogram has a median")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
