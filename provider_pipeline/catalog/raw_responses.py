"""`raw_response`: listings stored by content, with their pages and retention."""

import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb
from sqlalchemy import ARRAY, BigInteger, Row, Select, any_, case, delete, func, literal, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.database import driver_connection
from provider_pipeline.catalog.database_errors import explained
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_sync, raw_response, raw_response_page
from provider_pipeline.errors import CatalogError, NoSuchEntryError
from provider_pipeline.rules.rows import content_digest


def prune(session: Session, *provider_ids: int) -> int:
    """Delete listings beyond `raw_keep_count` or not received for `raw_keep_for`; returns their number.

    Listings referenced by a rule (sample), a task, a running trial or the last accepted sync stay. Syncs call this when
    they store new content; between them, `raw prune` applies an age limit.

    Call `providers.lock` first: it excludes syncs that could start to reference a listing.
    """
    if not provider_ids:
        return 0
    return int(session.scalars(statement("forget_raw_responses"), {"provider_ids": list(provider_ids)}).one())


_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
"""The first and last day that Python can represent in every time zone."""

_PAGE_TYPES = {
    "raw_response_id": "int8",
    "endpoint": "int4",
    "number": "int4",
    "url": "text",
    "status": "int4",
    "headers": "jsonb",
    "byte_count": "int8",
    "content": "bytea",
}
"""The columns of a page in the order they are sent, binary: as text, its content would be twice as long."""

_COPY_PAGES = SQL("COPY raw_response_page ({}) FROM STDIN (FORMAT BINARY)").format(
    SQL(", ").join(map(Identifier, _PAGE_TYPES))
)

_COMPRESSION = 3
"""Of zlib: half to a third of its default's time, for listings that take a fifth more room."""


@dataclass(frozen=True)
class StoredPage:
    """One page of a listing.

    Attributes:
        endpoint: Position of its endpoint in the rule.
        number: Position of the page within the endpoint's response.
        url: Without secrets.
        headers: Selected headers by lower-case name, without secrets.
        digest: `content_digest` of the content's JSON, if already known.
    """

    endpoint: int
    number: int
    url: str
    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = field(default=None, compare=False)


class Pages(Protocol):
    """A listing's pages in order; can be iterated repeatedly."""

    def __iter__(self) -> Iterator[StoredPage]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class ListingContent:
    """A listing's content fingerprint.

    Attributes:
        byte_count: Bytes of all pages before compression.
    """

    sha256: str
    byte_count: int
    page_count: int


@dataclass(frozen=True)
class RawResponseRef(ListingContent):
    """Where a listing is stored.

    Attributes:
        is_new: Whether the content was not stored before.
    """

    id: int
    is_new: bool


@dataclass(frozen=True)
class RawResponse(ListingContent):
    """A stored listing, without its pages.

    Attributes:
        complete: Whether it has every page of every endpoint.
        fetched_at: When this content was first received.
        last_fetched_at: When it was last recorded: on every sync for the last accepted listing, otherwise only when it
            replaced another one.
        accepted: Whether it is the last accepted listing.
    """

    id: int
    slug: str
    complete: bool
    fetched_at: datetime
    last_fetched_at: datetime
    accepted: bool


def listing_content(pages: Pages) -> ListingContent:
    """The content fingerprint of a listing."""
    sha256 = hashlib.sha256()
    byte_count = 0
    for page in pages:
        sha256.update(f"{page.endpoint} {page.number} {page.digest or _digest(page.content)}\n".encode())
        byte_count += len(page.content)
    return ListingContent(sha256.hexdigest(), byte_count, len(pages))


@dataclass(frozen=True)
class NewListing:
    """A listing to store.

    Attributes:
        pages: Iterated again, to compress and write them, only if the content is new.
        content: The fingerprint, if already known.
        complete: Whether all pages are there. Partial and complete listings of equal content are stored separately.
    """

    provider_id: int
    pages: Pages
    content: ListingContent | None = None
    complete: bool = True


def store(
    session: Session, provider_id: int, pages: Pages, *, complete: bool, fetched_at: datetime | None = None
) -> RawResponseRef:
    """Store one listing; see `store_many`."""
    listing = NewListing(provider_id, pages, complete=complete)
    return store_many(session, [listing], fetched_at=fetched_at)[0]


