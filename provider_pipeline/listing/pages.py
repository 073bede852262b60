"""One page of a listing, and what is known of a page from before.

Here: plain data, read from storage only when somebody looks. Not here: fetching (`transport`, `walk`) and keeping pages
(`provider_pipeline.catalog`). The concept: a server that says "not modified", or sends the same bytes once more, has
said all there is to say; they are looked at only if the pagination, or the consumer, must.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class KnownPage:
    """A page as it was kept, for asking whether it has changed.

    Attributes:
        etag: The ETag it came with.
        last_modified: The Last-Modified it came with.
        load: Reads its content, when that is needed.
        fingerprint: What the same bytes would be told by, where that was kept; see `Page`.
    """

    etag: str | None
    last_modified: str | None
    load: Callable[[], bytes] = field(repr=False)
    fingerprint: str | None = None


class Body:
    """A page's bytes and what they say, each read when first asked for.

    Args:
        load: Gives the bytes.
        parse: Gives the document they hold.
    """

    def __init__(self, load: Callable[[], bytes], parse: Callable[[bytes], Any]) -> None:
        self._load = load
        self._parse = parse

    @cached_property
    def content(self) -> bytes:
        """The bytes."""
        return self._load()

    @cached_property
    def document(self) -> Any:
        """The document: any JSON value, null included."""
        return self._parse(self.content)


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        endpoint: Index of its endpoint in the source.
        number: 1 for an endpoint's first page.
        url: Where it came from, redacted.
        status: The answer's status; 304 for a page that has not changed.
        headers: The answer's headers worth keeping, by lower-case name, redacted. A validator (`etag`,
            `last-modified`) is among them only if asking with it is safe: an unchanged body must mean that what
            follows the page is unchanged too, which is not so where a Link header says how the listing goes on.
        fetched_at: When the answer came, in UTC.
        not_modified: The page is still what was known of it: the server says so, or sent the same bytes.
        body: Its content and document.
        fingerprint: A SHA-256 of the answer's bytes and content type, by which the same answer can be told without
            reading it; None if the page is not the endpoint's only one.
    """

    endpoint: int
    number: int
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    fetched_at: datetime
    not_modified: bool
    body: Body = field(repr=False)
    fingerprint: str | None = None

    @property
    def content(self) -> bytes:
        """The body, decompressed; as received, but that an echoed key is masked."""
        return self.body.content

    @property
    def document(self) -> Any:
        """The body, parsed: any JSON value, null included."""
        return self.body.document

    @property
    def etag(self) -> str | None:
        """The validator to ask with next time, if there is one."""
        return self.headers.get("etag")

    @property
    def last_modified(self) -> str | None:
        """The other validator to ask with."""
        return self.headers.get("last-modified")
