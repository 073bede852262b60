"""Upserts providers' listings into `provider_model` and records what changed.

The statements in `statements/` are set-based: their number does not depend on how many providers or models are written.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
import psycopg
from psycopg.sql import SQL, Composed
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.statements import STAGED, statement
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.model_columns import ROW_COLUMNS, Cause
from provider_pipeline.rules.model_prices import Pair, flat_changes

_MAX_CHANGES = 50
# ANALYZE a larger staging table, or the planner may choose a nested loop.
_ANALYZE_ABOVE = 100
_ANALYZE = text("ANALYZE pg_temp.listing_row (provider_id, model_id, is_reread, renamed_from)")
_COPY_STAGED = SQL("COPY pg_temp.listing_row ({}, is_reread) FROM STDIN").format(STAGED)
_COPY_FIRST = SQL("COPY provider_model ({}, rule_version, first_seen_at, last_seen_at) FROM STDIN").format(STAGED)
# Of a provider with more models every row is sent: their hashes would take more than 5 MB here.
_MAX_COMPARED = 20_000


@dataclass(frozen=True)
class ModelChange:
    """One model that a write changed.

    Attributes:
        kind: added, renamed, updated, missing, removed or restored.
        changed: Old and new value by column, `model_id` included if renamed; empty for an added model. Prices are by
            component and tier: see `rules.model_prices.flat_changes`.
    """

    model_id: str
    kind: str
    changed: dict[str, Pair]
    cause: Cause = "provider"


@dataclass(frozen=True)
class WriteResult:
    """What a write did to a provider's models.

    Attributes:
        created: Models that were not in the table under any id.
        renamed: Known models under a new id; their rows are new, and the old rows become missing.
        updated: Active models whose `meta_hash` or overridden fields differ.
        unchanged: Listed models whose rows were not touched.
        missing: Active models that the listing leaves out for the first time.
        removed: Missing models that have now been left out often and long enough.
        restored: Missing or removed models that are listed again.
        changes: The first 50 changes, by model id.
        total_changes: The number of all changes.
    """

    created: int = 0
    renamed: int = 0
    updated: int = 0
    unchanged: int = 0
    missing: int = 0
    removed: int = 0
    restored: int = 0
    changes: tuple[ModelChange, ...] = ()
    total_changes: int = 0

    @property
    def listed(self) -> int:
        """The number of active models after the write."""
        return self.created + self.renamed + self.updated + self.unchanged + self.restored


@dataclass(frozen=True)
class ListedModels:
    """A complete, accepted listing to write.

    Attributes:
        rows: The documented columns of each model; iterated once and not kept in memory.
        rule_version: The rule version that read the listing.
        raw_response_id: The stored listing, recorded with the changes.
        cause: The cause of changed values; `rule` if a new rule read the listing and `reread` is unknown. Models that
            come or go are the provider's doing, and changes of overridden fields alone the override's.
        reread: The previous listing as a new rule reads it: what it already says there, the rule changed.
        overridden: The overridden fields of each row, sorted, by model id.
    """

    provider_id: int
    rows: Iterable[Mapping[str, Any]]
    rule_version: int
    raw_response_id: int | None = None
    cause: Literal["provider", "rule"] = "provider"
    reread: Iterable[Mapping[str, Any]] | None = None
    overridden: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write(session: Session, listings: Sequence[ListedModels], *, now: datetime) -> list[WriteResult]:
    """Write listings, at most one for each provider, in the session's transaction; roll it back for a dry run.

    A model that a listing leaves out is missing at first. It is removed when `removal_after` accepted listings in a row
    left it out and it was last listed at least `removal_age` ago; both are columns of `provider`. A new id is a rename
    if exactly one id that just disappeared has the same name but for case and punctuation, or the same metadata; see
    `statements/find_renames.sql`.

    A second writer of the same provider waits until the transaction ends. Unchanged rows keep their row version, and
    are not sent. Call it before `sync_state.record_successes` of the same sync: until then,
    `last_success_at` is the previous listing's.

    Args:
        now: When the listings were fetched, with a time zone.

    Returns:
        One result per listing, in their order.

    Raises:
        CatalogError: A model id is listed twice, a listing is empty although models are active, or a row does not fit
            the table. The transaction must then be rolled back.
    """
    # Passed as an array so that the planner knows how few providers these are; else it reads the models of all.
    wanted = {"provider_ids": [listing.provider_id for listing in listings]}
    session.execute(statement("lock_listed"), wanted)
    found = session.execute(statement("known_hashes"), {**wanted, "most": _MAX_COMPARED})
    known = {each.provider_id: each for each in found}
    # A provider that is not there is refused by the table.
    uploads = [_Upload(listing, known[listing.provider_id]) for listing in listings]
    results = _add_first(session, [each for each in uploads if each.is_first], now)
    results |= _apply(session, [each for each in uploads if not each.is_first], now)
    return [results[listing.provider_id] for listing in listings]


class _Upload:
    """The rows of a listing on their way to the database, compared with what is known of the table's.

    Args:
        listing: The listing; its rows are iterated once.
        known: A row of `known_hashes.sql`.

    Attributes:
        is_first: Whether the provider has no models yet, not even removed ones: no row needs to be compared.
        is_compared: Whether only rows that differ are sent, because the table's hashes are known here.
        listed: The number of rows so far.
        duplicates: Ids that came again after the row that is the table's.
    """

    def __init__(self, listing: ListedModels, known: Row[Any]) -> None:
        self.listing = listing
        self.is_first = not known.is_known and listing.reread is None
        self.any_active: bool = known.any_active
        self.is_compared: bool = known.is_compared
        self.listed = 0
        self.duplicates: list[str] = []
        self._hashes: dict[str, str | None] = orjson.loads(known.hashes or "{}")
        self._unlisted = dict.fromkeys(self._hashes)

    def differing(self) -> Iterator[Mapping[str, Any]]:
        """The rows that differ from the table or are new."""
        hashes, unlisted = self._hashes, self._unlisted
        overridden = self.listing.overridden  # filled while the rows are iterated
        for row in self.listing.rows:
            self.listed += 1
            model_id = row["model_id"]
            if model_id in unlisted:
                del unlisted[model_id]
                if hashes[model_id] == f"{row['meta_hash']} {row['family'] or ''}" and not overridden.get(model_id):
                    continue
            elif model_id in hashes:
                self.duplicates.append(model_id)
            yield row

    @property
    def absent(self) -> list[str]:
        """Active and missing models that the listing leaves out, if it was compared here."""
        return list(self._unlisted)

    @property
    def may_have_renamed(self) -> bool:
        """Whether an active model may be left out."""
        return not self.is_compared or any(self._hashes[model_id] is not None for model_id in self._unlisted)

    def described(self) -> dict[str, Any]:
        """The listing without its rows, for the statements."""
        listing = self.listing
        return {
            "provider_id": listing.provider_id,
            "rule_version": listing.rule_version,
            "raw_response_id": listing.raw_response_id,
            "cause": listing.cause,
            "is_reread": listing.reread is not None,
        }


def _add_first(session: Session, uploads: Sequence[_Upload], now: datetime) -> dict[int, WriteResult]:
    """Adds the models of providers that have none: straight to the table, in two thirds of the time of staging them."""
    if not uploads:
        return {}
    moment = now.isoformat()
    _copy(
        session,
        _COPY_FIRST,
        ((each.listing, each.differing(), (each.listing.rule_version, moment, moment)) for each in uploads),
    )
    parameters = {
        "provider_ids": [each.listing.provider_id for each in uploads],
        "listings": json.dumps([each.described() for each in uploads]),
        "now": now,
        "max_changes": _MAX_CHANGES,
    }
    results = {each.listing.provider_id: WriteResult() for each in uploads}
    for added in session.execute(statement("add_first_models"), parameters):
        changes = tuple(ModelChange(model_id, "added", {}) for model_id in added.first_ids)
        results[added.provider_id] = WriteResult(created=added.models, changes=changes, total_changes=added.models)
    return results


def _apply(session: Session, uploads: Sequence[_Upload], now: datetime) -> dict[int, WriteResult]:
    """Writes listings of providers that have models."""
    if not uploads:
        return {}
    session.execute(statement("prepare_listing"))
    staged = _copy(session, _COPY_STAGED, ((each.listing, each.differing(), (False,)) for each in uploads))
    _refuse_unwritable(session, uploads)
    rereads = [each.listing for each in uploads if each.listing.reread is not None]
    if rereads:
        staged += _copy(session, _COPY_STAGED, ((each, each.reread or (), (True,)) for each in rereads))
    absent = [
        {"provider_id": each.listing.provider_id, "model_id": model_id} for each in uploads for model_id in each.absent
    ]
    if not staged and not absent:
        return {each.listing.provider_id: WriteResult(unchanged=each.listed) for each in uploads}
    if staged > _ANALYZE_ABOVE:
        session.execute(_ANALYZE)
    left_out = {
        "provider_ids": [each.listing.provider_id for each in uploads],
        "absent": orjson.dumps(absent).decode(),
        "uncompared": [each.listing.provider_id for each in uploads if not each.is_compared],
    }
    if staged and any(each.may_have_renamed for each in uploads):
        session.execute(statement("find_renames"), left_out)
    listings = json.dumps([each.described() for each in uploads])
    parameters = {**left_out, "listings": listings, "now": now, "max_changes": _MAX_CHANGES}
    applied = {each.provider_id: each for each in session.execute(statement("apply_listing"), parameters)}
    return {each.listing.provider_id: _result(applied[each.listing.provider_id], each.listed) for each in uploads}


def _refuse_unwritable(session: Session, uploads: Iterable[_Upload]) -> None:
    staged = {each.provider_id: each.model_ids for each in session.execute(statement("find_duplicates"))}
    for each in uploads:
        if duplicates := sorted({*each.duplicates, *staged.get(each.listing.provider_id, ())}):
            raise CatalogError(
                f"{len(duplicates)} model id(s) come twice in one listing: {', '.join(duplicates[:5])}",
                hint="merge them before the write",
            )
        if not each.listed and each.any_active:
            raise CatalogError("an empty listing cannot replace a provider's active models")


def _result(applied: Row[Any], listed: int) -> WriteResult:
    totals: dict[str, int] = applied.totals
    arrived = sum(totals.get(kind, 0) for kind in ("added", "renamed", "updated", "restored"))
    return WriteResult(
        created=totals.get("added", 0),
        renamed=totals.get("renamed", 0),
        updated=totals.get("updated", 0),
        unchanged=listed - arrived,
        missing=totals.get("missing", 0),
        removed=totals.get("removed", 0),
        restored=totals.get("restored", 0),
        changes=tuple(
            ModelChange(**{**change, "changed": flat_changes(change["changed"])}) for change in applied.first_changes
        ),
        total_changes=applied.changes,
    )


_Arriving = tuple[ListedModels, Iterable[Mapping[str, Any]], tuple[Any, ...]]
"""A listing, its rows to send, and the values of the further columns."""


def _copy(session: Session, command: Composed, arriving: Iterable[_Arriving]) -> int:
    """Sends rows to the table of a COPY command; returns their number."""
    count = 0
    try:
        with driver_connection(session).cursor() as cursor, cursor.copy(command) as copy:
            for listing, rows, further in arriving:
                for row in rows:
                    _send(copy, listing.provider_id, row, listing.overridden.get(row["model_id"], ()), further)
                    count += 1
    except psycopg.errors.UniqueViolation as error:
        raise CatalogError(
            f"a model id comes twice in one listing: {error.diag.message_detail or _first_line(error)}",
            hint="merge them before the write",
        ) from error
    except psycopg.Error as error:
        if (known := explained(error, session.get_bind().engine.url)) is not None:
            raise known from error
        raise CatalogError(f"the listing does not fit the table: {_first_line(error)}") from error
    return count


def _send(
    copy: psycopg.Copy, provider_id: int, row: Mapping[str, Any], overridden: Sequence[str], further: tuple[Any, ...]
) -> None:
    try:
        values = [row[name] if to_text is None else to_text(row[name]) for name, to_text in _TEXTS]
        copy.write_row((provider_id, *values, _array(overridden), *further))
    except ValueError as error:  # NaN in a document or half a surrogate pair in a text
        raise CatalogError(f"model {row['model_id']!r} cannot be stored: {error}") from error


def _document(value: Any) -> str:
    try:
        written = orjson.dumps(value).decode()
    except TypeError:  # integers over 64 bits and halves of surrogate pairs
        return _strict_document(value)
    # orjson writes NaN and infinity as null.
    return _strict_document(value) if "null" in written else written


_strict_document = json.JSONEncoder(allow_nan=False).encode


def _array(values: Sequence[str] | None) -> str | None:
    return None if values is None else _array_of(tuple(values))


@functools.lru_cache(maxsize=1024)
def _array_of(values: tuple[str, ...]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


_AS_TEXT: Mapping[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(("capabilities", "capability_sources", "metadata_json", "prices"), _document),
    **dict.fromkeys(("input_modalities", "output_modalities"), _array),
}
_TEXTS = [(name, _AS_TEXT.get(name)) for name in ROW_COLUMNS]
"""The columns in order, with our own conversion to text where psycopg's is slow."""


def note_listed_values(
    session: Session, listed: Mapping[int, Mapping[str, Mapping[str, Any]]], *, now: datetime
) -> None:
    """Record the listed values of overridden fields; only differences are written.

    Args:
        listed: The value without the override, by provider, model id and field.
        now: When the listings were fetched.
    """
    said = [
        {"provider_id": provider_id, "model_id": model_id, "field": field, "value": value}
        for provider_id, models in listed.items()
        for model_id, fields in models.items()
        for field, value in fields.items()
    ]
    if said:
        session.execute(statement("note_listed_values"), {"listed": json.dumps(said), "now": now})


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
