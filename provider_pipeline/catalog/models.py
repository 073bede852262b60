"""The rows of `provider_model`: reading them, and making them what a listing says.

Here: `write_models`, which runs the set-based statements in `statements/`, and the readers. Not here: whether a listing
may be written at all (`provider_pipeline.rules` judges, `provider_pipeline.sync` decides).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import psycopg
from sqlalchemy import ARRAY, CursorResult, Text, any_, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_model
from provider_pipeline.errors import CatalogError, DatabaseUnavailableError
from provider_pipeline.rules import ROW_COLUMNS

_DOCUMENTS = frozenset({"capabilities", "capability_sources", "metadata_json"})
_MOST_CHANGES = 50
_FEW = 1_000

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


def write_models(
    session: Session,
    provider_id: int,
    rows: Iterable[Mapping[str, Any]],
    *,
    rule_version: int,
    now: datetime,
    raw_response_id: int | None = None,
    cause: Literal["provider", "rule"] = "provider",
    reread: Iterable[Mapping[str, Any]] | None = None,
    overridden: Mapping[str, Sequence[str]] | None = None,
) -> WriteResult:
    """Make a provider's models what a complete, accepted listing says.

    A model it leaves out is missing at first. It is removed when `removal_after` accepted listings in a row left it out
    and it was listed `removal_age` ago or longer; both are columns of `provider`. A new id is a renamed model if one id
    that is just gone has the same name but for case and punctuation, or the same metadata; see
    `statements/find_renames.sql`.

    Everything happens inside the session's transaction, which the caller commits, or rolls back to have had a look
    only. A second writer of the same provider waits until that transaction ends. Rows the listing does not change keep
    their row version. Call it before `record_success` of the same sync: until then, `last_success_at` is the time of
    the listing before.

    Args:
        session: Session to write with.
        provider_id: The provider.
        rows: A row per model, with the documented columns; read once, and not kept in memory.
        rule_version: The rule version that read the listing.
        now: When the listing was fetched, with a time zone.
        raw_response_id: The stored listing, for the changes' record.
        cause: What other values are put down to, `rule` where that cannot be told; models that came or went are the
            provider's. Differences in overridden fields alone are put down to the override in any case.
        reread: Where another rule reads than last time, what it makes of the listing before: a row per model. What it
            says there already, of a value or of who is listed, is put down to the rule.
        overridden: By model id, the fields that an override has set in the row already, sorted.

    Raises:
        CatalogError: A model id comes twice, the listing is empty although models are active, or a row does not fit the
            table. The transaction is then of no further use.
    """
    removal = session.execute(
        select(provider.c.removal_after, provider.c.removal_age)
        .where(provider.c.id == provider_id)
        .with_for_update(key_share=True)
    ).one()
    session.execute(statement("prepare_listing"))
    _receive(session, "listing_row", rows, overridden or {})
    if reread is not None:
        _receive(session, "listing_reread", reread, {})
    survey = session.execute(statement("survey_listing"), {"provider_id": provider_id}).one()
    if survey.duplicates:
        raise CatalogError(
            f"{len(survey.duplicates)} model id(s) come twice in one listing: {', '.join(survey.duplicates[:5])}",
            hint="merge them before the write",
        )
    if not survey.listed and survey.any_active:
        raise CatalogError("an empty listing cannot replace a provider's active models")
    if survey.any_active:
        found = cast(CursorResult[Any], session.execute(statement("find_renames"), {"provider_id": provider_id}))
        _analyze(session, "listing_rename", found.rowcount)
    parameters = {
        "provider_id": provider_id,
        "rule_version": rule_version,
        "now": now,
        "raw_response_id": raw_response_id,
        "cause": cause,
        "is_reread": reread is not None,
        "removal_after": removal.removal_after,
        "removal_age": removal.removal_age,
        "most_changes": _MOST_CHANGES,
    }
    outcome = session.execute(statement("apply_listing"), parameters).one()
    totals: dict[str, int] = outcome.totals
    arrived = sum(totals.get(kind, 0) for kind in ("added", "renamed", "updated", "restored"))
    return WriteResult(
        created=totals.get("added", 0),
        renamed=totals.get("renamed", 0),
        updated=totals.get("updated", 0),
        unchanged=survey.listed - arrived,
        missing=totals.get("missing", 0),
        removed=totals.get("removed", 0),
        restored=totals.get("restored", 0),
        changes=tuple(ModelChange(**change) for change in outcome.first_changes),
        total_changes=outcome.changes,
    )


def previous_rows(
    session: Session, provider_id: int, model_ids: Sequence[str], *, listed_only: bool = False
) -> dict[str, dict[str, Any]]:
    """The listed columns of the given models, as last accepted, by model id; removed models are left out.

    Args:
        session: Session to read with.
        provider_id: The provider.
        model_ids: The models.
        listed_only: None for each column whose value people set: that is not what was listed.
    """
    found = {}
    for row, set_by_people in kept_rows(session, provider_id, model_ids):
        if listed_only:
            row |= {field: None for field in set_by_people if field in row}
        found[row["model_id"]] = row
    return found


def kept_rows(
    session: Session, provider_id: int, model_ids: Sequence[str]
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The rows of `previous_rows`, each with the fields whose values in it people set."""
    columns = [provider_model.c[name] for name in (*ROW_COLUMNS, "overridden_fields")]
    query = select(*columns).where(provider_model.c.provider_id == provider_id, provider_model.c.status != "removed")
    wanted = provider_model.c.model_id == any_(literal(list(model_ids), ARRAY(Text)))
    for known in session.execute(query.where(wanted)).mappings():
        row = dict(known)
        set_by_people: list[str] = row.pop("overridden_fields")
        yield row, set_by_people


