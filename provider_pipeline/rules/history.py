"""Earlier accepted listings, as far as a new one is compared with them.

Here: what is asked of them, and the answers for a listing whose rows are in memory. Not here: the answers from the
catalogue (`provider_pipeline.sync`), and the comparison (`succession.py`, `plausibility.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from provider_pipeline.rules.profile import Profile


class Once(NamedTuple):
    """A model that is listed now, as it was when an earlier listing was accepted.

    Attributes:
        known: Whether the catalogue had it, listed or missing.
        listed: Whether it was in that listing.
        values: Its prices and limits in it; None where they are those of now.
    """

    known: bool
    listed: bool
    values: Mapping[str, Any] | None = None


SAME: Final = Once(known=True, listed=True)
UNKNOWN: Final = Once(known=False, listed=False)


@dataclass(frozen=True)
class Baseline:
    """An accepted listing that a new one is compared with.

    Attributes:
        name: What messages call it.
        profile: What it looked like as a whole.
    """

    name: str
    profile: Profile


class History(Protocol):
    """One or more accepted listings, exactly: by ids and values, not by estimates."""

    @property
    def baselines(self) -> Sequence[Baseline]:
        """The listings, the last accepted one first."""

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        """What listed models, given with their change hashes, were at each baseline.

        Those that were the same at all of them are left out.
        """

    def respelled(self, ids: Collection[str]) -> Iterable[Sequence[Once]]:
        """Models of the last accepted listing that are none of these ids, but for upper and lower case are."""


LAST: Final = "the last accepted listing"


class RowsInMemory:
    """The last accepted listing, whose rows are all at hand.

    Args:
        rows: The rows; columns that are left out count as unknown.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = {str(row.get("model_id")): row for row in rows}
        self.baselines = (Baseline(LAST, Profile.of_rows(self._rows.values())),)

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        """See `History`."""
        return {model_id: (self._once(model_id),) for model_id in hashes}

    def respelled(self, ids: Collection[str]) -> Iterable[Sequence[Once]]:
        """See `History`."""
        names = {model_id.lower() for model_id in ids}
        return [(self._once(model_id),) for model_id in self._rows if model_id not in ids and model_id.lower() in names]

    def _once(self, model_id: str) -> Once:
        row = self._rows.get(model_id)
        return UNKNOWN if row is None else Once(known=True, listed=True, values=row)
