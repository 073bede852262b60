"""Many providers side by side, each on its own.

Here: the threads, which readings are written together, and the promise that one provider's failure never stops, delays
or changes another's. Not here: which providers (the caller), and what one sync does (`attempt.py`). The concept:
threads fetch and judge, writers take what is ready by then, many providers at once; the slower the database, the more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ProviderPipelineError, SyncInProgressError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.extract import Reading, read_listing
from provider_pipeline.sync.gc_tuning import seldom_collecting
from provider_pipeline.sync.load import Keep, settle
from provider_pipeline.sync.outcome import AcceptedGuards, Status, SyncOutcome
from provider_pipeline.sync.plan import Target, prepare
from provider_pipeline.sync.provider import let_others_read, utc_now

Sessions = Callable[[], AbstractContextManager[Session]]
Prepared = Target | ProviderPipelineError
T = TypeVar("T")

_AHEAD: Final = 2
"""So many times the threads' number of providers are got ready at once; as many readings are worth a transaction."""

_WAITING: Final = 8
"""So many times the threads' number of readings may wait to be written, or be in writing, before no more begin."""

_MOST_BYTES: Final = 32 * 1024 * 1024
"""How much memory the pages of all these may take before no more begin."""

_WRITERS: Final = 2
"""Groups that are written at the same time: one of them is prepared while the database works on the other."""

_PAUSE: Final = 0.05
"""Seconds in which nothing ends, after which what is ready is written although it is little."""


def attempt_many(
    sessions: Sessions,
    slugs: Iterable[str],
    *,
    client: ListingClient,
    max_workers: int = 8,
    keep: Keep = "all",
    accept: AcceptedGuards | None = None,
) -> Iterator[SyncOutcome]:
    """Syncs providers in threads and yields each outcome as it finishes, in the caller's thread.

    Nothing that happens to one provider raises here: what is not its fault (a defect, the database) becomes a `failed`
    outcome too, with the exception in `error`; a provider that another process is syncing is `skipped`. Closing the
    iterator early lets running syncs finish and starts no more.

    Args:
        sessions: Opens a session; called in several threads.
        slugs: The providers; a repeated slug is synced once.
        client: Fetches the listings; shared by the threads.
        max_workers: Providers that are fetched at the same time. A few times as many are locked: they wait for their
            turn, or to be written.
        keep: As in `attempt_sync`.
        accept: As in `attempt_sync`.
    """
    with seldom_collecting(), sessions() as session, catalog.sync_locks.open_sync_locks(session) as locks:
        fleet = _Fleet(sessions, locks, client, max_workers, keep, accept)
        waiting = iter(dict.fromkeys(slugs))
        try:
            while True:
                while fleet.has_room and (chunk := list(islice(waiting, _AHEAD * max_workers))):
                    fleet.begin(chunk)
                if not fleet.is_busy:
                    return
                yield from fleet.next_outcomes()
        finally:
            fleet.finish()


