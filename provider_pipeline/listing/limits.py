"""Limits of a listing: what it may cost, its deadline, and the rate limits of hosts that listings share."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, Field

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.rules.variants import BUILT_WHEN_USED

_MEBIBYTE: Final = 1024 * 1024
_MIN_BYTES_PER_CONTAINER: Final = 24
"""Real listings have a hundred; even objects with only an id rarely have fewer than this."""


class FetchLimits(BaseModel):
    """What one listing may cost. Times are in seconds; bytes are counted after decompression.

    Attributes:
        connect_timeout: Until the connection is established.
        read_timeout: Between two bytes.
        deadline: Total for all requests and waits of a listing, plus the CPU time for parsing and judging it.
        retries: Further attempts per page after a transient failure.
        backoff: The longest wait before the first retry; it doubles each time.
        longest_wait: The longest single wait. A server that asks for more (Retry-After) gets no further request in
            this listing.
        max_page_bytes: Of one page.
        max_total_bytes: Of all pages.
        max_pages: Of all endpoints together.
        max_details: Details of single models, of all endpoints together.
        concurrency: Concurrent requests to one host, including those of other listings.
    """

    model_config = BUILT_WHEN_USED

    connect_timeout: Annotated[float, Field(gt=0)] = 5.0
    read_timeout: Annotated[float, Field(gt=0)] = 20.0
    deadline: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    backoff: Annotated[float, Field(ge=0)] = 0.5
    longest_wait: Annotated[float, Field(ge=0)] = 30.0
    max_page_bytes: Annotated[int, Field(gt=0)] = 16 * _MEBIBYTE
    max_total_bytes: Annotated[int, Field(gt=0)] = 512 * _MEBIBYTE
    max_pages: Annotated[int, Field(gt=0)] = 2000
    max_details: Annotated[int, Field(gt=0)] = 5000
    concurrency: Annotated[int, Field(gt=0, le=64)] = 4

    @property
    def max_containers(self) -> int:
        """Limit of objects and lists on all pages; no real listing within `max_total_bytes` reaches it."""
        return self.max_total_bytes // _MIN_BYTES_PER_CONTAINER


class Deadline:
    """A budget of seconds: wall-clock time while `running`, this thread's processor time while `working`.

    At the deadline the watched connection is shut down from another thread. A read timeout does not suffice: it
    restarts with every byte, so a server that sends one byte a second never exceeds it. Processing counts by processor
    time only, because waiting for other threads or the database is not the listing's fault.

    For use by one thread and the watchdog's.

    Attributes:
        expired: The watched connection was shut down.
        waited: Wall-clock seconds spent `running`.
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
        """Spend wall-clock time; at the deadline the watched connection is shut down, even during a request."""
        if self._started is not None:
            yield
            return
        self._left = self.left
        self._started = time.monotonic()
        _WATCHDOG.watch(self, until=self._started + self._left)
        try:
            yield
        finally:
            _WATCHDOG.forget(self)
            self._left = self.left
            self.waited += time.monotonic() - self._started
            self._started = None
            if self._worked is not None:
                self._worked = time.thread_time()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Spend this thread's processor time, except while `running`."""
        self._worked = time.thread_time()
        try:
            yield
        finally:
            self._left = self.left
            self._worked = None

    def refuse_late(self) -> None:
        """Call this often while working on a listing.

        Raises:
            ListingUnreadableError: The budget is used up.
        """
        if not self.left:
            raise ListingUnreadableError(
                f"{self.slug}: took too long: fetching, reading and judging the listing was not done within the "
                f"{self._seconds:g} s it may take",
                hint="the next scheduled check tries again; a large listing needs a longer deadline",
                transient=True,
            )

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down at the deadline, instead of the previous one."""
        # A duplicate shares the connection but outlives the object, which TLS replaces during its handshake.
        duplicate = connection.dup()
        with self._lock:
            previous, self._wire = self._wire, duplicate
            if self.expired:
                _shut_down(duplicate)
        if previous is not None:
            previous.close()

    def release(self) -> None:
        """Stop watching the connection."""
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def expire(self) -> None:
        """Shut the watched connection down, and every later one at once."""
        with self._lock:
            self.expired = True
            if self._wire is not None:
                _shut_down(self._wire)


class Watchdog:
    """Expires the deadlines of all listings from one thread, started with the first of them; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[Deadline, float] = {}
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def watch(self, deadline: Deadline, *, until: float) -> None:
        """Expire a deadline at this time unless `forget` is called first."""
        with self._changed:
            self._running[deadline] = until
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="listing-deadlines", daemon=True)
                thread.start()
                self._thread = thread
            elif until < self._wakes_at:
                self._changed.notify()

    def forget(self, deadline: Deadline) -> None:
        """Cancel a deadline; it does not expire after this returns."""
        with self._changed:
            self._running.pop(deadline, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [each for each, until in self._running.items() if until <= now]:
                    del self._running[deadline]
                    deadline.expire()
                # Most deadlines are cancelled early, so `forget` does not wake this thread.
                self._wakes_at = min(self._running.values(), default=float("inf"))
                self._changed.wait(self._wakes_at - now if self._running else None)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


_WATCHDOG: Final = Watchdog()
# A forked process inherits the watchdog's memory, but not its thread.
os.register_at_fork(after_in_child=_WATCHDOG.__init__)  # type: ignore[misc]


MAX_HOST_PAUSE: Final = 3600.0
"""Maximum pause of a host in seconds, even if it asks for more."""


@dataclass(frozen=True)
class RateLimit:
    """One provider's rate limit at a host.

    Attributes:
        concurrency: Maximum of concurrent requests, including those of other listings.
        interval: Minimum seconds between the starts of two requests.
        max_pause: The longest pause to wait for, in seconds.
    """

    concurrency: int
    interval: float
    max_pause: float


class RateLimited(Exception):  # noqa: N818 - a signal to the transport
    """No slot became free in time: the host is busy, or asked with `status` for `pause` more seconds."""

    def __init__(self, pause: float | None = None, status: int = 0) -> None:
        super().__init__("the host is busy" if pause is None else f"the host is left alone for {pause:.0f} s")
        self.pause = pause
        self.status = status


class HostLimiter:
    """Limits the requests to one host; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._running = 0
        self._next_start = 0.0
        self._paused_until = 0.0
        self._paused_by = 0

    @contextlib.contextmanager
    def slot(self, limit: RateLimit, timeout: float) -> Iterator[None]:
        """Wait for a free slot for one request, and hold it.

        Raises:
            RateLimited: None is free within `timeout` seconds.
        """
        self._acquire(limit, self._clock() + timeout)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def pause(self, seconds: float, status: int) -> None:
        """Start no request for this many seconds; a longer current pause stays."""
        with self._changed:
            until = self._clock() + min(seconds, MAX_HOST_PAUSE)
            if until > self._paused_until:
                self._paused_until, self._paused_by = until, status

    def _acquire(self, limit: RateLimit, give_up: float) -> None:
        with self._changed:
            while True:
                now = self._clock()
                pause = self._paused_until - now
                if pause > limit.max_pause or (pause > 0 and self._paused_until >= give_up):
                    raise RateLimited(pause, self._paused_by)
                opens = max(self._paused_until, self._next_start)
                free = self._running < limit.concurrency
                if free and opens <= now:
                    break
                if now >= give_up or opens >= give_up:
                    raise RateLimited()
                self._changed.wait((opens if free else give_up) - now)
            self._running += 1
            self._next_start = max(self._next_start, now + limit.interval)


class HostLimits:
    """The limiter of each host; thread-safe.

    Shared by all listings of a client, because a host's limit counts the requests for all providers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limiters: dict[str, HostLimiter] = {}

    def at(self, host: str) -> HostLimiter:
        """The limiter of a host."""
        with self._lock:
            return self._limiters.setdefault(host, HostLimiter(self._clock))
