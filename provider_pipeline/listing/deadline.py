"""A clock that can cut a connection.

Here: how long a listing has left, and ending a blocked read when it is over. Not here: the connections it ends
(`connections`) and the requests (`transport`).
The concept: a read time-out starts anew with every byte, so a server that drips one byte a second is never late; only
shutting the socket down from outside ends such a read, in the TLS handshake and in the headers too. One thread does so
for all listings of the process.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final


class Deadline:
    """A budget of seconds that is spent only while `running`; used by one thread, beside the watchdog's."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._started: float | None = None
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self.expired = False

    @property
    def left(self) -> float:
        """Seconds that remain, never negative."""
        spent = time.monotonic() - self._started if self._started is not None else 0.0
        return max(self._left - spent, 0.0)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Spend the budget; when it is used up, the watched connection ends, whatever it is doing."""
        self._started = time.monotonic()
        _WATCHDOG.watch(self, until=self._started + self._left)
        try:
            yield
        finally:
            _WATCHDOG.leave(self)
            self._left = self.left
            self._started = None

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
