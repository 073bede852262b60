"""Deadlines, and rate limits of hosts."""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, ListingUnreadableError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import (
    MAX_HOST_PAUSE,
    Deadline,
    FetchLimits,
    HostLimiter,
    HostLimits,
    RateLimit,
    RateLimited,
)
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch

IN_A_FORK = """
import os, socket, warnings
from provider_pipeline.listing.limits import Deadline
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
    """Whether a deadline ends a read that nothing else ends."""
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


def test_a_spent_budget_stays_spent() -> None:
    deadline = Deadline(0.05)
    near, far = socket.socketpair()
    deadline.watch(near)
    with near, far:
        for _ in range(2):
            with deadline.running():
                assert near.recv(1) == b""
            assert (deadline.left, deadline.expired) == (0.0, True)
    deadline.release()


def take_processor_time(seconds: float) -> None:
    """Keep the processor busy."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_processor_time_is_spent_while_working_and_waiting_is_not() -> None:
    deadline = Deadline(1)
    with deadline.working():
        take_processor_time(0.2)
        time.sleep(0.3)
        assert 0.6 < deadline.left <= 0.8
    take_processor_time(0.1)
    assert 0.6 < deadline.left <= 0.8


def test_nested_running_is_not_counted_twice() -> None:
    deadline = Deadline(60)
    with deadline.working():
        with deadline.running(), deadline.running():
            take_processor_time(0.2)
        assert 59 < deadline.left <= 59.8
        take_processor_time(0.1)
        assert deadline.left <= 59.7


def test_a_listing_that_took_too_much_processor_time_is_refused() -> None:
    deadline = Deadline(0.1, "acme")
    with deadline.working():
        deadline.refuse_late()
        take_processor_time(0.1)
        with pytest.raises(ListingUnreadableError, match=r"acme: took too long: .* the 0\.1 s"):
            deadline.refuse_late()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX only")
def test_deadlines_are_kept_in_a_forked_process_too() -> None:
    assert subprocess.run([sys.executable, "-c", IN_A_FORK], timeout=30, check=False).returncode == 0


BUSY = RateLimit(concurrency=2, interval=0.0, max_pause=30.0)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def source(httpserver: HTTPServer, slug: str = "acme", policy: RequestPolicy = LOOPBACK) -> ListingSource:
    endpoints = (ListingEndpoint(path="/models"),)
    return ListingSource(slug=slug, base_url=httpserver.url_for(""), endpoints=endpoints, policy=policy)


def test_no_more_than_the_allowed_number_of_requests_run_at_once(clock: Clock) -> None:
    limiter = HostLimiter(clock)
    with limiter.slot(BUSY, 0), limiter.slot(BUSY, 0), pytest.raises(RateLimited) as limited, limiter.slot(BUSY, 0):
        pass
    assert limited.value.pause is None
    with limiter.slot(BUSY, 0):
        pass


def test_a_released_slot_lets_the_next_request_start() -> None:
    limiter, entered = HostLimiter(), threading.Event()

    def second() -> None:
        with limiter.slot(RateLimit(1, 0.0, 0.0), timeout=30):
            entered.set()

    thread = threading.Thread(target=second)
    with limiter.slot(RateLimit(1, 0.0, 0.0), timeout=0):
        thread.start()
        assert not entered.is_set()
    thread.join(30)
    assert entered.is_set()


def test_requests_start_no_more_often_than_allowed(clock: Clock) -> None:
    limiter, twice_a_second = HostLimiter(clock), RateLimit(concurrency=9, interval=0.5, max_pause=0)
    with limiter.slot(twice_a_second, 0):
        pass
    clock.now += 0.4
    with pytest.raises(RateLimited), limiter.slot(twice_a_second, 0.05):
        pass
    clock.now += 0.1
    with limiter.slot(twice_a_second, 0):
        pass


def test_a_pause_holds_for_all_requests_until_it_is_over(clock: Clock) -> None:
    limiter = HostLimiter(clock)
    limiter.pause(20, 429)
    limiter.pause(5, 503)
    with pytest.raises(RateLimited) as limited, limiter.slot(BUSY, 10):
        pass
    assert (limited.value.pause, limited.value.status) == (20, 429)
    clock.now += 20
    with limiter.slot(BUSY, 0):
        pass


