"""From the provider to the spool: every page of a listing, before any of it is judged.

Here: keeping the pages as they come, what the whole is told apart by, and asking whether anything changed at all. Not
here: the requests (`provider_pipeline.listing`), and what becomes of the pages (`attempt.py`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.listing import KnownPage, ListingClient, ListingSource
from provider_pipeline.rules import content_digest
from provider_pipeline.sync.spool import Spool


class ListingFetch:
    """One fetch of a listing. Between two pages, which may take seconds, no transaction is open.

    Args:
        session: Reads stored pages, where the provider says that they have not changed.
        pages: Where the pages go.
        last: The last accepted listing, where there is any use in learning that it has not changed.
    """

    def __init__(self, session: Session, pages: Spool[catalog.StoredPage], last: catalog.SyncState | None) -> None:
        self._session = session
        self._pages = pages
        self._last = last
        self._known = (
            {(each["endpoint"], each["number"], each["url"]): each for each in last.validators} if last else {}
        )
        self._renewed: set[int] = set()
        self._unchanged: list[tuple[int, int]] = []
        self._validators: list[dict[str, Any]] = []

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What the provider gave to recognise each page by; empty if it gave nothing."""
        return self._validators if any(each["etag"] or each["last_modified"] for each in self._validators) else []

    def run(self, client: ListingClient, source: ListingSource) -> catalog.ListingContent:
        """Fetches every page.

        Where all of them are those of the last accepted listing, none is in the spool before `complete`.

        Raises:
            ProviderPipelineError: The listing did not come whole.
        """
        for page in client.pages(source, known=self._known_page):
            place: dict[str, Any] = {"endpoint": page.endpoint, "number": page.number, "url": page.url}
            self._validators.append({**place, "etag": page.etag, "last_modified": page.last_modified})
            if page.not_modified:
                self._unchanged.append((page.endpoint, page.number))
                continue
            self.complete()
            self._renewed.add(page.endpoint)
            stored = catalog.StoredPage(
                **place,
                content=page.content,
                status=page.status,
                headers=dict(page.headers),
                digest=content_digest(page.document),
            )
            self._pages.append(stored)
        if self._last is not None and len(self._unchanged) == len(self._validators) == len(self._known):
            return _content_of(self._last)
        self.complete()
        return catalog.listing_content(self._pages)

    def complete(self) -> None:
        """Puts the pages that have not changed, and were not looked at so far, into the spool."""
        for endpoint, number in self._unchanged:
            self._pages.append(self._load(endpoint, number))
        self._unchanged.clear()

    def _known_page(self, endpoint: int, number: int, url: str) -> KnownPage | None:
        known: Mapping[str, Any] | None = self._known.get((endpoint, number, url))
        # After a page that is new, the same shown address may stand for another place in the listing.
        if known is None or endpoint in self._renewed:
            return None
        return KnownPage(known["etag"], known["last_modified"], partial(self._content, endpoint, number))

    def _content(self, endpoint: int, number: int) -> bytes:
        return self._load(endpoint, number).content

    def _load(self, endpoint: int, number: int) -> catalog.StoredPage:
        if self._last is None or self._last.raw_response_id is None:
            raise AssertionError("only pages of a stored listing are known")
        page = catalog.load_page(self._session, self._last.raw_response_id, endpoint=endpoint, number=number)
        self._session.rollback()
        return page


def _content_of(state: catalog.SyncState) -> catalog.ListingContent:
    """What the last accepted listing is told apart by, as far as that is known without reading it."""
    return catalog.ListingContent(state.content or "", state.last_result["bytes"], state.last_result["pages"])
