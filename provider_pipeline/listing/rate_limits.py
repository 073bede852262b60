"""Taking turns at a host.

Here: how many requests run at once on one host, how often one begins, and the pause a host has asked for; shared by all
threads of a client. Not here: reading what a host asks for (`answers`), retrying (`transport`). The concept: a limit
that a host sets is for everybody who comes from here, whichever provider's listing it is for.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_PAUSE: Final = 3600.0
"""Seconds for which a host is left alone at most, whatever it asks for."""


@dataclass(frozen=True)
class Turns:
    """What one provider keeps to at a host.

    Attributes:
        concurrency: The most requests that run at once, everybody's counted.
        interval: Least seconds between the beginnings of two.
        longest_pause: The longest pause of the host that is worth waiting for, in seconds.
    """

    concurrency: int
    interval: float
    longest_pause: float


class TurnMissed(Exception):  # noqa: N818 - a signal to the transport
    """It would not be this request's turn in time.

    Args:
        pause: Seconds for which the host still wants to be left alone; None when it is only busy.
        status: What it answered when it said so.
    """

    def __init__(self, pause: float | None = None, status: int = 0) -> None:
        super().__init__("the host is busy" if pause is None else f"the host is left alone for {pause:.0f} s")
        self.pause = pause
        self.status = status


class HostGate:
    """The turns at one host; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._running = 0
        self._next_beginning = 0.0
        self._paused_until = 0.0
        self._paused_by = 0

    @contextlib.contextmanager
    def turn(self, turns: Turns, patience: float) -> Iterator[None]:
        """Wait for a turn, and keep it.

        Args:
            turns: What to keep to.
            patience: How long to wait, in seconds.

        Raises:
            TurnMissed: It would be longer.
        """
        self._begin(turns, self._clock() + patience)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def pause(self, seconds: float, status: int) -> None:
        """Let nobody begin for so long; a longer pause that is under way stays."""
        with self._changed:
            until = self._clock() + min(seconds, LONGEST_PAUSE)
            if until > self._paused_until:
                self._paused_until, self._paused_by = until, status

    def _begin(self, turns: Turns, give_up: float) -> None:
        with self._changed:
            while True:
                now = self._clock()
                pause = self._paused_until - now
                if pause > turns.longest_pause or (pause > 0 and self._paused_until >= give_up):
                    raise TurnMissed(pause, self._paused_by)
                opens = max(self._paused_until, self._next_beginning)
                free = self._running < turns.concurrency
                if free and opens <= now:
                    break
                if now >= give_up or opens >= give_up:
                    raise TurnMissed()
                self._changed.wait((opens if free else give_up) - now)
            self._running += 1
            self._next_beginning = max(self._next_beginning, now + turns.interval)


class HostGates:
    """A gate for each host that is asked; thread-safe.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gates: dict[str, HostGate] = {}

    def at(self, host: str) -> HostGate:
        """The gate of a host."""
        with self._lock:
            return self._gates.setdefault(host, HostGate(self._clock))
