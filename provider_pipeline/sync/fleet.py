"""Syncs many providers side by side; one provider's failure never stops, delays or changes another's.

Threads extract listings while writers load those that are ready, many in one transaction: the slower the database, the
larger the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError, SyncInProgressError
from provider_pipeline.gc_tuning import relaxed_gc
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.extract import ExtractedListing, extract_listing
from provider_pipeline.sync.load import load_listings
from provider_pipeline.sync.outcome import Status, SyncOutcome, WriteMode
from provider_pipeline.sync.plan import AcceptedGuards, SyncPlan, prepare
from provider_pipeline.sync.provider import run_follow_ups, utc_now

Sessions = Callable[[], AbstractContextManager[Session]]
Planned = SyncPlan | ProviderPipelineError
T = TypeVar("T")

_PREFETCH_FACTOR: Final = 4
"""Providers planned at once per worker thread."""

_BATCH_FACTOR: Final = 8
"""Listings per worker thread that are worth one transaction, of whatever size."""

_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Memory of the pages that are worth one transaction, however few listings they are."""

_MAX_UNWRITTEN_FACTOR: Final = 12
"""Back-pressure: start no new fetch while more listings per worker thread than this are unwritten."""

_MAX_UNWRITTEN_BYTES: Final = 32 * 1024 * 1024
"""Back-pressure: the same for the memory that their pages take."""

_WRITERS: Final = 2
"""Concurrent batches: one is prepared while the database works on the other."""

_FLUSH_SECONDS: Final = 0.2
"""Flush a partial batch after this many idle seconds."""


def attempt_many(
    sessions: Sessions,
    slugs: Iterable[str],
    *,
    client: ListingClient,
    max_workers: int = 8,
    keep: WriteMode = "all",
    accept: AcceptedGuards | None = None,
) -> Iterator[SyncOutcome]:
    """Syncs providers in threads and yields each outcome as it finishes, in the caller's thread.

    No provider's trouble raises here: a defect or a database error becomes a `failed` outcome with the exception in
    `error`; a provider that another process is syncing is `skipped`. If the iterator is closed early, running syncs
    finish and no more are started.

    Args:
        sessions: Opens a session; called in several threads.
        slugs: The providers; a repeated slug is synced once.
        client: Fetches the listings; shared by the threads.
        max_workers: Providers fetched at the same time. A few times as many are locked: waiting for a thread, or to be
            written.
        keep: As in `attempt_sync`.
        accept: As in `attempt_sync`.
    """
    with relaxed_gc(), sessions() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        fleet = _Fleet(sessions, locks, client, max_workers, keep, accept)
        waiting = iter(dict.fromkeys(slugs))
        try:
            while True:
                while fleet.has_room and (chunk := list(islice(waiting, _PREFETCH_FACTOR * max_workers))):
                    fleet.begin(chunk)
                if not fleet.is_busy:
                    return
                yield from fleet.next_outcomes()
        finally:
            fleet.finish()


