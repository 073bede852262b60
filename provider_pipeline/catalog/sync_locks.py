"""Leases that allow one sync of a provider at a time, across processes.

A process keeps renewing its leases; another may take over an expired one, by the database's clock.
"""

import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from os import getpid
from threading import Event, Lock, Thread
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Engine, Row, Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from provider_pipeline.catalog.providers import Provider, is_one_of_providers
from provider_pipeline.catalog.statements import statement
from provider_pipeline.catalog.tables import provider, provider_sync_lease
from provider_pipeline.errors import CatalogError, ProviderPipelineError, SyncInProgressError

LEASE: Final = timedelta(seconds=60)
"""Lifetime of a lease after its last renewal: how long a killed process blocks its providers."""

RENEW_EVERY: Final = 15.0
"""Seconds between renewals: three may fail or be late before a lease expires."""

_LOG = logging.getLogger("provider_pipeline.catalog")
_INFO = "provider_pipeline.sync_locks"
_TRIES = 3


# Not advisory locks, which fail behind a connection pooler: a session lock stays with the pooler's connection when its
# owner is gone, and a transaction lock pins a connection while a provider answers.
@dataclass
class SyncLocks:
    """The sync locks of one process; thread-safe. A thread renews them from the first lock until `close`.

    A process that stalls for longer than a lease may lose it unnoticed, so every write starts with `lock_providers`.

    Attributes:
        client_name: The client's name for people: `the CLI`, `the API`, `Dagster`.
        lease: Lifetime of a lock without renewal.
        renew_every: Seconds between renewals.
        token: Identifies this process's leases.
    """

    engine: Engine
    client_name: str
    lease: timedelta = LEASE
    renew_every: float = RENEW_EVERY
    token: UUID = field(default_factory=uuid4)
    _process: int = field(default_factory=getpid, repr=False)
    # Also serializes this process's statements: two that lock the same rows in a different order would deadlock.
    _alone: Lock = field(default_factory=Lock, repr=False)
    _taken: dict[str, int] = field(default_factory=dict, repr=False)
    _renewing: Thread | None = field(default=None, repr=False)
    _closed: Event = field(default_factory=Event, repr=False)

    def info(self) -> dict[Any, Any]:
        """For `Session(info=...)`, where `open_sync_locks` finds these locks."""
        return {_INFO: self}

    def take(self, slugs: Iterable[str]) -> dict[str, SyncInProgressError]:
        """Lock providers until `release`; returns an error for each one that is being synced or does not exist."""
        if getpid() != self._process:
            raise CatalogError("sync locks of another process", hint="open the database again after a fork")
        refused: dict[str, SyncInProgressError] = {}
        wanted = list(dict.fromkeys(slugs))
        with self._alone:
            undecided = wanted
            for _ in range(_TRIES):
                rows = self._run(
                    "take_sync_leases",
                    slugs=undecided,
                    free=[slug for slug in undecided if slug not in self._taken],
                    holder=f"{self.client_name} on {socket.gethostname()} (process {self._process})",
                    lasts=self.lease,
                )
                refused |= {row.slug: in_progress(row.slug, row) for row in rows if not row.is_taken and row.holder}
                taken = {row.slug: row.id for row in rows if row.is_taken}
                self._taken |= taken
                # Taken since the statement started: the next one sees the holder.
                undecided = [row.slug for row in rows if not row.is_taken and not row.holder]
                wanted = [slug for slug in wanted if slug not in taken and slug not in refused]
                if not undecided:
                    break
            if self._taken and self._renewing is None:
                # A daemon thread, so that it does not keep the process alive; remaining leases then expire.
                self._renewing = Thread(target=self._renew, name="sync-leases", daemon=True)
                self._renewing.start()
        return refused | {slug: in_progress(slug, None) for slug in wanted}

    def release(self, slugs: Iterable[str]) -> None:
        """Release the locks of these providers, as far as this process holds them."""
        if getpid() != self._process:
            return  # forked: they belong to the parent, which continues
        with self._alone:
            ids = [self._taken.pop(slug) for slug in slugs if slug in self._taken]
            if ids:
                try:
                    self._run("release_sync_leases", provider_ids=ids)
                except (ProviderPipelineError, SQLAlchemyError) as error:
                    _LOG.warning("%d sync leases could not be released and will expire: %s", len(ids), _one_line(error))

    def close(self) -> None:
        """Release all locks."""
        self._closed.set()
        with self._alone:
            slugs = list(self._taken)
        self.release(slugs)

    def lock_providers(self, session: Session, provider_ids: Iterable[int], *, waiting: bool = True) -> set[int]:
        """Lock the rows of those providers whose leases this process still holds; returns the locked ones.

        Their leases cannot be taken over until the transaction ends, even if they expire.

        Args:
            waiting: Whether to wait for rows that another transaction has locked, or to skip them.
        """
        lease = provider_sync_lease.c
        own = (
            select(lease.provider_id)
            .where(is_one_of_providers(lease.provider_id), lease.token == self.token)
            .with_for_update(read=True, key_share=True)
            .cte("own")
        )
        query = (
            select(provider.c.id)
            .join(own, own.c.provider_id == provider.c.id)
            .order_by(provider.c.id)
            .with_for_update(key_share=True, skip_locked=not waiting, of=provider)
        )
        return set(session.scalars(query, {"provider_ids": list(provider_ids)}))

    def _renew(self) -> None:
        while not self._closed.wait(self.renew_every):
            with self._alone:
                if not self._taken:
                    continue
                try:
                    self._run("renew_sync_leases", provider_ids=list(self._taken.values()), lasts=self.lease)
                except (ProviderPipelineError, SQLAlchemyError) as error:
                    _LOG.warning("%d sync leases could not be renewed: %s", len(self._taken), _one_line(error))

    def _run(self, name: str, **parameters: Any) -> Sequence[Row[Any]]:
        # Overrides a stricter default of the database, where concurrent processes would fail instead of taking turns.
        with self.engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            result = connection.execute(statement(name), {"token": self.token, **parameters})
            rows = result.all() if result.returns_rows else ()
            connection.commit()
        return rows


