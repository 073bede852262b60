"""Listings as they were received, so that any of them can be read again with another rule.

Here: storing a listing once however often it comes, loading it, and forgetting old ones. Not here: fetching
(`provider_pipeline.listing`).
"""

import hashlib
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import (
    agent_task,
    provider,
    provider_sync,
    raw_response,
    raw_response_page,
    rule_version,
)
from provider_pipeline.errors import CatalogError

_SPOOL_BYTES = 16 * 2**20


@dataclass(frozen=True)
class StoredPage:
    """One page of a listing.

    Attributes:
        endpoint: Position of its endpoint in the rule.
        number: Position of the page within the endpoint's answer.
        url: Where it came from, without secrets.
        content: The bytes as received.
    """

    endpoint: int
    number: int
    url: str
    content: bytes


@dataclass(frozen=True)
class RawResponseRef:
    """Where a listing is stored.

    Attributes:
        id: Its key.
        sha256: Digest over all pages.
        byte_count: Bytes of all pages, before compression.
        page_count: Number of pages.
        is_new: Whether this content was not stored before.
    """

    id: int
    sha256: str
    byte_count: int
    page_count: int
    is_new: bool


def store_raw_response(
    session: Session, provider_id: int, pages: Iterable[StoredPage], *, complete: bool
) -> RawResponseRef:
    """Store a listing; content the provider sent before is found again, and nothing is written.

    Args:
        session: Session to write with.
        provider_id: The provider that sent it.
        pages: Its pages in order; read once, and beyond some megabytes kept on disk meanwhile.
        complete: Whether all pages are there. A part and a whole of the same content are stored apart.

    Raises:
        CatalogError: There is no page.
    """
    digest = hashlib.sha256()
    waiting: list[tuple[dict[str, Any], int]] = []
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        for page in pages:
            byte_count = len(page.content)
            digest.update(f"{page.endpoint} {page.number} {byte_count}\n".encode())
            digest.update(page.content)
            size = spool.write(zlib.compress(page.content))
            columns = {"endpoint": page.endpoint, "number": page.number, "url": page.url, "byte_count": byte_count}
            waiting.append((columns, size))
        if not waiting:
            raise CatalogError("a listing without a page cannot be stored")
        values = {"provider_id": provider_id, "sha256": digest.hexdigest(), "complete": complete}
        counts = {"byte_count": sum(columns["byte_count"] for columns, _ in waiting), "page_count": len(waiting)}
        known = select(raw_response.c.id).filter_by(**values)
        response_id, is_new = session.scalar(known), False
        if response_id is None:
            adding = insert(raw_response).values(**values, **counts).on_conflict_do_nothing()
            response_id, is_new = session.scalar(adding.returning(raw_response.c.id)), True
        if response_id is None:  # another process stored it just now
            response_id, is_new = session.scalars(known).one(), False
        if is_new:
            spool.seek(0)
            for columns, size in waiting:
                session.execute(
                    insert(raw_response_page).values(raw_response_id=response_id, content=spool.read(size), **columns)
                )
    return RawResponseRef(id=response_id, sha256=digest.hexdigest(), is_new=is_new, **counts)


def load_raw_response(session: Session, raw_response_id: int) -> list[StoredPage]:
    """The pages of a stored listing, in order.

    Raises:
        CatalogError: It is not stored (any more).
    """
    rows = session.execute(
        select(
            raw_response_page.c.endpoint,
            raw_response_page.c.number,
            raw_response_page.c.url,
            raw_response_page.c.content,
        )
        .where(raw_response_page.c.raw_response_id == raw_response_id)
        .order_by(raw_response_page.c.endpoint, raw_response_page.c.number)
    ).all()
    if not rows:
        raise CatalogError(f"raw response {raw_response_id} is not stored", hint="it may have been pruned")
    return [StoredPage(row.endpoint, row.number, row.url, zlib.decompress(row.content)) for row in rows]


def recent_raw_response_ids(session: Session, provider_id: int, *, limit: int) -> list[int]:
    """Keys of a provider's complete listings, newest first."""
    query = select(raw_response.c.id).where(raw_response.c.provider_id == provider_id, raw_response.c.complete)
    return list(session.scalars(query.order_by(raw_response.c.id.desc()).limit(limit)))


def prune_raw_responses(session: Session, provider_id: int, keep: int = 20) -> int:
    """Forget a provider's listings but the newest, and those something refers to.

    A rule's sample, a task's listing and the last accepted listing stay, however old.

    Returns:
        How many were deleted.
    """
    # The syncs that could begin to refer to one of them hold this lock too.
    session.execute(select(provider.c.id).where(provider.c.id == provider_id).with_for_update(key_share=True))
    newest = (
        select(raw_response.c.id)
        .where(raw_response.c.provider_id == provider_id)
        .order_by(raw_response.c.id.desc())
        .limit(keep)
    )
    statement = delete(raw_response).where(
        raw_response.c.provider_id == provider_id,
        raw_response.c.id.not_in(newest),
        ~select(rule_version.c.version).where(rule_version.c.sample_id == raw_response.c.id).exists(),
        ~select(agent_task.c.id).where(agent_task.c.raw_response_id == raw_response.c.id).exists(),
        ~select(provider_sync.c.provider_id).where(provider_sync.c.raw_response_id == raw_response.c.id).exists(),
    )
    deleted = statement.returning(raw_response.c.id).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()
