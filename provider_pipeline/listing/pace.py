"""How fast a listing may be worked on: within its deadline, and not so fast that it holds up others.

Here: what a listing's reader calls between two steps. Not here: the clock (`deadline`).
The concept: of a process's threads one computes at a time, and one that computes for long holds up each of the many
small steps of those that mostly wait for servers. So a listing that has taken more than a little processor time pauses
in proportion, as long as there are light ones at work: then it has a sixth of the time, and takes at most as much from
them.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final
from weakref import WeakSet

from provider_pipeline.listing.deadline import Deadline

ALLOWANCE: Final = 0.05
"""Seconds of processor time that a listing takes without pausing; that of two thousand models, about."""

SECONDS_OF_A_BYTE: Final = 1e-7
"""Processor time that reading a body takes at the most, nearly; an ordinary one takes a tenth of it."""

PAUSE: Final = 5
"""Seconds of pause for one of work, while there are light listings."""

_SCARCE: Final = 8
"""So many times its processor time work takes by the clock, where others want the processor; more is other waiting."""

_LONGEST_PAUSE: Final = 5.0
_LOOKS_AGAIN: Final = 0.02
_AT_WORK: Final = 2.0
"""Seconds after a light listing's last step in which others pause for it. One whose server is silent wants nothing."""


class Crowd:
    """The listings that are worked on at once in a process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._light: WeakSet[Pace] = WeakSet()

    def join(self, pace: "Pace") -> None:
        """Have a listing among those that others pause for."""
        with self._lock:
            self._light.add(pace)

    def leave(self, pace: "Pace") -> None:
        """It is done, or no light listing any more."""
        with self._lock:
            self._light.discard(pace)

    def pause(self, seconds: float) -> None:
        """Let light listings go first: return after so long, or when there is none at work."""
        until = time.monotonic() + min(seconds, _LONGEST_PAUSE)
        while self._has_light() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOKS_AGAIN))

    def _has_light(self) -> bool:
        recently = time.monotonic() - _AT_WORK
        with self._lock:
            return any(each.last_step > recently for each in self._light)


class Pace:
    """What one listing keeps to; for one thread.

    Args:
        deadline: How long the listing may take. Pauses do not count.
        crowd: Those that it shares the processor with.
    """

    def __init__(self, deadline: Deadline, crowd: Crowd) -> None:
        self.deadline = deadline
        self._crowd = crowd
        self._allowed = ALLOWANCE
        self._paused = 0.0
        self._worked = self._began = self._waited = 0.0
        self.last_step = time.monotonic()
        crowd.join(self)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Spend the deadline by this thread's processor time too, and pause for others, at `expect` and `keep`."""
        with self.deadline.working():
            self._begin()
            yield

    def leave(self) -> None:
        """Nobody need pause for the listing any more: all is done that follows from it."""
        self._crowd.leave(self)

    def expect(self, size: int) -> None:
        """To be called before so many bytes are read, which nothing can interrupt."""
        missing = size * SECONDS_OF_A_BYTE - self._allowed
        if missing > 0:
            self._crowd.leave(self)
            self._crowd.pause(missing * PAUSE)
            self._paused += missing * PAUSE
            self._allowed += missing

    def keep(self) -> None:
        """To be called between steps: after a page was read, and every so many items.

        Raises:
            ListingUnreadableError: The deadline has passed.
        """
        self.deadline.refuse_late()
        self.last_step = time.monotonic()
        worked = time.thread_time() - self._worked
        if worked > self._allowed:
            self._crowd.leave(self)
            # By the clock: where the processor is scarce, the others' steps take longer as well.
            took = self.last_step - self._began - (self.deadline.waited - self._waited)
            self._crowd.pause(min(took, _SCARCE * worked) * PAUSE - self._paused)
            self._allowed = 0.0
            self._begin()

    def _begin(self) -> None:
        self._worked, self._began = time.thread_time(), time.monotonic()
        self._waited, self._paused = self.deadline.waited, 0.0
