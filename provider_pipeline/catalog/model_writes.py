"""Upserts providers' listings into `provider_model` and records what changed.

The statements in `statements/` are set-based: their number does not depend on how many providers or models are written.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

import orjson
import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import CursorResult, Row, text
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.statements import STAGED, statement
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.model_columns import ROW_COLUMNS, Cause
from provider_pipeline.rules.model_prices import Pair, flat_changes

_MAX_CHANGES = 50
# ANALYZE larger staging tables, or the planner may choose a nested loop.
_ANALYZE_ABOVE = 100
_ANALYZE = {
    "listing": text("ANALYZE pg_temp.listing"),
    "listing_row": text("ANALYZE pg_temp.listing_row (provider_id, model_id)"),
    "listing_same": text("ANALYZE pg_temp.listing_same"),
    "listing_reread": text("ANALYZE pg_temp.listing_reread (provider_id, model_id)"),
    "listing_rename": text("ANALYZE pg_temp.listing_rename"),
}
_COPY = SQL("COPY pg_temp.{} ({}) FROM STDIN")
_COPY_SAME = SQL("COPY pg_temp.listing_same (provider_id, model_id) FROM STDIN")
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

    created: int
    renamed: int
    updated: int
    unchanged: int
    missing: int
    removed: int
    restored: int
    changes: tuple[ModelChange, ...]
    total_changes: int

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


_Arriving = tuple[ListedModels, Iterable[Mapping[str, Any]], Mapping[str, Sequence[str]]]


def write(session: Session, listings: Sequence[ListedModels], *, now: datetime) -> list[WriteResult]:
    """Write listings, at most one for each provider, in the session's transaction; roll it back for a dry run.

    A model that a listing leaves out is missing at first. It is removed when `removal_after` accepted listings in a row
    left it out and it was last listed at least `removal_age` ago; both are columns of `provider`. A new id is a rename
    if exactly one id that just disappeared has the same name but for case and punctuation, or the same metadata; see
    `statements/find_renames.sql`.

    A second writer of the same provider waits until the transaction ends. Unchanged rows keep their row version, and
    only their ids are sent. Call it before `sync_state.record_successes` of the same sync: until then,
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
    session.execute(statement("prepare_listing"))
    session.execute(statement("begin_listing"), {"listings": json.dumps([_begun(listing) for listing in listings])})
    session.execute(_ANALYZE["listing"])
    found = session.execute(statement("known_hashes"), {**wanted, "most": _MAX_COMPARED})
    known = {each.provider_id: _Known(orjson.loads(each.hashes or "{}"), each.active) for each in found}
    same: list[tuple[int, str]] = []
    arriving = ((each, _differing(each, known.get(each.provider_id), same), each.overridden) for each in listings)
    _receive(session, "listing_row", arriving)
    if same:
        _receive_same(session, same)
    rereads: list[_Arriving] = [(each, each.reread, {}) for each in listings if each.reread is not None]
    if rereads:
        _receive(session, "listing_reread", rereads)
    surveys = {survey.provider_id: survey for survey in session.execute(statement("survey_listing"), wanted)}
    for survey in surveys.values():
        _refuse_unwritable(survey)
    if any(each.any_active and not _has_all(known.get(each.provider_id)) for each in surveys.values()):
        renames = cast(CursorResult[Any], session.execute(statement("find_renames"), wanted))
        _analyze(session, "listing_rename", renames.rowcount)
    applied = session.execute(statement("apply_listing"), {**wanted, "now": now, "max_changes": _MAX_CHANGES})
    results = {each.provider_id: _result(each, surveys[each.provider_id].listed) for each in applied}
    return [results[listing.provider_id] for listing in listings]


def _begun(listing: ListedModels) -> dict[str, Any]:
    return {
        "provider_id": listing.provider_id,
        "rule_version": listing.rule_version,
        "raw_response_id": listing.raw_response_id,
        "cause": listing.cause,
        "is_reread": listing.reread is not None,
    }


def _refuse_unwritable(survey: Row[Any]) -> None:
    if survey.duplicates:
        raise CatalogError(
            f"{len(survey.duplicates)} model id(s) come twice in one listing: {', '.join(survey.duplicates[:5])}",
            hint="merge them before the write",
        )
    if not survey.listed and survey.any_active:
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


@dataclass
class _Known:
    """A provider's active models in the table, as a listing is compared with them.

    Attributes:
        hashes: The change hash and the family of those without overrides, by id.
        active: The number of all of them.
        listed: Those in `hashes` that the listing has, too.
    """

    hashes: Mapping[str, str]
    active: int
    listed: int = 0


def _has_all(known: _Known | None) -> bool:
    """Whether the listing certainly has every active model, so that none was renamed."""
    return known is not None and known.listed == known.active


def _differing(listing: ListedModels, known: _Known | None, same: list[tuple[int, str]]) -> Iterator[Mapping[str, Any]]:
    """The rows that differ from the table; of the others, the keys are added to `same`."""
    if known is None:
        yield from listing.rows
        return
    overridden = listing.overridden  # filled while the rows are iterated
    for row in listing.rows:
        model_id = row["model_id"]
        held = known.hashes.get(model_id)
        known.listed += held is not None
        if held == f"{row['meta_hash']} {row['family'] or ''}" and not overridden.get(model_id):
            same.append((listing.provider_id, model_id))
        else:
            yield row


def _receive_same(session: Session, same: Sequence[tuple[int, str]]) -> None:
    with driver_connection(session).cursor() as cursor, cursor.copy(_COPY_SAME) as copy:
        for key in same:
            copy.write_row(key)
    _analyze(session, "listing_same", len(same))


def _receive(session: Session, table: str, arriving: Iterable[_Arriving]) -> None:
    connection = driver_connection(session)
    count = 0
    try:
        with connection.cursor() as cursor, cursor.copy(_COPY.format(Identifier(table), STAGED)) as copy:
            for listing, rows, overridden in arriving:
                for row in rows:
                    _send(copy, listing.provider_id, row, overridden.get(row["model_id"], ()))
                    count += 1
    except psycopg.Error as error:
        if (known := explained(error, session.get_bind().engine.url)) is not None:
            raise known from error
        raise CatalogError(f"the listing does not fit the table: {_first_line(error)}") from error
    _analyze(session, table, count)


def _analyze(session: Session, table: str, rows: int) -> None:
    if rows > _ANALYZE_ABOVE:
        session.execute(_ANALYZE[table])


def _send(copy: psycopg.Copy, provider_id: int, row: Mapping[str, Any], overridden: Sequence[str]) -> None:
    try:
        values = [row[name] if to_text is None else to_text(row[name]) for name, to_text in _TEXTS]
        copy.write_row((provider_id, *values, _array(overridden)))
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
