"""One sync of a provider at a time, whatever launched it.

Here: the lock, and who has it. Not here: what a sync does while it has it (`provider_pipeline.sync`).

The lock is a session-level advisory lock of PostgreSQL: it ends with its connection, so that a process that was killed
leaves none behind. A `Database` keeps one connection for all the locks of its process, outside the pool: a fleet of
syncs needs no second connection each, and cannot wait for itself. (One per sync would cost more than the sync of a
small listing.) The rows that a sync writes are guarded besides, by its transaction; losing the lock's connection
in the middle of a sync costs nothing but the second sync's work.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from os import getpid
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, Row, TextClause
from sqlalchemy.orm import Session

from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.statements import statement
from provider_pipeline.errors import DatabaseUnavailableError, SyncInProgressError

_INFO = "provider_pipeline.sync_locks"
_NAMESPACE = 0x73796E63  # "sync", so that other users of advisory locks in the same database are not met
_TAKE = statement("take_sync_locks")
_FIND = statement("find_sync_locks")
_RELEASE = statement("release_sync_locks")
_TRIES = 3


@dataclass
class SyncLocks:
    """The sync locks of one process.

    Args:
        engine: Where the catalogue is.
        door: What the process is, for people: `the CLI`, `the API`, `Dagster`.
    """

    engine: Engine
    door: str
    _alone: Lock = field(default_factory=Lock, repr=False)
    _taken: set[str] = field(default_factory=set, repr=False)
    _connection: Connection | None = field(default=None, repr=False)

    def info(self) -> dict[Any, Any]:
        """For `Session(info=...)`: lets `open_sync_locks` find these locks."""
        return {_INFO: self}

    def take(self, slugs: Iterable[str]) -> dict[str, SyncInProgressError]:
        """Keeps everybody else from syncing providers, until `release`.

        Args:
            slugs: The providers.

        Returns:
            Those that are not taken, because somebody else is syncing them or there is no such provider.
        """
        refused = {}
        with self._alone:
            wanted = list(dict.fromkeys(slugs))
            for _ in range(_TRIES):
                # PostgreSQL gives a connection a lock that it has once more; the process must not.
                free = [slug for slug in wanted if slug not in self._taken]
                taken = {row.slug for row in self._run(_TAKE, free)}
                self._taken |= taken
                wanted = [slug for slug in wanted if slug not in taken]
                for row in self._run(_FIND, wanted):
                    refused[row.slug] = _in_progress(row.slug, row.holder, row.since)
                wanted = [slug for slug in wanted if slug not in refused]
                # The others were given back since, or whoever took them has not said so yet.
        return refused | {slug: _in_progress(slug, None, None) for slug in wanted}

    def release(self, slugs: Iterable[str]) -> None:
        """Gives locks back, those of them that were taken."""
        with self._alone:
            held = [slug for slug in slugs if slug in self._taken]
            self._taken.difference_update(held)
            if self._connection is not None and held:
                try:
                    self._connection.execute(_RELEASE, {"slugs": held, "namespace": _NAMESPACE})
                except DatabaseUnavailableError:
                    self._disconnect()  # and the locks are gone with the connection

    def close(self) -> None:
        """Gives every lock back."""
        with self._alone:
            self._disconnect()

    def _holder(self) -> str:
        return f"{self.door} on {socket.gethostname()} (process {getpid()})"

    def _run(self, asked: TextClause, slugs: list[str]) -> Sequence[Row[Any]]:
        if not slugs:
            return ()
        parameters = {"slugs": slugs, "namespace": _NAMESPACE, "holder": self._holder()}
        if self._connection is not None:
            try:
                return self._connection.execute(asked, parameters).all()
            except DatabaseUnavailableError:  # it may have been idle for hours
                self._disconnect()
        self._connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()
        return self._connection.execute(asked, parameters).all()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def open_sync_locks(session: Session) -> Iterator[SyncLocks]:
    """The locks that go with a session; of one that `Database` did not make, a connection's own that end here."""
    locks: SyncLocks | None = session.info.get(_INFO)
    if locks is not None:
        yield locks
        return
    with closing(SyncLocks(session.get_bind().engine, "Python")) as own:
        yield own


@contextmanager
def sync_lock(session: Session, provider: Provider) -> Iterator[None]:
    """Keeps everybody else from syncing a provider.

    Args:
        session: A session; one that `Database` did not make costs a connection for the lock.
        provider: The provider.

    Raises:
        SyncInProgressError: Somebody else is syncing it; says who, and since when.
    """
    with open_sync_locks(session) as locks:
        if refused := locks.take([provider.slug]):
            raise refused[provider.slug]
        try:
            yield
        finally:
            locks.release([provider.slug])


def _in_progress(slug: str, holder: str | None, since: datetime | None) -> SyncInProgressError:
    who = holder or "somebody else"
    when = f" since {since:%H:%M:%S} UTC" if since else ""
    return SyncInProgressError(f"{slug} is being synced by {who}{when}", holder=holder, since=since)
