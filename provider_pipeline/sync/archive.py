"""Exports stored responses as files, and imports such files or plain bodies as stored responses."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)
from sqlalchemy.orm import Session

from provider_pipeline import catalog, listing
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.redaction import redact_body, redacted_url
from provider_pipeline.rules.variants import BUILT_WHEN_USED

_FORMAT: Final = "provider-pipeline raw response 1"
_MIN_FETCHED_AT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_CLOCK_SKEW: Final = timedelta(days=1)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


def _plausible(moment: datetime) -> datetime:
    if not _MIN_FETCHED_AT <= moment <= datetime.now(UTC) + _MAX_CLOCK_SKEW:
        raise ValueError("expected a time between the year 2000 and now")
    return moment


class _Page(BaseModel):
    """One page, with a JSON body or any other body in base64."""

    model_config = BUILT_WHEN_USED

    endpoint: Annotated[int, Field(ge=0, lt=1000)]
    number: Annotated[int, Field(ge=0, lt=2**31)]
    url: Annotated[str, Field(max_length=8192), AfterValidator(_printable)]
    status: Annotated[int, Field(ge=100, le=599)]
    headers: dict[str, str]
    body: Any = None
    body_base64: Base64Bytes | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if ("body" in self.model_fields_set) == (self.body_base64 is not None):
            raise ValueError("a page has either body or body_base64")
        return self

    def stored(self) -> catalog.raw_responses.StoredPage:
        content = json.dumps(self.body).encode() if self.body_base64 is None else self.body_base64
        if self.body_base64 is None:
            parse_document(content, where=f"page {self.number} of endpoint {self.endpoint}", content_type=None)
        return catalog.raw_responses.StoredPage(
            self.endpoint,
            self.number,
            redacted_url(self.url),
            redact_body(content, ()),
            status=self.status,
            headers=listing.pages.kept_headers({name.lower(): value for name, value in self.headers.items()}, ()),
        )


class _Document(BaseModel):
    """An exported response."""

    model_config = BUILT_WHEN_USED

    format: Literal["provider-pipeline raw response 1"]
    provider: str
    fetched_at: Annotated[AwareDatetime, AfterValidator(_plausible)]
    complete: bool
    pages: Annotated[tuple[_Page, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _pages_are_distinct(self) -> Self:
        if len({(page.endpoint, page.number) for page in self.pages}) < len(self.pages):
            raise ValueError("two pages have the same endpoint and number")
        return self


def exported(session: Session, raw_response_id: int) -> Iterator[str]:
    """Yields a stored response as parts of one JSON document, with one page in memory.

    Raises:
        CatalogError: It is not stored (any more).
    """
    stored = catalog.raw_responses.get(session, raw_response_id)
    head = {
        "format": _FORMAT,
        "provider": stored.slug,
        "fetched_at": stored.fetched_at.isoformat(),
        "complete": stored.complete,
    }
    yield json.dumps(head)[:-1] + ', "pages": [\n'
    for position, page in enumerate(catalog.raw_responses.stored_pages(session, raw_response_id)):
        yield (",\n" if position else "") + json.dumps(_page_document(page))
    yield "\n]}\n"


def import_response(session: Session, slug: str, path: Path) -> catalog.raw_responses.RawResponseRef:
    """Stores an exported document, or a plain body, as a provider's response. Commits nothing.

    A plain body is stored as incomplete, since there may be more pages. Secrets are masked as in a fetched response.
    The provider need not be the one that the document names.

    Raises:
        UnknownProviderError: There is no such provider.
        ListingUnreadableError: The file is neither.
    """
    provider = catalog.providers.get(session, slug)
    content = path.read_bytes()
    parsed = _own_document(content)
    if parsed is None:
        parse_document(content, where=str(path), content_type=None)
        page = catalog.raw_responses.StoredPage(0, 1, f"file:{path.name}", redact_body(content, ()))
        return catalog.raw_responses.store(session, provider.id, [page], complete=False)
    document = _validated(parsed, path)
    pages = sorted((page.stored() for page in document.pages), key=lambda page: (page.endpoint, page.number))
    return catalog.raw_responses.store(
        session, provider.id, pages, complete=document.complete, fetched_at=document.fetched_at
    )


def exported_pages(path: Path) -> list[tuple[int, Any]] | None:
    """The JSON pages of an exported document, with the positions of their endpoints; None for any other file.

    Raises:
        ListingUnreadableError: It looks like an exported document, and is not one.
    """
    parsed = _own_document(path.read_bytes())
    if parsed is None:
        return None
    pages = sorted(_validated(parsed, path).pages, key=lambda page: (page.endpoint, page.number))
    return [(page.endpoint, page.body) for page in pages if "body" in page.model_fields_set]


def _own_document(content: bytes) -> dict[str, Any] | None:
    """The content, parsed, if it looks like an exported document."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) and {"format", "pages"} <= parsed.keys() else None


def _validated(document: dict[str, Any], path: Path) -> _Document:
    try:
        return _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ListingUnreadableError(
            f"{path}: {where} is not as raw export writes it: {first['msg']}", hint=f"expected {_FORMAT!r}"
        ) from error


def _page_document(page: catalog.raw_responses.StoredPage) -> dict[str, Any]:
    about = {
        "endpoint": page.endpoint,
        "number": page.number,
        "url": page.url,
        "status": page.status,
        "headers": dict(page.headers),
    }
    try:
        return about | {"body": parse_document(page.content, where=page.url, content_type=None)}
    except ListingUnreadableError:
        return about | {"body_base64": base64.b64encode(page.content).decode()}
