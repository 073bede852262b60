"""Prepare accepted rows for the table: overrides applied, rows of rejected items kept, coverage counted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.extraction import last_of_each
from provider_pipeline.rules.judge import Verdict
from provider_pipeline.rules.overriding import apply_override, listed_values, override_fields
from provider_pipeline.sync.extract import Row, Spool, row_spool

Overrides = Mapping[str, Mapping[str, Any]]

_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class AcceptedListing:
    """A listing that is to be written.

    Attributes:
        provider_id: The provider.
        rows: The accepted rows, page by page.
        verdict: What became of the listing. A model whose item was refused is still listed: its last good row stays,
            and it is not missing.
        rule_version: The rule that read the listing.
        raw_response_id: The stored listing, for the record of what changed.
        cause: What other values are put down to; `rule` where another rule reads than last time, and what it makes of
            the listing before is not known.
        reread: What it makes of that one, a row per model.
    """

    provider_id: int
    rows: Iterable[Iterable[Row]] = field(repr=False)
    verdict: Verdict = field(repr=False)
    rule_version: int
    raw_response_id: int | None = None
    cause: Literal["provider", "rule"] = "provider"
    reread: Iterable[Row] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Written:
    """What a write did.

    Attributes:
        result: Its counts and changes.
        capability_coverage: Share of the rows with at least one capability known to be true; None without rows.
        overrides: The overriding values that were put on top.
    """

    result: catalog.model_writes.WriteResult
    capability_coverage: float | None
    overrides: Overrides


def write_listings(session: Session, listings: Sequence[AcceptedListing], *, now: datetime) -> list[Written]:
    """Makes providers' models what their listings say, in the session's transaction.

    Args:
        session: An open session.
        listings: One for each provider.
        now: The time that rows are stamped with.

    Returns:
        What the write did for each listing, in their order.
    """
    overrides = catalog.model_overrides.by_provider(session, [listing.provider_id for listing in listings], now)
    with ExitStack() as stack:
        prepared = [
            _Prepared(session, listing, overrides.get(listing.provider_id, {}), stack.enter_context(row_spool()))
            for listing in listings
        ]
        results = catalog.model_writes.write(session, [each.listed_models() for each in prepared], now=now)
    catalog.model_overrides.note_listed_values(
        session, {each.listing.provider_id: each.said for each in prepared}, now=now
    )
    return [
        Written(result, each.coverage.share, each.overrides) for result, each in zip(results, prepared, strict=True)
    ]


class _Prepared:
    """A listing's rows on their way to the table.

    Args:
        session: Reads the rows of refused items.
        listing: The listing.
        overrides: What is put on top of its rows.
        kept: A place for the rows of refused items.
    """

    def __init__(
        self, session: Session, listing: AcceptedListing, overrides: Overrides, kept: Spool[list[Row]]
    ) -> None:
        self.listing = listing
        self.overrides = overrides
        self.said: dict[str, dict[str, Any]] = {}
        self.coverage = _Coverage()
        self._kept = kept
        self._overridden = {model_id: override_fields(values) for model_id, values in overrides.items()}
        rejected = sorted(listing.verdict.rejected_ids)
        for start in range(0, len(rejected), _AT_ONCE):
            known = list(catalog.models.kept_rows(session, listing.provider_id, rejected[start : start + _AT_ONCE]))
            kept.append([row for row, _ in known])
            # A value that people set stays theirs until the listing can be read again, though its override has ended.
            for row, fields in known:
                self._overridden[row["model_id"]] = sorted({*fields, *self._overridden.get(row["model_id"], ())})

    def listed_models(self) -> catalog.model_writes.ListedModels:
        """The listing as the table takes it: its rows, and those of refused items, with the overrides on top."""
        listing = self.listing
        listed = last_of_each(chain.from_iterable(listing.rows), listing.verdict.superseded)
        if self.overrides:
            listed = _noting(listed, self.overrides, self.said)
        every = chain(listed, chain.from_iterable(self._kept))
        return catalog.model_writes.ListedModels(
            provider_id=listing.provider_id,
            rows=self.coverage.counting(_with_overrides(every, self.overrides)),
            rule_version=listing.rule_version,
            raw_response_id=listing.raw_response_id,
            cause=listing.cause,
            reread=None if listing.reread is None else _with_overrides(listing.reread, self.overrides),
            overridden=self._overridden,
        )


def _noting(rows: Iterable[Row], overrides: Overrides, said: dict[str, dict[str, Any]]) -> Iterator[Row]:
    """The same rows, while what they say of overridden fields is put into `said`."""
    for row in rows:
        override = overrides.get(row["model_id"])
        if override is not None:
            said[row["model_id"]] = listed_values(row, override_fields(override))
        yield row


def _with_overrides(rows: Iterable[Row], overrides: Overrides) -> Iterable[Row]:
    return (_overridden(row, overrides) for row in rows) if overrides else rows


def _overridden(row: Row, overrides: Overrides) -> Row:
    override = overrides.get(row["model_id"])
    return row if override is None else apply_override(row, override)


class _Coverage:
    """Counts rows with a known capability while they stream past."""

    def __init__(self) -> None:
        self._rows = 0
        self._covered = 0

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._rows += 1
            self._covered += any(row["capabilities"].values())
            yield row

    @property
    def share(self) -> float | None:
        return self._covered / self._rows if self._rows else None
