"""Shards: a fleet run split into several, each with its share of the providers."""

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Self

from provider_pipeline.errors import ConfigurationError

SHARD = "provider_pipeline/shard"
"""Tag with the shard of a run; `deploy/dagster.yaml` lets one run of each shard run at once."""

SHARDS_VARIABLE = "PROVIDER_PIPELINE_SHARDS"
MAX_SHARDS = 256


@dataclass(frozen=True)
class Shard:
    """One share of the fleet, as in "2 of 4"; 1 of 1 is the whole fleet."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def from_tag(cls, tag: str) -> Self:
        """The shard of a run's tag."""
        number, _, of = tag.partition("/")
        return cls(int(number), int(of))

    def holds(self, slug: str) -> bool:
        """Whether a provider is in this shard: always the same answer, in every process and release."""
        digest = hashlib.sha256(slug.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def overlaps(self, other: "Shard") -> bool:
        """Whether the two can hold the same provider; their numbers of shards may differ."""
        return (self.number - other.number) % math.gcd(self.of, other.of) == 0


WHOLE = Shard(1, 1)


def all_shards(count: int) -> list[Shard]:
    """The shards of a fleet: each provider is in exactly one of them.

    Raises:
        ConfigurationError: There cannot be that many.
    """
    if not 1 <= count <= MAX_SHARDS:
        raise ConfigurationError(f"expected 1 to {MAX_SHARDS} shards, got {count}")
    return [Shard(number, count) for number in range(1, count + 1)]


def shards_from_environment() -> list[Shard]:
    """The shards that the environment asks for; without its variable, the whole fleet.

    Raises:
        ConfigurationError: Its value is not a number of shards.
    """
    value = os.environ.get(SHARDS_VARIABLE) or "1"
    try:
        return all_shards(int(value))
    except (ConfigurationError, ValueError):
        raise ConfigurationError(
            f"{SHARDS_VARIABLE}: expected a number from 1 to {MAX_SHARDS}, got {value!r}"
        ) from None
