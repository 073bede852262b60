"""How the listings of one process share its processor: heavy ones pause for light ones."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final
from weakref import WeakSet

from provider_pipeline.listing.limits import Deadline

CPU_ALLOWANCE: Final = 0.05
"""Seconds of CPU time that a listing may use without pausing; about two thousand models."""
SECONDS_PER_BYTE: Final = 1e-7
"""Upper bound of the processor time for parsing a body; an ordinary body takes a tenth of it."""
PAUSE_RATIO: Final = 10
"""Seconds of pause per second of work while light listings are active: a heavy one gets an eleventh of the time."""
_MAX_SLOWDOWN: Final = 8
"""Wall-clock time counts as work up to this multiple of CPU time; the rest was waiting."""
MAX_PAUSE: Final = 30.0
"""The longest single pause in seconds: for a call of a second, which nothing can interrupt, on a busy machine."""
SWITCH_SECONDS: Final = 0.0005
"""Python's thread switch interval while there is a heavy listing: each request of a light one changes threads a dozen
times, and waits as often for the heavy one's thread, 5 ms by default."""
_POLL_INTERVAL: Final = 0.02
_ACTIVE_SECONDS: Final = 2.0
"""A light listing counts as active for this long after its last step; later it is waiting for its server."""


class ActiveListings:
    """The light listings of a process, for which heavy ones pause; thread-safe.

    Only one thread of a process computes at a time, so a long computation delays the many threads that mostly wait for
    servers.

    Args:
        clock: Monotonic, in seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._light: WeakSet[CpuThrottle] = WeakSet()
        self._heavy: WeakSet[CpuThrottle] = WeakSet()

    @property
    def heavy(self) -> int:
        """The number of heavy listings."""
        with self._lock:
            return len(self._heavy)

    def join(self, pace: "CpuThrottle") -> None:
        """Add a light listing."""
        with self._lock:
            self._light.add(pace)

    def slow_down(self, pace: "CpuThrottle") -> None:
        """Count a light listing as heavy."""
        with self._lock:
            self._light.discard(pace)
            self._heavy.add(pace)

    def leave(self, pace: "CpuThrottle") -> None:
        """Remove a listing that is done."""
        with self._lock:
            self._light.discard(pace)
            self._heavy.discard(pace)

    def pause(self, seconds: float) -> None:
        """Sleep while light listings are active, at most for this many seconds."""
        until = self._clock() + min(seconds, MAX_PAUSE)
        while self._has_active() and (left := until - self._clock()) > 0:
            self._sleep(min(left, _POLL_INTERVAL))

    def _has_active(self) -> bool:
        recently = self._clock() - _ACTIVE_SECONDS
        with self._lock:
            return any(each.last_step > recently for each in self._light)


class _QuickSwitching:
    """Shortens the interpreter's thread switch interval, process-wide, while there are heavy listings; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heavy: WeakSet[CpuThrottle] = WeakSet()
        self._before = 0.0

    def begin(self, pace: "CpuThrottle") -> None:
        """A listing is heavy, until `end` or until it is garbage."""
        with self._lock:
            if not self._heavy and sys.getswitchinterval() > SWITCH_SECONDS:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_SECONDS)
            self._heavy.add(pace)

    def end(self, pace: "CpuThrottle") -> None:
        """A listing is done, whether it was heavy or not."""
        with self._lock:
            self._heavy.discard(pace)
            if not self._heavy and self._before:
                sys.setswitchinterval(self._before)
                self._before = 0.0


_SWITCHING: Final = _QuickSwitching()


class CpuThrottle:
    """Throttles one listing's CPU use while others need it; for one thread. Pauses spend no deadline."""

    def __init__(self, deadline: Deadline, listings: ActiveListings) -> None:
        self.deadline = deadline
        self._listings = listings
        self._allowed = CPU_ALLOWANCE
        self._paused = 0.0
        self._worked = self._began = self._waited = 0.0
        self.last_step = time.monotonic()
        listings.join(self)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Count processor time against the deadline and the allowance; `expect` and `keep` may pause."""
        with self.deadline.working():
            self._begin()
            yield

    def leave(self) -> None:
        """The listing is done: others no longer pause for it."""
        self._listings.leave(self)
        _SWITCHING.end(self)

    def expect(self, size: int) -> None:
        """Pause before parsing this many bytes, which cannot be interrupted."""
        missing = size * SECONDS_PER_BYTE - self._allowed
        if missing > 0:
            self._become_heavy()
            self._listings.pause(missing * PAUSE_RATIO)
            self._paused += missing * PAUSE_RATIO
            self._allowed += missing

    def keep(self) -> None:
        """Call this between steps, such as pages or batches of items; pauses if the allowance is used up.

        Raises:
            ListingUnreadableError: The deadline has passed.
        """
        self.deadline.refuse_late()
        self.last_step = time.monotonic()
        worked = time.thread_time() - self._worked
        if worked > self._allowed:
            self._become_heavy()
            # Wall-clock time: if CPU time is scarce, the others' steps take longer as well.
            took = self.last_step - self._began - (self.deadline.waited - self._waited)
            self._listings.pause(min(took, _MAX_SLOWDOWN * worked) * PAUSE_RATIO - self._paused)
            self._allowed = 0.0
            self._begin()

    def _become_heavy(self) -> None:
        self._listings.slow_down(self)
        _SWITCHING.begin(self)

    def _begin(self) -> None:
        self._worked, self._began = time.thread_time(), time.monotonic()
        self._waited, self._paused = self.deadline.waited, 0.0