def load_models(session: Session, provider_id: int, status: str | None = None) -> list[dict[str, Any]]:
    """A provider's models by model id: the listed columns, and the catalogue's own.

    Args:
        session: Session to read with.
        provider_id: The provider.
        status: Only models of this status: active, missing or removed.
    """
    query = (
        select(provider_model)
        .where(provider_model.c.provider_id == provider_id)
        .order_by(provider_model.c.model_id.collate("C"))
    )
    if status is not None:
        query = query.where(provider_model.c.status == status)
    return [dict(row) for row in session.execute(query).mappings()]


def active_model_ids(session: Session, provider_id: int) -> set[str]:
    """The ids of the models that the provider's last accepted listing named."""
    query = select(provider_model.c.model_id)
    query = query.where(provider_model.c.provider_id == provider_id, provider_model.c.status == "active")
    return set(session.scalars(query))


def count_models(session: Session, provider_id: int) -> int:
    """How many active models a provider has."""
    query = select(func.count()).where(provider_model.c.provider_id == provider_id, provider_model.c.status == "active")
    return int(session.scalars(query).one())


def any_missing(session: Session, provider_id: int) -> bool:
    """Whether any model was left out by the last accepted listing without counting as removed yet."""
    query = select(provider_model.c.id).where(
        provider_model.c.provider_id == provider_id, provider_model.c.status == "missing"
    )
    return session.scalars(select(query.exists())).one()


def stated_capabilities(session: Session) -> Iterator[tuple[str, str, str, bool]]:
    """What listings and people state about active models: provider's slug, model id, capability, has or lacks.

    What was concluded from names is left out, so that patterns can be learnt from these.
    """
    stated = func.jsonb_each(provider_model.c.capabilities).table_valued("key", column("value", JSONB))
    query = (
        select(provider.c.slug, provider_model.c.model_id, stated.c.key, stated.c.value)
        .join(provider, provider.c.id == provider_model.c.provider_id)
        .join(stated, true())
        .where(
            provider_model.c.status == "active",
            provider_model.c.capability_sources[stated.c.key].astext.in_(("evidence", "override")),
        )
        .order_by(provider.c.slug, provider_model.c.model_id.collate("C"), stated.c.key)
    )
    for row in session.execute(query):
        yield row.slug, row.model_id, row.key, row.value is True


def _receive(
    session: Session, table: str, rows: Iterable[Mapping[str, Any]], overridden: Mapping[str, Sequence[str]]
) -> None:
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise CatalogError("models are written through psycopg 3", hint="use a postgresql+psycopg:// URL")
    count = 0
    try:
        with connection.cursor() as cursor, cursor.copy(statement(f"copy_{table}").text) as copy:
            for row in rows:
                _send(copy, row, overridden.get(row["model_id"], ()))
                count += 1
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(f"the database went away: {_first_line(error)}", transient=True) from error
    except psycopg.Error as error:
        raise CatalogError(f"the listing does not fit the table: {_first_line(error)}") from error
    _analyze(session, table, count)


def _analyze(session: Session, table: str, rows: int) -> None:
    """Lets the planner know of many rows; few are found fast whatever the plan."""
    if rows > _FEW:
        session.execute(statement(f"analyze_{table}"))


def _send(copy: psycopg.Copy, row: Mapping[str, Any], overridden: Sequence[str]) -> None:
    try:
        values = [json.dumps(row[name], allow_nan=False) if name in _DOCUMENTS else row[name] for name in ROW_COLUMNS]
        copy.write_row([*values, list(overridden)])
    except ValueError as error:  # NaN in a document, or half a surrogate pair in a text
        raise CatalogError(f"model {row['model_id']!r} cannot be stored: {error}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
