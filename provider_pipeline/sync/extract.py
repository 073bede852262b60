"""Fetches a provider's listing and validates it, outside any transaction, so that many can be extracted at once."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import IO, Any, Final, Generic, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline import catalog, rules
from provider_pipeline.errors import (
    DatabaseUnavailableError,
    ListingPartialError,
    ListingUnreadableError,
    ProviderPipelineError,
)
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.cpu_throttle import CpuThrottle
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.endpoints import ListingSource
from provider_pipeline.listing.pages import KnownPage
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.rows import content_digest
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.sync.plan import Page, SyncPlan, active_judge, active_source, compare_together, parse_thresholds

T = TypeVar("T")
Row = dict[str, Any]
StoredPage = catalog.raw_responses.StoredPage

_MAX_ROWS_IN_MEMORY: Final = 1_000
_MAX_PAGE_BYTES_IN_MEMORY: Final = 2 * 1024 * 1024


class Spool(Generic[T]):
    """A list that moves to a temporary file when it grows: append first, then iterate any number of times.

    Args:
        weigh: The memory that an item takes, in any unit.
        max_weight: The weight of all items together above which they move to a file.
    """

    def __init__(self, weigh: Callable[[T], int], max_weight: int) -> None:
        self._weigh = weigh
        self._max_weight = max_weight
        self._weight = 0
        self._items: list[T] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def close(self) -> None:
        """Discards all items."""
        self._items.clear()
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._count

    @property
    def weight(self) -> int:
        """Weight of the items in memory; 0 once they are in a file."""
        return self._weight if self._file is None else 0

    def append(self, item: T) -> None:
        """Adds an item at the end."""
        self._count += 1
        if self._file is not None:
            pickle.dump(item, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            return
        self._items.append(item)
        self._weight += self._weigh(item)
        if self._weight > self._max_weight:
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
            item: Any = pickle.load(self._file)  # noqa: S301 - only what this process has written
            yield item


def row_spool() -> Spool[list[Row]]:
    """An empty spool for the rows of a listing, one list per page."""
    return Spool(len, _MAX_ROWS_IN_MEMORY)


def judge_pages(judge: rules.judge.ListingJudge, pages: Iterable[Page], rows: Spool[list[Row]]) -> None:
    """Has a listing judged with one page in memory, and appends the accepted rows of each page to `rows`."""
    for endpoint, document in pages:
        rows.append(judge.add_page(document, endpoint=endpoint))


def parse_pages(pages: Iterable[StoredPage]) -> Iterator[Page]:
    """Parses stored pages as they were parsed when they were fetched.

    Raises:
        ListingUnreadableError: A page is not JSON.
    """
    for page in pages:
        kind = page.headers.get("content-type")
        yield page.endpoint, parse_document(page.content, where=page.url, content_type=kind)


def judge_stored(
    pages: Iterable[StoredPage],
    rule: ExtractionRule,
    thresholds: Thresholds,
    rows: Spool[list[Row]],
    memory: rules.item_memory.ItemMemory | None = None,
) -> rules.judge.Verdict:
    """Judges a stored listing like `judge_pages`, without the pages of endpoints that the rule does not have.

    Raises:
        ListingUnreadableError: A page is not JSON.
    """
    judge = rules.judge.ListingJudge(rule, thresholds=thresholds, memory=memory)
    judge_pages(judge, parse_pages(page for page in pages if page.endpoint < len(rule.endpoints)), rows)
    return judge.verdict()


class ListingFetch:
    """One fetch of a listing; no transaction is open while it waits for a page.

    Args:
        last: State with the last accepted listing, to ask whether pages are unchanged; None to fetch all of them.
    """

    def __init__(self, last: catalog.sync_state.SyncState | None) -> None:
        self.partial: ListingPartialError | None = None
        self.pages: Spool[StoredPage] = Spool(lambda page: len(page.content), _MAX_PAGE_BYTES_IN_MEMORY)
        self._last = last
        self._known = (
            {(each["endpoint"], each["number"], each["url"]): each for each in last.validators} if last else {}
        )
        self._renewed: set[int] = set()
        self._unchanged: list[tuple[int, int]] = []
        self._validators: list[dict[str, Any]] = []
        self._documents: list[Page] = []
        self._pace: CpuThrottle | None = None

    @property
    def pace(self) -> CpuThrottle:
        """Limits the work on this listing; set when the fetch begins."""
        if self._pace is None:
            raise AssertionError("the fetch has not begun")
        return self._pace

    def keep_pace(self) -> None:
        """Called between steps; raises `ListingUnreadableError` after the listing's deadline."""
        self.pace.keep()

    def close(self) -> None:
        """Discards the pages."""
        self.pages.close()
        if self._pace is not None:
            self._pace.leave()

    @property
    def validators(self) -> list[dict[str, Any]]:
        """ETag, Last-Modified and fingerprint of each page; empty if no page has any."""
        names = ("etag", "last_modified", "fingerprint")
        return self._validators if any(each[name] for each in self._validators for name in names) else []

    def run(self, session: Session, client: ListingClient, source: ListingSource) -> Iterator[Page]:
        """Fetches every page and yields those that are not known to be unchanged, parsed and in order.

        The session reads stored pages, and is rolled back after each page. Where the rule cannot follow the pages, they
        end early, and `partial` says why: what was read is judged and kept, so that a better rule can be found.

        Raises:
            ProviderPipelineError: The listing is incomplete.
        """
        self._pace = client.pace(source)
        try:
            yield from self._fetched(session, client, source)
        except ListingPartialError as error:
            self.partial = error

    def _fetched(self, session: Session, client: ListingClient, source: ListingSource) -> Iterator[Page]:
        for page in client.pages(source, known=partial(self._known_page, session), pace=self.pace):
            place: dict[str, Any] = {"endpoint": page.endpoint, "number": page.number, "url": page.url}
            self._validators.append(
                place | {"etag": page.etag, "last_modified": page.last_modified, "fingerprint": page.fingerprint}
            )
            if page.not_modified:
                self._unchanged.append((page.endpoint, page.number))
                continue
            self.load_unchanged(session)
            self._renewed.add(page.endpoint)
            self.pages.append(
                StoredPage(
                    **place,
                    content=page.content,
                    status=page.status,
                    headers=dict(page.headers),
                    digest=content_digest(page.document),
                )
            )
            parsed = page.endpoint, page.document
            if self._last is not None:
                self._documents.append(parsed)
                if not self.pages.weight:  # the pages moved to a file: do not hold their documents either
                    self._documents.clear()
            yield parsed
            session.rollback()

    def content(self, session: Session) -> catalog.raw_responses.ListingContent:
        """Digest and size of the complete listing; reads no page if all of them are unchanged."""
        if self._last is not None and len(self._unchanged) == len(self._validators) == len(self._known):
            last = self._last.last_result
            return catalog.raw_responses.ListingContent(self._last.content or "", last["bytes"], last["pages"])
        self.load_unchanged(session)
        return catalog.raw_responses.listing_content(self.pages)

    def load_unchanged(self, session: Session) -> None:
        """Adds the pages that were reported unchanged so far, from the stored listing."""
        for endpoint, number in self._unchanged:
            self.pages.append(self._load(session, endpoint, number))
        self._unchanged.clear()

    def documents(self) -> Iterator[Page]:
        """Every page, parsed; for one pass. A small listing that was just fetched is not parsed again."""
        documents, self._documents = self._documents, []
        return iter(documents) if len(documents) == len(self.pages) else parse_pages(self.pages)

    def _known_page(self, session: Session, endpoint: int, number: int, url: str) -> KnownPage | None:
        known: Mapping[str, Any] | None = self._known.get((endpoint, number, url))
        # After a new page, a cursor in the same (redacted) URL may point elsewhere in the listing.
        if known is None or endpoint in self._renewed:
            return None
        return KnownPage(
            known["etag"],
            known["last_modified"],
            lambda: self._load(session, endpoint, number).content,
            known.get("fingerprint"),
        )

    def _load(self, session: Session, endpoint: int, number: int) -> StoredPage:
        if self._last is None or self._last.raw_response_id is None:
            raise AssertionError("only pages of a stored listing are known")
        page = catalog.raw_responses.load_page(session, self._last.raw_response_id, endpoint=endpoint, number=number)
        session.rollback()
        return page


