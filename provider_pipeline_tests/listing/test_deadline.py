"""One thread watches the deadlines of all listings."""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.listing.time_limits import Deadline

IN_A_FORK = """
import os, socket, warnings
from provider_pipeline.listing.time_limits import Deadline
warnings.simplefilter("ignore")
with Deadline(60).running():
    child = os.fork()
    if child == 0:
        near, far = socket.socketpair()
        deadline = Deadline(0.1)
        deadline.watch(near)
        with deadline.running():
            os._exit(len(near.recv(1)) + (not deadline.expired))
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def is_cut(seconds: float) -> bool:
    """Whether a read ends that only a deadline can end."""
    near, far = socket.socketpair()
    deadline = Deadline(seconds)
    deadline.watch(near)
    with near, far, deadline.running():
        ended = near.recv(1) == b""
    deadline.release()
    return ended and deadline.expired


def test_a_shorter_deadline_is_kept_beside_longer_ones() -> None:
    with Deadline(60).running(), Deadline(50).running():
        assert is_cut(0.1)
        assert is_cut(0.2)


def test_many_deadlines_are_kept_at_once_by_one_thread() -> None:
    is_cut(0.01)
    threads = set(threading.enumerate())
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_cut, [0.05 * (1 + number % 4) for number in range(32)]))
    assert set(threading.enumerate()) == threads


def test_a_deadline_that_does_not_run_does_not_pass() -> None:
    deadline = Deadline(0.05)
    with deadline.running():
        pass
    assert is_cut(0.1)
    assert not deadline.expired
    assert deadline.left > 0


def test_what_is_spent_is_not_had_again() -> None:
    deadline = Deadline(0.05)
    near, far = socket.socketpair()
    deadline.watch(near)
    with near, far:
        for _ in range(2):
            with deadline.running():
                assert near.recv(1) == b""
            assert (deadline.left, deadline.expired) == (0.0, True)
    deadline.release()


def work(seconds: float) -> None:
    """Take so much of the processor's time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_processor_time_is_spent_while_working_and_waiting_is_not() -> None:
    deadline = Deadline(1)
    with deadline.working():
        work(0.2)
        time.sleep(0.3)
        assert 0.6 < deadline.left <= 0.8
    work(0.1)
    assert 0.6 < deadline.left <= 0.8


def test_what_runs_by_the_clock_is_not_counted_twice() -> None:
    deadline = Deadline(60)
    with deadline.working():
        with deadline.running(), deadline.running():
            work(0.2)
        assert 59 < deadline.left <= 59.8
        work(0.1)
        assert deadline.left <= 59.7


def test_a_listing_that_was_worked_on_for_too_long_is_refused() -> None:
    deadline = Deadline(0.1, "acme")
    with deadline.working():
        deadline.refuse_late()
        work(0.1)
        with pytest.raises(ListingUnreadableError, match=r"acme: took too long: .* the 0\.1 s"):
            deadline.refuse_late()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX only")
def test_deadlines_are_kept_in_a_forked_process_too() -> None:
    assert subprocess.run([sys.executable, "-c", IN_A_FORK], timeout=30, check=False).returncode == 0
