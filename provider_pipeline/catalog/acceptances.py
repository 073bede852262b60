"""`guard_acceptance`: decisions of people to accept a listing that the guards held."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import guard_acceptance, provider


@dataclass(frozen=True)
class Acceptance:
    """A decision as stored; see the comments on the table for what each column means."""

    id: int
    slug: str
    kinds: list[str]
    reason: str
    author: str | None
    created_by_id: int | None
    raw_response_id: int | None
    created_at: datetime
    used_at: datetime | None


def record(
    session: Session,
    provider_id: int,
    *,
    kinds: Iterable[str],
    reason: str,
    author: str | None = None,
    created_by_id: int | None = None,
    raw_response_id: int | None = None,
    used_at: datetime,
) -> int:
    """Record that a person accepted a listing despite its guards; returns the decision's key.

    Args:
        kinds: The guards that need not hold.
        author: Who decided, by name.
        created_by_id: Who decided, in the operator's own numbering.
        used_at: When the listing was accepted.
    """
    adding = insert(guard_acceptance).values(
        provider_id=provider_id,
        kinds=sorted(set(kinds)),
        reason=reason,
        author=author,
        created_by_id=created_by_id,
        raw_response_id=raw_response_id,
        used_at=used_at,
    )
    acceptance_id: int = session.scalars(adding.returning(guard_acceptance.c.id)).one()
    return acceptance_id


def find(session: Session, *, slug: str | None = None) -> list[Acceptance]:
    """Decisions, newest first; with a slug, only about that provider."""
    columns = [guard_acceptance.c[name] for name in Acceptance.__dataclass_fields__ if name != "slug"]
    query = select(provider.c.slug, *columns).join(provider, provider.c.id == guard_acceptance.c.provider_id)
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    return [Acceptance(**row) for row in session.execute(query.order_by(guard_acceptance.c.id.desc())).mappings()]
