"""Fetch a provider's listing and validate it, without a transaction, so that many providers can be read at once."""

import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import IO, Any, Final, Generic, Self, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import DatabaseUnavailableError, ProviderPipelineError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.completeness import KnownPage
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.source import ListingSource
from provider_pipeline.listing.time_limits import Pace
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.judge import ListingJudge, Verdict
from provider_pipeline.rules.rows import content_digest
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.sync.config import Page, active_judge, active_source, parse_thresholds
from provider_pipeline.sync.plan import Target

T = TypeVar("T")
Row = dict[str, Any]

ROWS_IN_MEMORY: Final = 1_000


class Spool(Generic[T]):
    """Items written once in order, then read any number of times.

    Only values that this process put in are read back, so pickle is safe here.

    Args:
        weigh: How much memory an item takes, in a unit of the caller's.
        most: How much of it all items together may take.
    """

    def __init__(self, weigh: Callable[[T], int], most: int) -> None:
        self._weigh = weigh
        self._most = most
        self._weight = 0
        self._items: list[T] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forgets everything."""
        self._items.clear()
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._count

    @property
    def weight(self) -> int:
        """How much the items weigh that are in memory."""
        return self._weight if self._file is None else 0

    def append(self, item: T) -> None:
        """Adds one item at the end."""
        self._count += 1
        if self._file is not None:
            pickle.dump(item, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            return
        self._items.append(item)
        self._weight += self._weigh(item)
        if self._weight > self._most:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            for each in self._items:
                pickle.dump(each, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._items.clear()

    def __iter__(self) -> Iterator[T]:
        if self._file is None:
            yield from self._items
            return
        self._file.seek(0)
        for _ in range(self._count):
            item: Any = pickle.load(self._file)  # noqa: S301 - our own bytes, see the class
            yield item


def row_spool() -> Spool[list[Row]]:
    """A place for a listing's rows, page by page."""
    return Spool(len, ROWS_IN_MEMORY)


def judge_pages(judge: ListingJudge, pages: Iterable[Page], rows: Spool[list[Row]]) -> Verdict:
    """Judges a listing page by page, with one page in memory.

    Args:
        judge: A judge that has seen no page yet.
        pages: The listing's pages, parsed, in order.
        rows: Where the accepted rows go, page by page.
    """
    for endpoint, document in pages:
        rows.append(judge.add_page(document, endpoint=endpoint))
    return judge.verdict()


def parsed(pages: Iterable[catalog.raw_responses.StoredPage]) -> Iterator[Page]:
    """Stored pages, each parsed as it was when it came.

    Raises:
        ListingUnreadableError: A page is not JSON.
    """
    for page in pages:
        kind = page.headers.get("content-type")
        yield page.endpoint, parse_document(page.content, where=page.url, content_type=kind)


_MOST_BYTES: Final = 2 * 1024 * 1024
"""How much of a listing is kept in memory, and stays parsed until it turns out whether it is to be judged."""


