"""From the provider to the spool: every page of a listing, as it comes.

Here: keeping the pages, what the whole is told apart by, and whether anything changed at all. Not here: the requests
(`provider_pipeline.listing`), and what becomes of the pages (`reading.py`).
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.listing import KnownPage, ListingClient, ListingSource, Pace
from provider_pipeline.rules import content_digest
from provider_pipeline.sync.judging import parsed
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.stored import Page

_MOST_BYTES: Final = 2 * 1024 * 1024
"""How much of a listing is kept in memory, and stays parsed until it turns out whether it is to be judged."""


class ListingFetch:
    """One fetch of a listing. Between two pages, which may take seconds, no transaction is open.

    Args:
        last: The last accepted listing, where there is any use in learning that it has not changed.
    """

    def __init__(self, last: catalog.SyncState | None) -> None:
        self.pages: Spool[catalog.StoredPage] = Spool(lambda page: len(page.content), _MOST_BYTES)
        self._last = last
        self._known = (
            {(each["endpoint"], each["number"], each["url"]): each for each in last.validators} if last else {}
        )
        self._renewed: set[int] = set()
        self._unchanged: list[tuple[int, int]] = []
        self._validators: list[dict[str, Any]] = []
        self._documents: list[Page] = []
        self._pace: Pace | None = None

    @property
    def pace(self) -> Pace:
        """What whoever works on the listing keeps to; from when it begins to be fetched."""
        if self._pace is None:
            raise AssertionError("nothing was fetched yet")
        return self._pace

    def close(self) -> None:
        """Forgets the pages."""
        self.pages.close()
        if self._pace is not None:
            self._pace.leave()

    def keep_pace(self) -> None:
        """Between two steps; raises `ListingUnreadableError` when the listing has taken too long."""
        self.pace.keep()

    @property
    def validators(self) -> list[dict[str, Any]]:
        """What to recognise each page by; empty if there is nothing."""
        named = ("etag", "last_modified", "fingerprint")
        return self._validators if any(each[name] for each in self._validators for name in named) else []

    def run(self, session: Session, client: ListingClient, source: ListingSource) -> Iterator[Page]:
        """Fetches every page, and gives those that have not just been said to be what they were.

        Args:
            session: Reads stored pages, where the provider says that they have not changed. What the caller begins with
                it between two pages is rolled back.
            client: Asks for the pages.
            source: Where they are.

        Yields:
            Each page that had to be looked at, parsed. Without a last listing these are all of them, in order.

        Raises:
            ProviderPipelineError: The listing did not come whole.
        """
        self._pace = client.pace(source)
        for page in client.pages(source, known=partial(self._known_page, session), pace=self._pace):
            place: dict[str, Any] = {"endpoint": page.endpoint, "number": page.number, "url": page.url}
            told_by = {"etag": page.etag, "last_modified": page.last_modified, "fingerprint": page.fingerprint}
            self._validators.append(place | told_by)
            if page.not_modified:
                self._unchanged.append((page.endpoint, page.number))
                continue
            self.complete(session)
            self._renewed.add(page.endpoint)
            stored = catalog.StoredPage(
                **place,
                content=page.content,
                status=page.status,
                headers=dict(page.headers),
                digest=content_digest(page.document),
            )
            self.pages.append(stored)
            found = page.endpoint, page.document
            if self._last is not None:
                self._keep(found)
            yield found
            session.rollback()

    def content(self, session: Session) -> catalog.ListingContent:
        """What the listing is told apart by, now that it is whole.

        Where all pages are those of the last accepted listing, none is in the spool before `complete`.
        """
        if self._last is not None and len(self._unchanged) == len(self._validators) == len(self._known):
            return _content_of(self._last)
        self.complete(session)
        return catalog.listing_content(self.pages)

    def complete(self, session: Session) -> None:
        """Puts the pages that have not changed, and were not looked at so far, into the spool."""
        for endpoint, number in self._unchanged:
            self.pages.append(self._load(session, endpoint, number))
        self._unchanged.clear()

    def documents(self) -> Iterator[Page]:
        """Every page, parsed; to be gone through once. What came last, and is little, is not parsed once more."""
        documents, self._documents = self._documents, []
        if len(documents) == len(self.pages):
            return iter(documents)
        return parsed(self.pages)

    def _keep(self, page: Page) -> None:
        self._documents.append(page)
        if not self.pages.weight:  # they are in a file by now
            self._documents.clear()

    def _known_page(self, session: Session, endpoint: int, number: int, url: str) -> KnownPage | None:
        known: Mapping[str, Any] | None = self._known.get((endpoint, number, url))
        # After a page that is new, the same shown address may stand for another place in the listing.
        if known is None or endpoint in self._renewed:
            return None
        return KnownPage(
            known["etag"],
            known["last_modified"],
            lambda: self._load(session, endpoint, number).content,
            known.get("fingerprint"),
        )

    def _load(self, session: Session, endpoint: int, number: int) -> catalog.StoredPage:
        if self._last is None or self._last.raw_response_id is None:
            raise AssertionError("only pages of a stored listing are known")
        page = catalog.load_page(session, self._last.raw_response_id, endpoint=endpoint, number=number)
        session.rollback()
        return page


def _content_of(state: catalog.SyncState) -> catalog.ListingContent:
    """What the last accepted listing is told apart by, as far as that is known without reading it."""
    return catalog.ListingContent(state.content or "", state.last_result["bytes"], state.last_result["pages"])