def store_many(
    session: Session, listings: Sequence[NewListing], *, fetched_at: datetime | None = None
) -> list[RawResponseRef]:
    """Store listings, at most one per provider; known content only gets a new `last_fetched_at`.

    Args:
        fetched_at: Defaults to now.

    Returns:
        References in the order of `listings`.

    Raises:
        CatalogError: A listing has no page.
    """
    if not all(len(listing.pages) for listing in listings):
        raise CatalogError("a listing without a page cannot be stored")
    contents = [listing.content or listing_content(listing.pages) for listing in listings]
    came = [
        {**vars(content), "provider_id": listing.provider_id, "complete": listing.complete}
        for listing, content in zip(listings, contents, strict=True)
    ]
    found: dict[int, Row[Any]] = {}
    while missing := [each for each in came if each["provider_id"] not in found]:
        # Repeat for content that another transaction stored meanwhile: only the next statement sees it.
        parameters = {"responses": json.dumps(missing), "fetched_at": fetched_at}
        found |= {row.provider_id: row for row in session.execute(statement("add_raw_responses"), parameters)}
    new = [(found[listing.provider_id].id, listing.pages) for listing in listings if found[listing.provider_id].is_new]
    if new:
        _write_pages(session, new)
    return [
        RawResponseRef(**vars(content), id=found[listing.provider_id].id, is_new=found[listing.provider_id].is_new)
        for listing, content in zip(listings, contents, strict=True)
    ]


def stored_pages(session: Session, raw_response_id: int) -> Iterator[StoredPage]:
    """The pages of a stored listing in order, loaded one at a time.

    Raises:
        NoSuchEntryError: It is not stored (any more).
    """
    keys = session.execute(
        select(raw_response_page.c.endpoint, raw_response_page.c.number)
        .where(raw_response_page.c.raw_response_id == raw_response_id)
        .order_by(raw_response_page.c.endpoint, raw_response_page.c.number)
    ).all()
    if not keys:
        raise _not_stored(raw_response_id)
    for key in keys:
        yield load_page(session, raw_response_id, endpoint=key.endpoint, number=key.number)


_PAGE = [raw_response_page.c[name] for name in ("endpoint", "number", "url", "content", "status", "headers")]


def load_page(session: Session, raw_response_id: int, *, endpoint: int, number: int) -> StoredPage:
    """One page of a stored listing.

    Raises:
        NoSuchEntryError: It is not stored (any more).
    """
    query = select(*_PAGE).filter_by(raw_response_id=raw_response_id, endpoint=endpoint, number=number)
    row = session.execute(query).one_or_none()
    if row is None:
        raise _not_stored(raw_response_id)
    return _page(row)


def load_pages(session: Session, raw_response_ids: Sequence[int]) -> dict[int, list[StoredPage]]:
    """All pages of some small listings, in order; listings without any are left out."""
    found: dict[int, list[StoredPage]] = {}
    key = raw_response_page.c.raw_response_id
    query = select(*_PAGE, key).where(key == any_(literal(list(raw_response_ids), ARRAY(BigInteger))))
    for row in session.execute(query.order_by(key, raw_response_page.c.endpoint, raw_response_page.c.number)):
        found.setdefault(row.raw_response_id, []).append(_page(row))
    return found


def _page(row: Any) -> StoredPage:
    return StoredPage(row.endpoint, row.number, row.url, zlib.decompress(row.content), row.status, row.headers)


def replace_pages(session: Session, raw_response_id: int, pages: Sequence[StoredPage]) -> None:
    """Replace a stored listing's pages by the same without secrets; call `providers.lock` first.

    The digest stays that of the content as it came, so that the next listing does not count as the same. What the next
    sync would save by knowing the last accepted listing is forgotten with it.
    """
    session.execute(delete(raw_response_page).where(raw_response_page.c.raw_response_id == raw_response_id))
    _write_pages(session, [(raw_response_id, pages)])
    session.execute(
        update(raw_response)
        .where(raw_response.c.id == raw_response_id)
        .values(byte_count=sum(len(page.content) for page in pages))
    )
    session.execute(
        update(provider_sync)
        .where(provider_sync.c.raw_response_id == raw_response_id)
        .values(validators=[], basis=None)
    )


