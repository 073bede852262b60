"""Shares of the processor: heavy listings pause for light ones."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provider_pipeline.listing.cpu_throttle import (
    CPU_ALLOWANCE,
    MAX_PAUSE,
    PAUSE_RATIO,
    SECONDS_PER_BYTE,
    SWITCH_SECONDS,
    ActiveListings,
    CpuThrottle,
)
from provider_pipeline.listing.limits import Deadline


@pytest.fixture
def listings() -> ActiveListings:
    return ActiveListings()


@contextmanager
def light_listing(listings: ActiveListings) -> Iterator[CpuThrottle]:
    """A listing in another thread that hardly needs the processor."""
    pace, over = CpuThrottle(Deadline(60), listings), threading.Event()

    def run() -> None:
        with pace.working():
            while not over.wait(0.05):
                pace.keep()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield pace
    finally:
        over.set()
        thread.join()
        pace.leave()


def work(pace: CpuThrottle, *, until: float) -> float:
    """Work in small steps until a time on the monotonic clock; returns the processor time used."""
    before = time.thread_time()
    with pace.working():
        while time.monotonic() < until:
            step = time.thread_time() + 0.005
            while time.thread_time() < step:
                pass
            pace.keep()
    return time.thread_time() - before


def test_a_heavy_listing_has_an_eleventh_of_the_time_while_there_is_a_light_one(listings: ActiveListings) -> None:
    with light_listing(listings):
        began = time.monotonic()
        worked = work(CpuThrottle(Deadline(60), listings), until=began + 1)
        took = time.monotonic() - began
    assert worked <= CPU_ALLOWANCE + took / (1 + PAUSE_RATIO) + 0.02


def test_a_large_body_pauses_before_it_is_parsed(listings: ActiveListings) -> None:
    heavy = CpuThrottle(Deadline(60), listings)
    with light_listing(listings), heavy.working():
        began = time.monotonic()
        heavy.expect(100_000)
        heavy.expect(1_500_000)
        assert time.monotonic() - began >= 0.5 - 0.05


def test_a_pause_for_a_long_call_is_as_long_as_that_call_asks_for() -> None:
    now, naps = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds
        naps.append(seconds)

    listings = ActiveListings(lambda: now[0], sleep)
    light, heavy = CpuThrottle(Deadline(60), listings), CpuThrottle(Deadline(60), listings)
    light.last_step = float("inf")
    heavy.expect(int((CPU_ALLOWANCE + 1) / SECONDS_PER_BYTE))
    heavy.leave()
    assert sum(naps) == pytest.approx(PAUSE_RATIO)
    naps.clear()
    listings.pause(1_000)
    assert sum(naps) == pytest.approx(MAX_PAUSE)
    light.leave()


def test_threads_switch_quickly_while_a_listing_is_heavy(listings: ActiveListings) -> None:
    before = sys.getswitchinterval()
    light, one, other = (CpuThrottle(Deadline(60), listings) for _ in range(3))
    light.expect(1)
    light.leave()
    assert sys.getswitchinterval() == before > SWITCH_SECONDS
    one.expect(10**9)
    other.expect(10**9)
    one.leave()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    other.leave()
    assert sys.getswitchinterval() == before


def test_a_listing_alone_or_among_heavy_ones_does_not_pause(listings: ActiveListings) -> None:
    one, other = CpuThrottle(Deadline(60), listings), CpuThrottle(Deadline(60), listings)
    with one.working(), other.working():
        began = time.monotonic()
        one.expect(10**6)
        one.leave()
        other.expect(10**9)
        one.expect(10**9)
        assert time.monotonic() - began < 4


def test_a_listing_with_a_silent_server_is_not_waited_for(listings: ActiveListings) -> None:
    silent, heavy = CpuThrottle(Deadline(60), listings), CpuThrottle(Deadline(60), listings)
    silent.last_step -= 60
    with heavy.working():
        began = time.monotonic()
        heavy.expect(10**9)
        assert time.monotonic() - began < 4


def test_a_pause_ends_when_the_light_ones_are_done(listings: ActiveListings) -> None:
    heavy, light = CpuThrottle(Deadline(60), listings), CpuThrottle(Deadline(60), listings)
    order: list[str] = []

    def run() -> None:
        with heavy.working():
            heavy.expect(10**9)
            order.append("heavy")

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        time.sleep(0.02)
        light.last_step = time.monotonic()
    order.append("light")
    light.leave()
    thread.join(4)
    assert order == ["light", "heavy"]


def test_pauses_do_not_count_towards_the_deadline(listings: ActiveListings) -> None:
    heavy = CpuThrottle(Deadline(0.5), listings)
    with light_listing(listings), heavy.working():
        heavy.expect(2_000_000)
        heavy.keep()
        assert heavy.deadline.left > 0.3


def test_a_garbage_collected_listing_is_not_waited_for(listings: ActiveListings) -> None:
    CpuThrottle(Deadline(60), listings)
    heavy = CpuThrottle(Deadline(60), listings)
    with heavy.working():
        began = time.monotonic()
        heavy.expect(10**9)
        assert time.monotonic() - began < 1.5
