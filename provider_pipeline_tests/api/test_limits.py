"""Rate limits per caller, and the API without tokens on a loopback address."""

import httpx
import pytest

from provider_pipeline.api.app import create_app
from provider_pipeline.api.limits import Slots, TokenBuckets, is_loopback
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline_tests.api.conftest import Client
from provider_pipeline_tests.fleet import Fleet


def test_a_token_over_its_rate_limit_has_to_wait_and_others_do_not(serving):
    api = serving(ApiSettings(requests_per_second=0.01, burst=2))
    assert [api("GET", "/api/tasks").status_code for _ in range(3)] == [200, 200, 429]
    assert int(api("GET", "/api/tasks").headers["retry-after"]) > 60
    assert api("GET", "/api/tasks", scope="read").status_code == 200
    strangers = [api("GET", "/api/tasks", scope=None).status_code for _ in range(3)]
    assert strangers == [401, 401, 429]
    assert api("GET", "/healthz", scope=None).status_code == 200


def test_a_bucket_refills_up_to_its_size():
    now = 0.0
    buckets = TokenBuckets(per_second=2, burst=3, clock=lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    now = 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    now = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Host": "localhost:8400"}, True),
        ({"Host": "[::1]:8400"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Origin": "http://localhost:3000"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "[::1"}, False),
    ],
)
def test_without_tokens_no_web_page_is_answered(fleet: Fleet, headers: dict[str, str], allowed: bool):
    with Client(create_app(fleet.database, ApiSettings(needs_token=False))) as client:
        answer: httpx.Response = client.get("/api/models", headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    assert "access-control-allow-origin" not in answer.headers


def test_slots_are_limited_and_given_back_even_after_an_error():
    slots = Slots(1, "syncs")
    with pytest.raises(RuntimeError), slots.hold():
        with pytest.raises(ProblemError, match="1 syncs are already running") as refused, slots.hold():
            pass
        raise RuntimeError
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "5")
    with slots.hold():
        pass


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host: str, expected: bool):
    assert is_loopback(host) is expected
