"""A listing that takes long to work on leaves the processor to the others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provider_pipeline.listing.time_limits import CPU_ALLOWANCE, PAUSE_RATIO, ActiveListings, Deadline, Pace


@pytest.fixture
def listings() -> ActiveListings:
    return ActiveListings()


@contextmanager
def light_listing(listings: ActiveListings) -> Iterator[Pace]:
    """A listing that is worked on in another thread, which hardly needs the processor."""
    pace, over = Pace(Deadline(60), listings), threading.Event()

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


def work(pace: Pace, *, until: float) -> float:
    """Work in small steps until a time by the monotonic clock; how much processor time that took."""
    before = time.thread_time()
    with pace.working():
        while time.monotonic() < until:
            step = time.thread_time() + 0.005
            while time.thread_time() < step:
                pass
            pace.keep()
    return time.thread_time() - before


def test_a_heavy_listing_has_a_sixth_of_the_time_while_there_is_a_light_one(listings: ActiveListings) -> None:
    with light_listing(listings):
        began = time.monotonic()
        worked = work(Pace(Deadline(60), listings), until=began + 1)
        took = time.monotonic() - began
    assert worked <= CPU_ALLOWANCE + took / (1 + PAUSE_RATIO) + 0.02


def test_what_is_large_to_read_waits_before_it_is_read(listings: ActiveListings) -> None:
    heavy = Pace(Deadline(60), listings)
    with light_listing(listings), heavy.working():
        began = time.monotonic()
        heavy.expect(100_000)
        heavy.expect(1_500_000)
        assert time.monotonic() - began >= 0.5 - 0.05


def test_nothing_waits_when_it_is_alone_or_among_heavy_ones(listings: ActiveListings) -> None:
    one, other = Pace(Deadline(60), listings), Pace(Deadline(60), listings)
    with one.working(), other.working():
        began = time.monotonic()
        one.expect(10**6)
        one.leave()
        other.expect(10**9)
        one.expect(10**9)
        assert time.monotonic() - began < 4


def test_nothing_waits_for_a_listing_whose_server_is_silent(listings: ActiveListings) -> None:
    silent, heavy = Pace(Deadline(60), listings), Pace(Deadline(60), listings)
    silent.last_step -= 60
    with heavy.working():
        began = time.monotonic()
        heavy.expect(10**9)
        assert time.monotonic() - began < 4


def test_a_pause_ends_when_the_light_ones_are_done(listings: ActiveListings) -> None:
    heavy, light = Pace(Deadline(60), listings), Pace(Deadline(60), listings)
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
    heavy = Pace(Deadline(0.5), listings)
    with light_listing(listings), heavy.working():
        heavy.expect(2_000_000)
        heavy.keep()
        assert heavy.deadline.left > 0.3


def test_a_listing_that_is_forgotten_holds_up_nobody(listings: ActiveListings) -> None:
    Pace(Deadline(60), listings)
    heavy = Pace(Deadline(60), listings)
    with heavy.working():
        began = time.monotonic()
        heavy.expect(10**9)
        assert time.monotonic() - began < 1.5