@dataclass(frozen=True)
class ExtractedListing:
    """The result of a fetch: a judge, an error, or neither if the listing is unchanged since it was last accepted.

    Attributes:
        started: When the fetch began, by the monotonic clock.
        rows: The accepted rows, one list per page.
        content: Digest and size of the listing; None if it is incomplete.
        judge: Has read the whole listing.
        verdict: The judge's, from `judged`.
    """

    plan: SyncPlan
    thresholds: Thresholds = field(repr=False)
    started: float
    fetch: ListingFetch = field(repr=False)
    rows: Spool[list[Row]] = field(repr=False)
    content: catalog.raw_responses.ListingContent | None = None
    judge: rules.judge.ListingJudge | None = field(default=None, repr=False)
    verdict: rules.judge.Verdict | None = field(default=None, repr=False)
    error: ProviderPipelineError | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether it is the last accepted listing again, which was not validated."""
        return self.error is None and self.judge is None

    def failed(self, error: ProviderPipelineError) -> ExtractedListing:
        """A copy with an error instead of a verdict."""
        return replace(self, verdict=None, error=error)

    def close(self) -> None:
        """Discards pages and rows."""
        self.fetch.close()
        self.rows.close()


_DEFAULTS: Final = Thresholds.model_validate({})


def extract_listing(session: Session, plan: SyncPlan, client: ListingClient) -> ExtractedListing:
    """Fetches a provider's listing, and has a judge read it unless it is unchanged and can be skipped.

    A fault of the provider, its listing or its rule does not raise; it is the result's `error`. The caller closes the
    result. The session reads stored pages and models; it must have no pending changes, and has no transaction
    afterwards.

    Raises:
        DatabaseUnavailableError: The database failed.
    """
    listing = ExtractedListing(
        plan,
        thresholds=_DEFAULTS,
        started=time.monotonic(),
        fetch=ListingFetch(plan.state if plan.skip_unchanged else None),
        rows=row_spool(),
    )
    with ExitStack() as on_error:
        on_error.callback(listing.close)
        try:
            listing = replace(listing, thresholds=parse_thresholds(plan.slug, plan.provider.thresholds))
            pages = listing.fetch.run(session, client, active_source(plan.provider, plan.rule))
            if plan.skip_unchanged:
                for _ in pages:
                    pass  # whether the listing changed is known once it is complete
                listing = replace(listing, content=listing.fetch.content(session))
                if (
                    listing.content is None
                    or listing.content.sha256 != plan.state.content
                    or listing.fetch.partial is not None
                ):
                    listing = _read_again(session, listing)
            else:
                judge = _read(session, listing, pages)
                listing = replace(listing, content=listing.fetch.content(session), judge=judge)
        except DatabaseUnavailableError:  # not a fault of the provider
            raise
        except ProviderPipelineError as error:
            listing = listing.failed(error)
        finally:
            session.rollback()
        on_error.pop_all()
    return listing


def _read_again(session: Session, listing: ExtractedListing) -> ExtractedListing:
    """The complete listing with its judge.

    Raises:
        ProviderPipelineError: A stored page is gone or unreadable.
    """
    listing.fetch.load_unchanged(session)
    with listing.fetch.pace.working():
        return replace(listing, judge=_read(session, listing, listing.fetch.documents()))


def read_again(session: Session, listing: ExtractedListing) -> ExtractedListing:
    """An unchanged listing with its judge all the same, or the failure; leaves no open transaction."""
    try:
        return _read_again(session, listing)
    except DatabaseUnavailableError:
        raise
    except ProviderPipelineError as error:
        return listing.failed(error)
    finally:
        session.rollback()


def _read(session: Session, listing: ExtractedListing, pages: Iterable[Page]) -> rules.judge.ListingJudge:
    plan = listing.plan
    judge = active_judge(
        session,
        plan.provider,
        plan.rule,
        listing.thresholds,
        plan.state,
        now=plan.now,
        accepted=() if plan.accept is None else plan.accept.guards,
        watch=listing.fetch.keep_pace,
    )
    judge_pages(judge, pages, listing.rows)
    return judge


def judged(session: Session, listings: Sequence[ExtractedListing]) -> list[ExtractedListing]:
    """The listings with their verdicts; the models of all are compared with the table by one read.

    Raises:
        DatabaseUnavailableError: The database failed.
    """
    judges = [None if each.error is not None else each.judge for each in listings]
    compare_together(session, (judge for judge in judges if judge is not None))
    return [
        each if judge is None else replace(each, verdict=_verdict(judge, each.fetch.partial))
        for each, judge in zip(listings, judges, strict=True)
    ]


def _verdict(judge: rules.judge.ListingJudge, error: ListingPartialError | None) -> rules.judge.Verdict:
    verdict = judge.verdict()
    if error is None or any(each["type"] == rules.statistics.PARTIAL_LISTING for each in verdict.issues):
        return verdict
    return replace(verdict, valid=False, issues=(rules.statistics.partial_listing(error.message), *verdict.issues))


def replay_previous(
    session: Session,
    raw_response_id: int,
    rule: ExtractionRule,
    thresholds: Thresholds,
    rows: Spool[list[Row]],
    *,
    request_times: frozenset[str] = frozenset(),
) -> Iterator[Row] | None:
    """Applies a new rule to the last accepted listing, to attribute changes to the rule or to the provider.

    Fields in `request_times` are left out, as they were from the new listing.

    Returns:
        A row per model, held in `rows`; None if the new rule does not fit the old listing.
    """
    try:
        verdict = judge_stored(catalog.raw_responses.stored_pages(session, raw_response_id), rule, thresholds, rows)
    except ListingUnreadableError:
        return None
    if not verdict.valid:
        return None
    return replace(verdict, request_times=request_times).settled(chain.from_iterable(rows))
