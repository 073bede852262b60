"""From accepted rows to the table: overrides on top, rows of refused items kept, coverage counted on the way.

Here: what is put together for a write, in a sync and in a replay alike. Not here: the write itself (`catalog.models`)
and whether it is kept (the caller's commit).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules import Verdict, apply_override, last_of_each, listed_values, override_fields
from provider_pipeline.sync.spool import Spool

Row = dict[str, Any]

_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class Written:
    """What a write did.

    Attributes:
        result: Its counts and changes.
        capability_coverage: Share of the rows with at least one capability known to be true; None without rows.
        overrides: The overriding values that were put on top.
    """

    result: catalog.WriteResult
    capability_coverage: float | None
    overrides: Mapping[str, Mapping[str, Any]]


def write_listing(
    session: Session,
    provider_id: int,
    rows: Iterable[Iterable[Row]],
    verdict: Verdict,
    *,
    rule_version: int,
    now: datetime,
    raw_response_id: int | None = None,
    cause: Literal["provider", "rule"] = "provider",
    reread: Iterable[Row] | None = None,
) -> Written:
    """Makes a provider's models what a listing says, in the session's transaction.

    Args:
        session: An open session.
        provider_id: The provider.
        rows: The accepted rows, page by page.
        verdict: What became of the listing. A model whose item was refused is still listed: its last good row stays,
            and it is not missing.
        rule_version: The rule that read the listing.
        now: The time that rows are stamped with.
        raw_response_id: The stored listing, for the record of what changed.
        cause: What other values are put down to; `rule` where another rule reads than last time, and what it makes of
            the listing before is not known.
        reread: What it makes of that one, a row per model.
    """
    listed = last_of_each(chain.from_iterable(rows), verdict.superseded)
    overrides = catalog.overrides(session, provider_id, now)
    said: dict[str, dict[str, Any]] = {}
    coverage = _Coverage()
    overridden = {model_id: override_fields(values) for model_id, values in overrides.items()}
    with Spool[list[Row]]() as kept:
        rejected = sorted(verdict.rejected_ids)
        for start in range(0, len(rejected), _AT_ONCE):
            known = list(catalog.kept_rows(session, provider_id, rejected[start : start + _AT_ONCE]))
            kept.append([row for row, _ in known])
            # A value that people set stays theirs until the listing can be read again, though its override has ended.
            for row, fields in known:
                overridden[row["model_id"]] = sorted({*fields, *overridden.get(row["model_id"], ())})
        every = chain(_noting(listed, overrides, said), chain.from_iterable(kept))
        result = catalog.write_models(
            session,
            provider_id,
            coverage.counting(_overridden(every, overrides)),
            rule_version=rule_version,
            now=now,
            raw_response_id=raw_response_id,
            cause=cause,
            reread=None if reread is None else _overridden(reread, overrides),
            overridden=overridden,
        )
    catalog.note_listed_values(session, provider_id, said, now=now)
    return Written(result, coverage.share, overrides)


def _noting(
    rows: Iterable[Row], overrides: Mapping[str, Mapping[str, Any]], said: dict[str, dict[str, Any]]
) -> Iterator[Row]:
    """The same rows, while what they say of overridden fields is put into `said`."""
    for row in rows:
        override = overrides.get(row["model_id"])
        if override is not None:
            said[row["model_id"]] = listed_values(row, override_fields(override))
        yield row


def _overridden(rows: Iterable[Row], overrides: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    for row in rows:
        override = overrides.get(row["model_id"])
        yield row if override is None else apply_override(row, override)


class _Coverage:
    """Counts rows with a known capability while they stream past."""

    def __init__(self) -> None:
        self._rows = 0
        self._covered = 0

    def counting(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self._rows += 1
            self._covered += any(row["capabilities"].values())
            yield row

    @property
    def share(self) -> float | None:
        return self._covered / self._rows if self._rows else None
