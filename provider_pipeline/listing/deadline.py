"""A clock that can cut a connection.

Here: how long a listing has left, and ending a blocked read when it is over. Not here: the connections it ends
(`connections`) and the requests (`transport`).
The concept: a read time-out starts anew with every byte, so a server that drips one byte a second is never late; only
shutting the socket down from outside ends such a read, in the TLS handshake and in the headers too. One thread does so
for all listings of the process. What comes is paid for with processor time, which counts as well: a page of a few
kilobytes on the wire may be megabytes to read and judge. That alone counts then, and not the clock: waiting for other
threads or the database is no fault of the listing.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

from provider_pipeline.errors import ListingUnreadableError


class Deadline:
    """A budget of seconds, spent by the clock while `running`, and by the thread's processor time while `working`.

    Used by one thread, beside the watchdog's.

    Args:
        seconds: The budget.
        slug: Whose listing it is for.

    Attributes:
        expired: The watched connection was ended.
        waited: Seconds by the clock that were spent `running`.
    """

    def __init__(self, seconds: float, slug: str = "provider") -> None:
        self.slug = slug
        self.waited = 0.0
        self._seconds = seconds
        self._left = seconds
        self._started: float | None = None
        self._worked: float | None = None
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self.expired = False

    @property
    def left(self) -> float:
        """Seconds that remain, never negative."""
        spent = 0.0
        if self._started is not None:
            spent = time.monotonic() - self._started
        elif self._worked is not None:
            spent = time.thread_time() - self._worked
        return max(self._left - spent, 0.0)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Spend the budget by the clock; when it is used up, the watched connection ends, whatever it is doing."""
        if self._started is not None:
            yield
            return
        self._left = self.left
        self._started = time.monotonic()
        _WATCHDOG.watch(self, until=self._started + self._left)
        try:
            yield
        finally:
            _WATCHDOG.leave(self)
            self._left = self.left
            self.waited += time.monotonic() - self._started
            self._started = None
            if self._worked is not None:
                self._worked = time.thread_time()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Spend the budget by this thread's processor time, whenever it is not `running`."""
        self._worked = time.thread_time()
        try:
            yield
        finally:
            self._left = self.left
            self._worked = None

    def refuse_late(self) -> None:
        """To be called often by whatever works on a listing.

        Raises:
            ListingUnreadableError: The budget is used up.
        """
        if not self.left:
            raise ListingUnreadableError(
                f"{self.slug}: took too long: asking for the listing, reading and judging it took the "
                f"{self._seconds:g} s that it may take, and was not done",
                hint="the next scheduled check tries again; a large listing needs a longer deadline",
                transient=True,
            )

    def watch(self, connection: socket.socket) -> None:
        """Make this the connection that ends when the time is up, instead of the one before."""
        # A duplicate shares the connection but not its life: TLS replaces the original object during its handshake.
        duplicate = connection.dup()
        with self._lock:
            previous, self._wire = self._wire, duplicate
            if self.expired:
                _shut_down(duplicate)
        if previous is not None:
            previous.close()

    def release(self) -> None:
        """Let go of the watched connection."""
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def expire(self) -> None:
        """The time is up."""
        with self._lock:
            self.expired = True
            if self._wire is not None:
                _shut_down(self._wire)


class Watchdog:
    """Expires deadlines at their time, from a thread that begins with the first of them; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[Deadline, float] = {}
        self._thread: threading.Thread | None = None
        self._looks_again = 0.0

    def watch(self, deadline: Deadline, *, until: float) -> None:
        """Expire a deadline at this time, unless it was left alone before."""
        with self._changed:
            self._running[deadline] = until
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="listing-deadlines", daemon=True)
                thread.start()
                self._thread = thread
            elif until < self._looks_again:
                self._changed.notify()

    def leave(self, deadline: Deadline) -> None:
        """Leave a deadline alone; it does not expire after this returns."""
        with self._changed:
            self._running.pop(deadline, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [each for each, until in self._running.items() if until <= now]:
                    del self._running[deadline]
                    deadline.expire()
                # Most deadlines are left long before their time: that the earliest was is found out only then.
                self._looks_again = min(self._running.values(), default=float("inf"))
                self._changed.wait(self._looks_again - now if self._running else None)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


_WATCHDOG: Final = Watchdog()
# A forked process has its memory, but not its thread.
os.register_at_fork(after_in_child=_WATCHDOG.__init__)  # type: ignore[misc]
