"""`pattern_set`: the contents of the pattern set that rules name, and why one is active; `sync_state` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed_version
from typing import Any, Final

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.rule_versions import version_before
from provider_pipeline.catalog.sync_state import pattern_statuses
from provider_pipeline.catalog.tables import pattern_set, pattern_set_event
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.capability_rules import SHIPPED, shipped

SHORT_DIGEST: Final = 12
"""Digits of a digest that are shown."""


@dataclass(frozen=True)
class StoredPatternSet:
    """One content of a pattern set, as stored; its columns are explained by the table's comments."""

    digest: str
    name: str
    package_version: str
    status: str
    created_at: datetime
    activated_at: datetime | None
    report: dict[str, Any] | None


_COLUMNS = [pattern_set.c[name] for name in StoredPatternSet.__dataclass_fields__]


def note_shipped(session: Session) -> bool:
    """Store this package's set unless it is known: as the active one if there is none, else as a candidate.

    Returns:
        Whether it was stored; the caller then commits.
    """
    content = shipped()
    if content.digest in pattern_statuses(session):
        return False
    # Others may store theirs at the same time, and only one of them becomes active.
    session.execute(text("LOCK TABLE pattern_set IN SHARE ROW EXCLUSIVE MODE"))
    known = pattern_statuses(session)
    if content.digest in known:
        return False
    is_first = "active" not in known.values()
    status = "active" if is_first else "candidate"
    session.execute(
        insert(pattern_set).values(
            digest=content.digest,
            name=SHIPPED,
            patterns=content.to_json()["patterns"],
            package_version=installed_version("provider-pipeline"),
            status=status,
            activated_at=func.now() if is_first else None,
        )
    )
    _record(session, content.digest, status, "the catalogue's first" if is_first else "came with this package", None)
    return True


def list_pattern_sets(session: Session) -> list[StoredPatternSet]:
    """All contents, oldest first."""
    query = (
        select(*_COLUMNS).where(pattern_set.c.name == SHIPPED).order_by(pattern_set.c.created_at, pattern_set.c.digest)
    )
    return [StoredPatternSet(**row._mapping) for row in session.execute(query)]


def find(session: Session, digest: str | None = None) -> StoredPatternSet:
    """The content whose digest begins with these digits, or the newest candidate.

    Raises:
        CatalogError: None or several are meant.
    """
    stored = list_pattern_sets(session)
    if digest is None:
        found = [each for each in stored if each.status == "candidate"][-1:]
        missing = "no pattern set waits to be activated"
    else:
        found = [each for each in stored if each.digest.startswith(digest.lower())]
        missing = f"{len(found) or 'no'} pattern sets have a digest that begins with {digest!r}"
    if len(found) != 1:
        raise CatalogError(missing, hint="see them with: provider-pipeline patterns list")
    return found[0]


def save_report(session: Session, digest: str, report: Mapping[str, Any]) -> None:
    """Store the latest trial of a content."""
    session.execute(update(pattern_set).where(pattern_set.c.digest == digest).values(report=dict(report)))


def activate(session: Session, digest: str, *, reason: str, created_by_id: int | None = None) -> None:
    """Make a stored content the active one, and retire the one before; no effect if it already is."""
    session.execute(text("LOCK TABLE pattern_set IN SHARE ROW EXCLUSIVE MODE"))
    stored = {each.digest: each for each in list_pattern_sets(session)}
    present = next((each.digest for each in stored.values() if each.status == "active"), None)
    if present == digest:
        return
    if present is not None:
        session.execute(update(pattern_set).where(pattern_set.c.digest == present).values(status="retired"))
        _record(session, present, "retired", f"{digest[:SHORT_DIGEST]} took over: {reason}", created_by_id)
    session.execute(
        update(pattern_set).where(pattern_set.c.digest == digest).values(status="active", activated_at=func.now())
    )
    _record(session, digest, "active", reason, created_by_id, report=stored[digest].report)


def roll_back(session: Session, *, reason: str, created_by_id: int | None = None) -> str:
    """Reactivate the content that was active before, and return its digest.

    Raises:
        CatalogError: No other content was active before.
    """
    activated = session.scalars(
        select(pattern_set_event.c.digest)
        .where(pattern_set_event.c.status == "active")
        .order_by(pattern_set_event.c.id)
    )
    digest: str | None = version_before(activated, frozenset())
    if digest is None:
        raise CatalogError(
            "no pattern set was active before this one", hint="see them with: provider-pipeline patterns list"
        )
    activate(session, digest, reason=reason, created_by_id=created_by_id)
    return digest


def _record(
    session: Session,
    digest: str,
    status: str,
    reason: str,
    created_by_id: int | None,
    *,
    report: Mapping[str, Any] | None = None,
) -> None:
    session.execute(
        insert(pattern_set_event).values(
            digest=digest,
            status=status,
            reason=reason,
            report=None if report is None else dict(report),
            created_by_id=created_by_id,
        )
    )
