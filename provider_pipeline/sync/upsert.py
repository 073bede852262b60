"""Prepares accepted rows for the table: applies overrides, measures coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog, rules
from provider_pipeline.rules.override_set import OverrideSet
from provider_pipeline.rules.overriding import listed_values, override_fields
from provider_pipeline.sync.extract import Row


@dataclass(frozen=True)
class AcceptedListing:
    """A listing to be written.

    Attributes:
        provider_id: The provider.
        rows: The accepted rows, page by page.
        verdict: The verdict.
        rule_version: The rule that extracted the rows.
        raw_response_id: The stored listing, for the change history.
        cause: The cause recorded for changes; `rule` if the rule is new and `previous` is not known.
        previous: What this rule extracts from the previous listing, to tell the rule's changes from the provider's.
    """

    provider_id: int
    rows: Iterable[Iterable[Row]] = field(repr=False)
    verdict: rules.judge.Verdict = field(repr=False)
    rule_version: int
    raw_response_id: int | None = None
    cause: Literal["provider", "rule"] = "provider"
    previous: Iterable[Row] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Written:
    """The result of a write.

    Attributes:
        result: Its counts and changes.
        capability_coverage: Share of the rows with at least one capability known to be true; None without rows.
        overrides: The overrides that were applied.
    """

    result: catalog.model_writes.WriteResult
    capability_coverage: float | None
    overrides: OverrideSet


def write_listings(session: Session, listings: Sequence[AcceptedListing], *, now: datetime) -> list[Written]:
    """Makes the tables of models agree with listings of different providers, in the session's transaction."""
    overrides = catalog.model_overrides.by_provider(session, [listing.provider_id for listing in listings], now)
    uploads = [_Upload(listing, overrides.get(listing.provider_id, OverrideSet())) for listing in listings]
    results = catalog.model_writes.write(session, [each.listed_models() for each in uploads], now=now)
    catalog.model_overrides.note_listed_values(
        session, {each.listing.provider_id: each.listed_values for each in uploads}, now=now
    )
    return [Written(result, each.coverage, each.overrides) for result, each in zip(results, uploads, strict=True)]


class _Upload:
    """The rows of one listing, streamed once to the table.

    Args:
        listing: The listing.
        overrides: The provider's overrides.
    """

    def __init__(self, listing: AcceptedListing, overrides: OverrideSet) -> None:
        self.listing = listing
        self.overrides = overrides
        self.listed_values: dict[str, dict[str, Any]] = {}
        self._count = self._covered = 0
        self._overridden: dict[str, list[str]] = {}

    @property
    def coverage(self) -> float | None:
        """Share of the streamed rows with a known capability."""
        return self._covered / self._count if self._count else None

    def listed_models(self) -> catalog.model_writes.ListedModels:
        """The accepted rows, with overrides."""
        listing = self.listing
        listed = listing.verdict.settled(chain.from_iterable(listing.rows))
        return catalog.model_writes.ListedModels(
            provider_id=listing.provider_id,
            rows=self._counting(self._recording(listed) if self.overrides else listed),
            rule_version=listing.rule_version,
            raw_response_id=listing.raw_response_id,
            cause=listing.cause,
            reread=None if listing.previous is None else self._with_overrides(listing.previous),
            overridden=self._overridden,
        )

    def _recording(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Applies overrides, and records the fields they set and what the listing says of those."""
        for row in rows:
            if (override := self.overrides.of(row["model_id"])) is None:
                yield row
                continue
            changed, self._overridden[row["model_id"]] = override.apply(row)
            if override.values:
                self.listed_values[row["model_id"]] = listed_values(row, override_fields(override.values))
            yield changed

    def _with_overrides(self, rows: Iterable[Row]) -> Iterable[Row]:
        if not self.overrides:
            return rows
        return (
            row if (override := self.overrides.of(row["model_id"])) is None else override.apply(row)[0] for row in rows
        )

    def _counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._count += 1
            self._covered += any(row["capabilities"].values())
            yield row