class _Fleet:
    """The syncs in progress: planning, then extracting, then ready, then writing. Used by one thread."""

    def __init__(
        self,
        sessions: Sessions,
        locks: catalog.sync_locks.SyncLocks,
        client: ListingClient,
        max_workers: int,
        keep: WriteMode,
        accept: AcceptedGuards | None,
    ) -> None:
        self._sessions = sessions
        self._locks = locks
        self._client = client
        self._keep: WriteMode = keep
        self._accept = accept
        self._max_workers = max_workers
        self._extractors = ThreadPoolExecutor(max_workers, thread_name_prefix="sync")
        # One thread more than there are writers, so that planning goes on while all of them write.
        self._database = ThreadPoolExecutor(_WRITERS + 1, thread_name_prefix="sync-write")
        self._planning: dict[Future[dict[str, Planned]], Sequence[str]] = {}
        self._extracting: dict[Future[ExtractedListing], str] = {}
        self._ready: list[ExtractedListing] = []
        self._writing: dict[Future[list[SyncOutcome]], list[ExtractedListing]] = {}
        self._batches: list[Future[list[SyncOutcome]]] = []
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._finishing = False

    @property
    def is_busy(self) -> bool:
        """Whether more outcomes will follow."""
        return bool(self._planning or self._extracting or self._ready or self._writing)

    @property
    def has_room(self) -> bool:
        """Whether to begin more syncs: the extractors run out of work, and not too much is unwritten."""
        if sum(map(len, self._planning.values())) + len(self._extracting) > self._max_workers:
            return False
        unwritten = [*self._ready, *chain.from_iterable(self._writing.values())]
        return (
            len(unwritten) <= _MAX_UNWRITTEN_FACTOR * self._max_workers and _weight(unwritten) <= _MAX_UNWRITTEN_BYTES
        )

    def begin(self, slugs: Sequence[str]) -> None:
        """Begins to sync providers."""
        self._planning[self._submit(self._database, self._plan, slugs)] = slugs

    def next_outcomes(self) -> Iterator[SyncOutcome]:
        """Waits until a step is done, and yields the outcomes it gives, if any."""
        step = self._next_done()
        if step in self._planning:
            yield from self._planned(step)
        elif step in self._extracting:
            yield from self._extracted(step)
        elif step in self._writing:
            yield from self._written(step)

    def finish(self) -> None:
        """Finishes running syncs, and begins no more."""
        self._finishing = True
        for planning in [future for future in self._planning if future.cancel()]:
            del self._planning[planning]
        cancelled = [future for future in self._extracting if future.cancel()]
        self._locks.release([self._extracting.pop(future) for future in cancelled])
        while self.is_busy:
            for _ in self.next_outcomes():
                pass
        for executor in (self._extractors, self._database):
            executor.shutdown()

    def _submit(self, executor: ThreadPoolExecutor, step: Callable[..., T], *arguments: Any) -> Future[T]:
        future = executor.submit(step, *arguments)
        future.add_done_callback(self._done.put)
        return future

    def _next_done(self) -> Future[Any]:
        """Waits for the next step to be done; meanwhile writes full batches, and partial ones when idle."""
        while True:
            self._batches = [batch for batch in self._batches if not batch.done()]
            may_write = bool(self._ready) and len(self._batches) < _WRITERS
            # Heavy listings, which pause until those that are ready are written, add none soon.
            adds_none = not self._planning and len(self._extracting) <= self._client.heavy_listings
            if may_write and (adds_none or self._is_full):
                self._write_batch()
                may_write = False
            try:
                return self._done.get(timeout=_FLUSH_SECONDS if may_write else None)
            except Empty:
                self._write_batch()

    @property
    def _is_full(self) -> bool:
        """Whether the ready listings are worth a transaction."""
        return len(self._ready) >= _BATCH_FACTOR * self._max_workers or _weight(self._ready) >= _BATCH_BYTES

    def _write_batch(self) -> None:
        self._batches.append(self._write(self._database, self._ready, waiting=False))
        self._ready = []

    def _plan(self, slugs: Sequence[str]) -> dict[str, Planned]:
        refused = self._locks.take(slugs)
        taken = [slug for slug in slugs if slug not in refused]
        with ExitStack() as on_error:
            on_error.callback(self._locks.release, taken)
            with self._sessions() as session:
                plans = prepare(session, slugs, accept=self._accept, now=utc_now(), may_write=self._keep != "nothing")
            on_error.pop_all()
        self._locks.release(slug for slug in taken if not isinstance(plans[slug], SyncPlan))
        return plans | {slug: error for slug, error in refused.items() if isinstance(plans[slug], SyncPlan)}

    def _planned(self, step: Future[dict[str, Planned]]) -> Iterator[SyncOutcome]:
        slugs, error = self._planning.pop(step), step.exception()
        if error is not None:
            yield from (_failed(slug, error) for slug in slugs)
            return
        failed = []
        for slug, plan in step.result().items():
            if not isinstance(plan, SyncPlan):
                failed.append(_failed(slug, plan))
            elif self._finishing:
                self._locks.release([slug])
            else:
                self._extracting[self._submit(self._extractors, self._extract, plan)] = slug
        # Submitted before the first yield, so that a consumer who stops early leaves no locked provider behind.
        yield from failed

    def _extract(self, plan: SyncPlan) -> ExtractedListing:
        with self._sessions() as session:
            return extract_listing(session, plan, self._client)

    def _extracted(self, step: Future[ExtractedListing]) -> Iterator[SyncOutcome]:
        slug, error = self._extracting.pop(step), step.exception()
        if error is None:
            self._ready.append(step.result())
        else:
            self._locks.release([slug])
            yield _failed(slug, error)

    def _write(
        self, executor: ThreadPoolExecutor, listings: Sequence[ExtractedListing], *, waiting: bool
    ) -> Future[list[SyncOutcome]]:
        writing = self._submit(executor, self._load, listings, waiting)
        self._writing[writing] = list(listings)
        return writing

    def _load(self, listings: Sequence[ExtractedListing], waiting: bool) -> list[SyncOutcome]:
        with self._sessions() as session:
            loaded = load_listings(
                session, listings, locks=self._locks, keep=self._keep, clock=utc_now, waiting=waiting
            )
            run_follow_ups(session, loaded, now=utc_now())
        return [each.outcome for each in loaded]

    def _written(self, step: Future[list[SyncOutcome]]) -> Iterator[SyncOutcome]:
        listings, error = self._writing.pop(step), step.exception()
        if error is not None and len(listings) == 1:
            outcomes = [_failed(listings[0].plan.slug, error)]
        else:
            outcomes = [] if error is not None else step.result()
        done = {outcome.slug for outcome in outcomes}
        for listing in listings:
            if listing.plan.slug in done:
                listing.close()
            else:
                # Retried alone, so that a provider that fails or is locked blocks no other.
                self._write(self._extractors, [listing], waiting=True)
        self._locks.release(done)
        yield from outcomes


def _weight(listings: Iterable[ExtractedListing]) -> int:
    """Bytes of the pages in memory."""
    return sum(each.fetch.pages.weight for each in listings)


def _failed(slug: str, error: BaseException) -> SyncOutcome:
    if not isinstance(error, Exception):  # an interrupt ends the whole fleet
        raise error
    if isinstance(error, ProviderPipelineError):
        status: Status = "skipped" if isinstance(error, SyncInProgressError) else "failed"
        return SyncOutcome(slug, status, reason=str(error), error=error)
    text = str(error).splitlines()
    reason = f"{slug}: the sync crashed: {type(error).__name__}: {text[0] if text else ''}"
    return SyncOutcome(slug, "failed", reason=reason, error=error)
