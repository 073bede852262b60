"""Many providers side by side, each on its own.

Here: the threads, and the promise that one provider's failure never stops, delays or changes another's. Not here: which
providers (the caller), and what one sync does (`attempt.py`).
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager

from sqlalchemy.orm import Session

from provider_pipeline.errors import ProviderPipelineError, SyncInProgressError
from provider_pipeline.listing import ListingClient
from provider_pipeline.sync.acceptance import AcceptedGuards
from provider_pipeline.sync.attempt import Keep, attempt_sync
from provider_pipeline.sync.outcome import Status, SyncOutcome


def attempt_many(
    sessions: Callable[[], AbstractContextManager[Session]],
    slugs: Iterable[str],
    *,
    client: ListingClient,
    max_workers: int = 8,
    keep: Keep = "all",
    accept: AcceptedGuards | None = None,
) -> Iterator[SyncOutcome]:
    """Syncs providers in threads and yields each outcome as it finishes, in the caller's thread.

    Nothing that happens to one provider raises here: what is not its fault (a defect, the database) becomes a `failed`
    outcome too, with the exception in `error`; a provider that somebody else is syncing is `skipped`. Closing the
    iterator early lets running syncs finish and starts no more.

    Args:
        sessions: Opens a session; called once per provider, in its thread.
        slugs: The providers; a repeated slug is synced once.
        client: Fetches the listings; shared by the threads.
        max_workers: Providers at the same time.
        keep: As in `attempt_sync`.
        accept: As in `attempt_sync`.
    """

    def one(slug: str) -> SyncOutcome:
        with sessions() as session:
            return attempt_sync(session, slug, client=client, keep=keep, accept=accept)

    executor = ThreadPoolExecutor(max_workers=max_workers, thread_name_prefix="sync")
    try:
        futures = {executor.submit(one, slug): slug for slug in dict.fromkeys(slugs)}
        for future in as_completed(futures):
            error = future.exception()
            yield future.result() if error is None else _failed(futures[future], error)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _failed(slug: str, error: BaseException) -> SyncOutcome:
    if not isinstance(error, Exception):  # an interrupt ends the whole fleet
        raise error
    if isinstance(error, ProviderPipelineError):
        status: Status = "skipped" if isinstance(error, SyncInProgressError) else "failed"
        return SyncOutcome(slug, status, reason=str(error), error=error)
    text = str(error).splitlines()
    reason = f"{slug}: the sync crashed: {type(error).__name__}: {text[0] if text else ''}"
    return SyncOutcome(slug, "failed", reason=reason, error=error)
