"""One sync of a provider at a time, whatever launched it.

Here: the lock, and who has it. Not here: what a sync does while it has it (`provider_pipeline.sync`).

The lock is a session-level advisory lock of PostgreSQL: it ends with its connection, so that a process that was killed
leaves none behind. A `Database` keeps one connection for all the locks of its process, outside the pool: a fleet of
syncs needs no second connection each, and cannot wait for itself. (One per sync would cost more than the sync of a
small listing.) The rows that a sync writes are guarded besides, by its transaction; losing the lock's connection
in the middle of a sync costs nothing but the second sync's work.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from os import getpid
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, Row, TextClause
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.statements import statement
from provider_pipeline.errors import DatabaseUnavailableError, SyncInProgressError

_INFO = "provider_pipeline.sync_locks"
_NAMESPACE = 0x73796E63  # "sync", so that other users of advisory locks in the same database are not met
_TAKE = statement("take_sync_lock")
_FIND = statement("find_sync_lock")
_RELEASE = sql("SELECT pg_advisory_unlock(CAST(:key AS bigint))")
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
    _taken: set[int] = field(default_factory=set, repr=False)
    _connection: Connection | None = field(default=None, repr=False)

    def info(self) -> dict[Any, Any]:
        """For `Session(info=...)`: lets `sync_lock` find these locks."""
        return {_INFO: self}

    @contextmanager
    def hold(self, provider: Provider) -> Iterator[None]:
        """Keeps everybody else from syncing a provider.

        Raises:
            SyncInProgressError: Somebody else has the lock.
        """
        self._take(provider)
        try:
            yield
        finally:
            self._release(provider.id)

    def close(self) -> None:
        """Gives every lock back."""
        with self._alone:
            self._disconnect()

    def _take(self, provider: Provider) -> None:
        holder = f"{self.door} on {socket.gethostname()} (process {getpid()})"
        parameters = {"key": _key(provider.id), "provider_id": provider.id, "holder": holder}
        with self._alone:
            for _ in range(_TRIES):
                # PostgreSQL gives a connection a lock that it has once more; the process must not.
                if provider.id not in self._taken and self._run(_TAKE, parameters) is not None:
                    self._taken.add(provider.id)
                    return
                found = self._run(_FIND, parameters)
                if found is not None:
                    raise _in_progress(provider.slug, found.holder, found.since)
                # It was given back since, or whoever took it has not said so yet.
        raise _in_progress(provider.slug, None, None)

    def _release(self, provider_id: int) -> None:
        with self._alone:
            self._taken.discard(provider_id)
            try:
                if self._connection is not None:
                    self._connection.execute(_RELEASE, {"key": _key(provider_id)})
            except DatabaseUnavailableError:
                self._disconnect()  # and the lock is gone with the connection

    def _run(self, statement: TextClause, parameters: dict[str, Any]) -> Row[Any] | None:
        if self._connection is not None:
            try:
                return self._connection.execute(statement, parameters).one_or_none()
            except DatabaseUnavailableError:  # it may have been idle for hours
                self._disconnect()
        self._connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()
        return self._connection.execute(statement, parameters).one_or_none()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def sync_lock(session: Session, provider: Provider) -> Iterator[None]:
    """Keeps everybody else from syncing a provider.

    Args:
        session: A session; one that `Database` did not make costs a connection for the lock.
        provider: The provider.

    Raises:
        SyncInProgressError: Somebody else is syncing it; says who, and since when.
    """
    locks: SyncLocks | None = session.info.get(_INFO)
    if locks is not None:
        with locks.hold(provider):
            yield
        return
    own = SyncLocks(session.get_bind().engine, "Python")
    try:
        with own.hold(provider):
            yield
    finally:
        own.close()


def _key(provider_id: int) -> int:
    return (_NAMESPACE << 32) | provider_id


def _in_progress(slug: str, holder: str | None, since: datetime | None) -> SyncInProgressError:
    who = holder or "somebody else"
    when = f" since {since:%H:%M:%S} UTC" if since else ""
    return SyncInProgressError(f"{slug} is being synced by {who}{when}", holder=holder, since=since)
