"""Accepted listings, with which a new one is compared; `sync/plan.py` reads them from the catalogue."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from provider_pipeline.rules.rows import Profile


class Once(NamedTuple):
    """The earlier state, at a baseline, of a model listed now.

    Attributes:
        known: Whether the catalogue had it, listed or missing.
        listed: Whether it was in that listing.
        values: Its prices and limits then; None if the catalogue did not have it.
    """

    known: bool
    listed: bool
    values: Mapping[str, Any] | None = None


UNKNOWN: Final = Once(known=False, listed=False)


@dataclass(frozen=True)
class Baseline:
    """An accepted listing with which a new one is compared.

    Attributes:
        name: Its name in messages.
        profile: Its statistics.
    """

    name: str
    profile: Profile


class History(Protocol):
    """One or more accepted listings, known exactly: by ids and values, not by estimates."""

    @property
    def baselines(self) -> Sequence[Baseline]:
        """The listings, latest first."""

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        """The earlier states, at each baseline, of listed models given with their change hashes.

        Models with the same state at all baselines are left out.
        """

    def respelled(self, ids: Collection[str]) -> Iterable[Sequence[Once]]:
        """Models of the latest listing whose id is not among these, but differs from one of them only in case."""


LAST: Final = "the last accepted listing"


class RowsInMemory:
    """A history of one listing, from its rows; missing columns count as unknown."""

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
