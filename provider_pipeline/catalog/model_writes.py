"""Making providers' models what their listings say.

Here: `write_models`, which runs the set-based statements in `statements/`, and what came of it. Not here: reading the
rows (`models`), and whether a listing may be written at all (`provider_pipeline.rules` judges, `provider_pipeline.sync`
decides). The concept: however many providers' listings are written, the statements are the same few; each row knows
its provider.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

import orjson
import psycopg
from sqlalchemy import CursorResult, Row
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.statements import statement
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.rows import ROW_COLUMNS

_MOST_CHANGES = 50
_FEW = 100

Cause = Literal["provider", "rule", "override"]
"""What brings a change about: the provider's listing, another rule that reads it, or a value that people set."""


@dataclass(frozen=True)
class ModelChange:
    """One model that a write changed.

    Attributes:
        model_id: The model.
        kind: added, renamed, updated, missing, removed or restored.
        changed: Each changed column with its old and new value; empty for an added model. A renamed one's `model_id` is
            among them.
        cause: What brought it about: provider, rule or override.
    """

    model_id: str
    kind: str
    changed: dict[str, list[Any]]
    cause: Cause = "provider"


@dataclass(frozen=True)
class WriteResult:
    """What a write did to a provider's models.

    Attributes:
        created: Models not in the table before, under any name.
        renamed: Models in the table before, under another name; their rows are new, the old ones are missing.
        updated: Active models whose `meta_hash` differs, or the fields that people set.
        unchanged: Listed models whose rows were left untouched.
        missing: Active models the listing leaves out, for the first time.
        removed: Models now left out by so many listings in a row, and for so long, that they count as removed.
        restored: Missing or removed models that are listed again.
        changes: The first 50 changes, by model id.
        total_changes: How many there are in all.
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
        """Models that are active now."""
        return self.created + self.renamed + self.updated + self.unchanged + self.restored


@dataclass(frozen=True)
class ListedModels:
    """A complete, accepted listing that is to be written.

    Attributes:
        provider_id: The provider.
        rows: A row per model, with the documented columns; read once, and not kept in memory.
        rule_version: The rule version that read the listing.
        raw_response_id: The stored listing, for the changes' record.
        cause: What other values are put down to, `rule` where that cannot be told; models that came or went are the
            provider's. Differences in overridden fields alone are put down to the override in any case.
        reread: Where another rule reads than last time, what it makes of the listing before: a row per model. What it
            says there already, of a value or of who is listed, is put down to the rule.
        overridden: By model id, the fields that an override has set in the row already, sorted.
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
    """Make providers' models what their listings say, all of them or none.

    A model that a listing leaves out is missing at first. It is removed when `removal_after` accepted listings in a row
    left it out and it was listed `removal_age` ago or longer; both are columns of `provider`. A new id is a renamed
    model if one id that is just gone has the same name but for case and punctuation, or the same metadata; see
    `statements/find_renames.sql`.

    Everything happens inside the session's transaction, which the caller commits, or rolls back to have had a look
    only. A second writer of the same provider waits until that transaction ends. Rows that a listing does not change
    keep their row version. Call it before `record_success` of the same sync: until then, `last_success_at` is the time
    of the listing before.

    Args:
        session: Session to write with.
        listings: One for each provider.
        now: When they were fetched, with a time zone.

    Returns:
        What came of each listing, in their order.

    Raises:
        CatalogError: A model id comes twice in a listing, one is empty although models are active, or a row does not
            fit the table. The transaction is then of no further use.
    """
    # The planner must know which providers these are, and how few, or it reads the models of all there are.
    wanted = {"provider_ids": [listing.provider_id for listing in listings]}
    session.execute(statement("prepare_listing"))
    session.execute(statement("begin_listing"), {"listings": json.dumps([_begun(listing) for listing in listings])})
    session.execute(statement("analyze_listing"))
    _receive(session, "listing_row", ((each, each.rows, each.overridden) for each in listings))
    rereads: list[_Arriving] = [(each, each.reread, {}) for each in listings if each.reread is not None]
    if rereads:
        _receive(session, "listing_reread", rereads)
    surveys = {survey.provider_id: survey for survey in session.execute(statement("survey_listing"), wanted)}
    for survey in surveys.values():
        _refuse_unwritable(survey)
    if any(survey.any_active for survey in surveys.values()):
        found = cast(CursorResult[Any], session.execute(statement("find_renames"), wanted))
        _analyze(session, "listing_rename", found.rowcount)
    applied = session.execute(statement("apply_listing"), {**wanted, "now": now, "most_changes": _MOST_CHANGES})
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
        changes=tuple(ModelChange(**change) for change in applied.first_changes),
        total_changes=applied.changes,
    )


def _receive(session: Session, table: str, arriving: Iterable[_Arriving]) -> None:
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise CatalogError("models are written through psycopg 3", hint="use a postgresql+psycopg:// URL")
    count = 0
    try:
        with connection.cursor() as cursor, cursor.copy(statement(f"copy_{table}").text) as copy:
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
    """Lets the planner know of many rows; few are found fast whatever the plan, a thousand in each other are not."""
    if rows > _FEW:
        session.execute(statement(f"analyze_{table}"))


def _send(copy: psycopg.Copy, provider_id: int, row: Mapping[str, Any], overridden: Sequence[str]) -> None:
    try:
        values = [row[name] if text is None else text(row[name]) for name, text in _TEXTS]
        copy.write_row((provider_id, *values, _array(overridden)))
    except ValueError as error:  # NaN in a document, or half a surrogate pair in a text
        raise CatalogError(f"model {row['model_id']!r} cannot be stored: {error}") from error


def _document(value: Any) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # integers of more than 64 bits and halves of surrogate pairs
        return _strict_document(value)
    # It writes null for what is no number.
    return _strict_document(value) if "null" in text else text


_strict_document = json.JSONEncoder(allow_nan=False).encode


def _array(values: Sequence[str] | None) -> str | None:
    return None if values is None else _array_of(tuple(values))


@functools.lru_cache(maxsize=1024)
def _array_of(values: tuple[str, ...]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


_AS_TEXT: Mapping[str, Callable[[Any], str | None]] = {
    **dict.fromkeys(("capabilities", "capability_sources", "metadata_json"), _document),
    **dict.fromkeys(("input_modalities", "output_modalities"), _array),
}
_TEXTS = [(name, _AS_TEXT.get(name)) for name in ROW_COLUMNS]
"""The columns in their order, with how psycopg is given them where it would be slow."""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