class _Fleet:
    """The syncs that are under way; for one thread.

    Args:
        sessions: Opens sessions.
        locks: Keeps others from the providers.
        client: Fetches listings.
        max_workers: How many at once.
        keep: As in `attempt_sync`.
        accept: As in `attempt_sync`.
    """

    def __init__(
        self,
        sessions: Sessions,
        locks: catalog.sync_locks.SyncLocks,
        client: ListingClient,
        max_workers: int,
        keep: Keep,
        accept: AcceptedGuards | None,
    ) -> None:
        self._sessions = sessions
        self._locks = locks
        self._client = client
        self._keep: Keep = keep
        self._accept = accept
        self._max_workers = max_workers
        self._readers = ThreadPoolExecutor(max_workers, thread_name_prefix="sync")
        # What reads and writes providers by the dozen; its futures hold what went wrong. One more than the groups, so
        # that the next providers are got ready while all of these are written.
        self._writer = ThreadPoolExecutor(_WRITERS + 1, thread_name_prefix="sync-write")
        self._preparing: dict[Future[dict[str, Prepared]], Sequence[str]] = {}
        self._reading: dict[Future[Reading], str] = {}
        self._ready: list[Reading] = []
        self._writing: dict[Future[list[SyncOutcome]], list[Reading]] = {}
        self._groups: list[Future[list[SyncOutcome]]] = []
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._finishing = False

    @property
    def is_busy(self) -> bool:
        """Whether any outcome is still to come."""
        return bool(self._preparing or self._reading or self._ready or self._writing)

    @property
    def has_room(self) -> bool:
        """Whether more may begin: what is to be read gets scarce, and what waits to be written is not too much."""
        unread = sum(map(len, self._preparing.values())) + len(self._reading)
        return unread <= self._max_workers and self._may_wait_for_more()

    def begin(self, slugs: Sequence[str]) -> None:
        """Begins to sync providers."""
        self._preparing[self._submit(self._writer, self._prepare, slugs)] = slugs

    def next_outcomes(self) -> Iterator[SyncOutcome]:
        """Waits until something has ended, and yields what outcomes that gives; perhaps none."""
        ended = self._next_ended()
        if ended in self._preparing:
            yield from self._end_preparing(ended)
        elif ended in self._reading:
            yield from self._end_reading(ended)
        elif ended in self._writing:
            yield from self._end_writing(ended)

    def finish(self) -> None:
        """Lets what is running come to its end, and begins nothing more."""
        self._finishing = True
        for preparing in [future for future in self._preparing if future.cancel()]:
            del self._preparing[preparing]
        cancelled = [future for future in self._reading if future.cancel()]
        self._locks.release([self._reading.pop(future) for future in cancelled])
        while self.is_busy:
            for _ in self.next_outcomes():
                pass
        for executor in (self._readers, self._writer):
            executor.shutdown()

    def _submit(self, executor: ThreadPoolExecutor, step: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begins a step whose end `_next_ended` will tell of."""
        future = executor.submit(step, *arguments)
        future.add_done_callback(self._ended.put)
        return future

    def _may_wait_for_more(self) -> bool:
        waiting = [*self._ready, *chain.from_iterable(self._writing.values())]
        return (
            len(waiting) <= _WAITING * self._max_workers
            and sum(reading.pages.weight for reading in waiting) <= _MOST_BYTES
        )

    def _next_ended(self) -> Future[Any]:
        """What ends next. What is ready is written meanwhile: at once if it is enough, or all there is for now."""
        while True:
            self._groups = [group for group in self._groups if not group.done()]
            may_write = bool(self._ready) and len(self._groups) < _WRITERS
            is_all = not self._preparing and not self._reading
            if may_write and (is_all or len(self._ready) >= _AHEAD * self._max_workers):
                self._write_group()
                may_write = False
            try:
                return self._ended.get(timeout=_PAUSE if may_write else None)
            except Empty:
                self._write_group()

    def _write_group(self) -> None:
        self._groups.append(self._write(self._writer, self._ready, waiting=False))
        self._ready = []

    def _prepare(self, slugs: Sequence[str]) -> dict[str, Prepared]:
        refused = self._locks.take(slugs)
        taken = [slug for slug in slugs if slug not in refused]
        with ExitStack() as on_error:
            on_error.callback(self._locks.release, taken)
            with self._sessions() as session:
                found = prepare(session, slugs, accept=self._accept, now=utc_now())
            on_error.pop_all()
        self._locks.release(slug for slug in taken if not isinstance(found[slug], Target))
        return found | {slug: error for slug, error in refused.items() if isinstance(found[slug], Target)}

    def _end_preparing(self, preparing: Future[dict[str, Prepared]]) -> Iterator[SyncOutcome]:
        slugs, error = self._preparing.pop(preparing), preparing.exception()
        if error is not None:
            yield from (_failed(slug, error) for slug in slugs)
            return
        failed = []
        for slug, target in preparing.result().items():
            if not isinstance(target, Target):
                failed.append(_failed(slug, target))
            elif self._finishing:
                self._locks.release([slug])
            else:
                self._reading[self._submit(self._readers, self._read, target)] = slug
        # Whoever takes no more outcomes must find all of the others under way.
        yield from failed

    def _read(self, target: Target) -> Reading:
        with self._sessions() as session:
            return read_listing(session, target, self._client)

    def _end_reading(self, reading: Future[Reading]) -> Iterator[SyncOutcome]:
        slug, error = self._reading.pop(reading), reading.exception()
        if error is None:
            self._ready.append(reading.result())
        else:
            self._locks.release([slug])
            yield _failed(slug, error)

    def _write(
        self, executor: ThreadPoolExecutor, readings: Sequence[Reading], *, waiting: bool
    ) -> Future[list[SyncOutcome]]:
        writing = self._submit(executor, self._settle, readings, waiting)
        self._writing[writing] = list(readings)
        return writing

    def _settle(self, readings: Sequence[Reading], waiting: bool) -> list[SyncOutcome]:
        with self._sessions() as session:
            settled = settle(session, readings, locks=self._locks, keep=self._keep, clock=utc_now, waiting=waiting)
            let_others_read(session, settled, now=utc_now())
        return [each.outcome for each in settled]

    def _end_writing(self, writing: Future[list[SyncOutcome]]) -> Iterator[SyncOutcome]:
        readings, error = self._writing.pop(writing), writing.exception()
        if error is not None and len(readings) == 1:
            outcomes = [_failed(readings[0].target.slug, error)]
        else:
            # One that cannot be written, or not yet, is no reason for the others to fail, or to wait.
            outcomes = [] if error is not None else writing.result()
        done = {outcome.slug for outcome in outcomes}
        for reading in readings:
            if reading.target.slug in done:
                reading.close()
            else:
                self._write(self._readers, [reading], waiting=True)
        self._locks.release(done)
        yield from outcomes


def _failed(slug: str, error: BaseException) -> SyncOutcome:
    if not isinstance(error, Exception):  # an interrupt ends the whole fleet
        raise error
    if isinstance(error, ProviderPipelineError):
        status: Status = "skipped" if isinstance(error, SyncInProgressError) else "failed"
        return SyncOutcome(slug, status, reason=str(error), error=error)
    text = str(error).splitlines()
    reason = f"{slug}: the sync crashed: {type(error).__name__}: {text[0] if text else ''}"
    return SyncOutcome(slug, "failed", reason=reason, error=error)
