"""A clock that can cut a connection.

Here: how long a listing has left, and ending a blocked read when it is over. Not here: the connections it ends
(`connections`) and the requests (`transport`).
The concept: a read time-out starts anew with every byte, so a server that drips one byte a second is never late; only
shutting the socket down from outside ends such a read, in the TLS handshake and in the headers too.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Deadline:
    """A budget of seconds that is spent only while `running`; used by one thread, beside its own timer's."""

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
        timer = threading.Timer(self._left, self._expire)
        timer.daemon = True
        self._started = time.monotonic()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
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

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._wire is not None:
                _shut_down(self._wire)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