def list_raw_responses(session: Session, slug: str | None = None) -> list[RawResponse]:
    """Stored listings, most recently received first."""
    query = _described() if slug is None else _described().where(provider.c.slug == slug)
    found = [RawResponse(**row) for row in session.execute(query).mappings()]
    return sorted(found, key=lambda each: (each.last_fetched_at, each.id), reverse=True)


def get(session: Session, raw_response_id: int) -> RawResponse:
    """A stored listing, without its pages.

    Raises:
        NoSuchEntryError: It is not stored (any more).
    """
    return get_many(session, [raw_response_id])[0]


def get_many(session: Session, raw_response_ids: Sequence[int]) -> list[RawResponse]:
    """Stored listings in the given order, without their pages.

    Raises:
        NoSuchEntryError: One of them is not stored (any more).
    """
    wanted = any_(literal(list(raw_response_ids), ARRAY(BigInteger)))
    rows = session.execute(_described().where(raw_response.c.id == wanted)).mappings()
    found = {row["id"]: RawResponse(**row) for row in rows}
    for raw_response_id in raw_response_ids:
        if raw_response_id not in found:
            raise _not_stored(raw_response_id)
    return [found[raw_response_id] for raw_response_id in raw_response_ids]


def recent_ids(session: Session, provider_id: int, *, limit: int) -> list[int]:
    """Keys of a provider's complete listings, most recently received first."""
    query = select(raw_response.c.id).where(raw_response.c.provider_id == provider_id, raw_response.c.complete)
    return list(
        session.scalars(query.order_by(raw_response.c.last_fetched_at.desc(), raw_response.c.id.desc()).limit(limit))
    )


def _described() -> Select[Any]:
    accepted = provider_sync.c.raw_response_id.is_not(None)
    last_accepted = func.greatest(raw_response.c.last_fetched_at, provider_sync.c.last_success_at)
    last_fetched = case((accepted, last_accepted), else_=raw_response.c.last_fetched_at)
    return (
        select(
            *(raw_response.c[name] for name in ("id", "sha256", "byte_count", "page_count", "complete")),
            provider.c.slug,
            _readable(raw_response.c.fetched_at).label("fetched_at"),
            _readable(last_fetched).label("last_fetched_at"),
            accepted.label("accepted"),
        )
        .join(provider, provider.c.id == raw_response.c.provider_id)
        .outerjoin(provider_sync, provider_sync.c.raw_response_id == raw_response.c.id)
    )


def _readable(moment: Any) -> Any:
    """The moment, or the nearest one Python can represent: an imported file may hold any that PostgreSQL accepts."""
    return func.least(func.greatest(moment, _EARLIEST), _LATEST)


def _write_pages(session: Session, responses: Iterable[tuple[int, Iterable[StoredPage]]]) -> None:
    """Copies pages to the table, one at a time: an INSERT would be parsed and planned anew for each."""
    try:
        with driver_connection(session).cursor() as cursor, cursor.copy(_COPY_PAGES) as copy:
            copy.set_types(list(_PAGE_TYPES.values()))
            for response_id, pages in responses:
                for page in pages:
                    copy.write_row(list(_columns(response_id, page).values()))
    except psycopg.Error as error:
        if (known := explained(error, session.get_bind().engine.url)) is None:
            raise
        raise known from error


def _columns(response_id: int, page: StoredPage) -> dict[str, Any]:
    return {
        "raw_response_id": response_id,
        "endpoint": page.endpoint,
        "number": page.number,
        "url": page.url,
        "status": page.status,
        "headers": Jsonb(dict(page.headers)),
        "byte_count": len(page.content),
        "content": zlib.compress(page.content, _COMPRESSION),
    }


def _digest(content: bytes) -> str:
    try:
        return content_digest(json.loads(content, parse_constant=_refuse, parse_float=_finite))
    except (ValueError, RecursionError):
        return hashlib.sha256(content).hexdigest()


def _refuse(token: str) -> NoReturn:
    raise ValueError(f"{token} is not JSON")


def _finite(token: str) -> float:
    number = float(token)
    return number if math.isfinite(number) else _refuse(token)


def _not_stored(raw_response_id: int) -> NoSuchEntryError:
    return NoSuchEntryError(f"raw response {raw_response_id} is not stored", hint="it may have been pruned")