def test_a_pause_not_worth_waiting_for_fails_at_once_and_is_bounded(clock: Clock) -> None:
    limiter = HostLimiter(clock)
    limiter.pause(1e9, 503)
    with pytest.raises(RateLimited) as limited, limiter.slot(BUSY, timeout=1e12):
        pass
    assert limited.value.pause == MAX_HOST_PAUSE


def test_each_host_has_its_own_limiter(clock: Clock) -> None:
    limits_of_hosts = HostLimits(clock)
    limits_of_hosts.at("a").pause(10, 429)
    with limits_of_hosts.at("b").slot(BUSY, 0):
        pass
    assert limits_of_hosts.at("a") is limits_of_hosts.at("a")


def test_requests_of_many_listings_are_counted_together_at_their_host() -> None:
    at_once: list[int] = []
    running, lock, both = [0], threading.Lock(), threading.Barrier(2)

    def respond(_: Request) -> Response:
        with lock:
            running[0] += 1
            at_once.append(running[0])
        both.wait(10)
        with lock:
            running[0] -= 1
        return Response("[]", content_type="application/json")

    client = ListingClient(QUICK.model_copy(update={"concurrency": 2}), environ={})
    with HTTPServer(host="127.0.0.1", port=0, threaded=True) as server, ThreadPoolExecutor(6) as pool:
        server.expect_request("/models").respond_with_handler(respond)
        pages = list(pool.map(lambda number: list(client.pages(source(server, f"p{number}"))), range(6)))
    assert len(pages) == 6
    assert max(at_once) == 2


def test_a_host_that_asks_for_a_pause_is_left_alone_by_every_listing(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/models").respond_with_data("", status=429, headers={"Retry-After": "600"})
    client = ListingClient(QUICK, environ={})
    with pytest.raises(ListingRefusedError, match="asks to wait 600 s"):
        list(client.pages(source(httpserver)))
    left_alone = r"other: GET .* is not sent: the host answered 429 to another request"
    with pytest.raises(ListingRefusedError, match=left_alone) as caught:
        list(client.pages(source(httpserver, "other")))
    assert (caught.value.status, caught.value.transient) == (429, True)
    assert len(httpserver.log) == 1


def test_a_failure_without_retry_after_does_not_pause_the_host(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/models").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/models").respond_with_json([])
    client = ListingClient(QUICK.model_copy(update={"retries": 0}), environ={})
    with pytest.raises(ListingRefusedError):
        list(client.pages(source(httpserver)))
    assert len(list(client.pages(source(httpserver, "other")))) == 1


def test_waiting_for_a_slot_counts_against_the_deadline(httpserver: HTTPServer) -> None:
    arrived, over = threading.Event(), threading.Event()

    def respond(_: Request) -> Response:
        arrived.set()
        over.wait(30)
        return Response("[]", content_type="application/json")

    httpserver.expect_request("/models").respond_with_handler(respond)
    client = ListingClient(QUICK.model_copy(update={"concurrency": 1}), environ={})
    hurried = source(httpserver, "hurried", LOOPBACK.model_copy(update={"deadline": 0.2}))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: list(client.pages(source(httpserver))))
        assert arrived.wait(10)
        with pytest.raises(ListingUnreachableError, match="took too long: no slot among the requests to this host"):
            list(client.pages(hurried))
        over.set()
        assert len(first.result()) == 1
    assert len(httpserver.log) == 1


def test_a_token_from_the_same_host_is_fetched_before_taking_a_slot(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/token").respond_with_json({"access_token": "t" * 20, "expires_in": 600})
    httpserver.expect_request("/models").respond_with_json([])
    auth = {
        "type": "oauth2_client_credentials",
        "token_url": httpserver.url_for("/token"),
        "client_id": {"value": "us"},
        "client_secret": {"env": "SECRET"},
    }
    limits = FetchLimits(concurrency=1, deadline=20)
    listing = source(httpserver).model_copy(update={"auth": AuthConfig.parse(auth)})
    assert len(list(ListingClient(limits, environ={"SECRET": "s" * 20}).pages(listing))) == 1


def test_requests_name_the_project_and_its_version(httpserver: HTTPServer, fetch: Fetch) -> None:
    httpserver.expect_request("/models").respond_with_json([])
    fetch(httpserver.url_for(""))
    name, _, version = httpserver.log[0][0].headers["User-Agent"].partition("/")
    assert name == "provider-pipeline"
    assert version[0].isdigit()