class ListingFetch:
    """One fetch of a listing. Between two pages, which may take seconds, no transaction is open.

    Args:
        last: The last accepted listing, where there is any use in learning that it has not changed.
    """

    def __init__(self, last: catalog.sync_state.SyncState | None) -> None:
        self.pages: Spool[catalog.raw_responses.StoredPage] = Spool(lambda page: len(page.content), _MOST_BYTES)
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
            stored = catalog.raw_responses.StoredPage(
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

    def content(self, session: Session) -> catalog.raw_responses.ListingContent:
        """What the listing is told apart by, now that it is whole.

        Where all pages are those of the last accepted listing, none is in the spool before `complete`.
        """
        if self._last is not None and len(self._unchanged) == len(self._validators) == len(self._known):
            return _content_of(self._last)
        self.complete(session)
        return catalog.raw_responses.listing_content(self.pages)

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

    def _load(self, session: Session, endpoint: int, number: int) -> catalog.raw_responses.StoredPage:
        if self._last is None or self._last.raw_response_id is None:
            raise AssertionError("only pages of a stored listing are known")
        page = catalog.raw_responses.load_page(session, self._last.raw_response_id, endpoint=endpoint, number=number)
        session.rollback()
        return page


def _content_of(state: catalog.sync_state.SyncState) -> catalog.raw_responses.ListingContent:
    """What the last accepted listing is told apart by, as far as that is known without reading it."""
    return catalog.raw_responses.ListingContent(
        state.content or "", state.last_result["bytes"], state.last_result["pages"]
    )


_DEFAULTS: Final = Thresholds.model_validate({})


@dataclass(frozen=True)
class Reading:
    """What came of a fetch: a verdict on the listing, an error, or the last accepted listing once more.

    Attributes:
        target: The provider.
        rule: What read the listing.
        thresholds: How far it may stray.
        started: When the fetch began, by the monotonic clock.
        fetch: The pages.
        rows: The accepted rows, page by page.
        content: What the listing is told apart by; None if it did not come whole.
        verdict: What it amounts to; None where it was not judged.
        error: Why there is none.
    """

    target: Target
    rule: ExtractionRule = field(repr=False)
    thresholds: Thresholds = field(repr=False)
    started: float
    fetch: ListingFetch = field(repr=False)
    rows: Spool[list[Row]] = field(repr=False)
    content: catalog.raw_responses.ListingContent | None = None
    verdict: Verdict | None = field(default=None, repr=False)
    error: ProviderPipelineError | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether it is the last accepted listing once more, of which nothing follows: it was not judged."""
        return self.error is None and self.verdict is None

    @property
    def pages(self) -> Spool[catalog.raw_responses.StoredPage]:
        """The pages as they came."""
        return self.fetch.pages

    @property
    def validators(self) -> Sequence[Mapping[str, Any]]:
        """What to recognise each page by next time."""
        return self.fetch.validators

    def failed(self, error: ProviderPipelineError) -> "Reading":
        """The same, with an error in place of a verdict."""
        return replace(self, verdict=None, error=error)

    def close(self) -> None:
        """Forgets pages and rows."""
        self.fetch.close()
        self.rows.close()


def read_listing(session: Session, target: Target, client: ListingClient) -> Reading:
    """Fetches a provider's listing, and judges it unless it is the last accepted one and nothing would come of it.

    A fault of the provider or its listing does not raise; it is the reading's.

    Args:
        session: A session without pending changes, and without a transaction afterwards. Reads what is known of pages
            and models, where that is needed.
        target: The provider.
        client: Fetches the listing.

    Returns:
        The reading; to be closed by the caller.

    Raises:
        InvalidRuleError: The active rule cannot be compiled.
        DatabaseUnavailableError: The database failed.
    """
    reading = Reading(
        target,
        rule=target.rule(),
        thresholds=_DEFAULTS,
        started=time.monotonic(),
        fetch=ListingFetch(target.state if target.settled else None),
        rows=row_spool(),
    )
    with ExitStack() as on_error:
        on_error.callback(reading.close)
        try:
            reading = replace(reading, thresholds=parse_thresholds(target.slug, target.provider.thresholds))
            pages = reading.fetch.run(session, client, active_source(target.provider, reading.rule))
            reading = (_compared if target.settled else _judged_at_once)(session, reading, pages)
        except DatabaseUnavailableError:  # says nothing of the provider
            raise
        except ProviderPipelineError as error:
            reading = reading.failed(error)
        finally:
            session.rollback()
        on_error.pop_all()
    return reading


def judged(session: Session, reading: Reading) -> Reading:
    """The reading with its verdict.

    Args:
        session: As in `read_listing`.
        reading: A listing that came whole.

    Raises:
        ProviderPipelineError: A page that was stored before cannot be had or read any more.
    """
    reading.fetch.complete(session)
    with reading.fetch.pace.working():
        return replace(reading, verdict=_verdict(session, reading, reading.fetch.documents()))


def _compared(session: Session, reading: Reading, pages: Iterable[Page]) -> Reading:
    """The reading, with its verdict unless it is the last accepted listing."""
    for _ in pages:
        pass  # whether they are to be judged turns out when they are all there
    content = reading.fetch.content(session)
    reading = replace(reading, content=content)
    return reading if content.sha256 == reading.target.state.content else judged(session, reading)


def _judged_at_once(session: Session, reading: Reading, pages: Iterable[Page]) -> Reading:
    """The reading with the verdict on pages that are looked at as they come."""
    verdict = _verdict(session, reading, pages)
    return replace(reading, content=reading.fetch.content(session), verdict=verdict)


def _verdict(session: Session, reading: Reading, pages: Iterable[Page]) -> Verdict:
    target = reading.target
    judge = active_judge(
        session,
        target.provider,
        reading.rule,
        reading.thresholds,
        target.state,
        now=target.now,
        accepted=() if target.accept is None else target.accept.guards,
        watch=reading.fetch.keep_pace,
    )
    return judge_pages(judge, pages, reading.rows)