@contextmanager
def open_sync_locks(session: Session) -> Iterator[SyncLocks]:
    """The session's locks; for a session that `Database` did not make, new ones that end with the context."""
    locks: SyncLocks | None = session.info.get(_INFO)
    if locks is not None:
        yield locks
        return
    with closing(SyncLocks(session.get_bind().engine, "Python")) as own:
        yield own


@contextmanager
def sync_lock(session: Session, provider: Provider) -> Iterator[SyncLocks]:
    """Lock a provider for a sync, for as long as the context lasts.

    Args:
        session: Must have no open transaction, because the lock uses another connection.

    Raises:
        SyncInProgressError: It is being synced; names the process, since when, and when its lease ends.
    """
    with open_sync_locks(session) as locks:
        if refused := locks.take([provider.slug]):
            raise refused[provider.slug]
        try:
            yield locks
        finally:
            locks.release([provider.slug])


def lock_lost(session: Session, slug: str) -> SyncInProgressError:
    """The error for a sync whose lease another process took over; names that process if it is still syncing."""
    lease = provider_sync_lease.c
    query: Select[Any] = select(lease.holder, lease.since, lease.expires_at).join(provider)
    now = session.execute(query.where(provider.c.slug == slug)).one_or_none()
    took = in_progress(slug, now).message if now else "another process has synced it meanwhile"
    return SyncInProgressError(
        f"{slug}: this sync was held up for longer than its lease lasts, and nothing of it was written: {took}",
        holder=now.holder if now else None,
        since=now.since if now else None,
        until=now.expires_at if now else None,
    )


def in_progress(slug: str, lease: Row[Any] | None) -> SyncInProgressError:
    """The error that names the holder of a lease; None for an unknown one."""
    if lease is None:
        return SyncInProgressError(f"{slug} is being synced by another process", holder=None, since=None, until=None)
    return SyncInProgressError(
        f"{slug} is being synced by {lease.holder} since {lease.since:%H:%M:%S} UTC; "
        f"its lease ends at {lease.expires_at:%H:%M:%S} UTC unless renewed",
        holder=lease.holder,
        since=lease.since,
        until=lease.expires_at,
    )


def _one_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
