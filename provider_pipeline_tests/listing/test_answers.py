"""Reading refusals and choosing waits: pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_pipeline.listing import FetchLimits
from provider_pipeline.listing.answers import retry_after_seconds, what_it_says
from provider_pipeline.listing.transport import retry_wait

LIMITS = FetchLimits(retries=3, backoff=0.5, longest_wait=4)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Thu, 99 Foo 2020", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=10.0) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_harmless(header: str) -> None:
    wait = retry_after_seconds(header, now=0.0)
    assert wait is None or wait >= 0


def test_waits_double_up_to_the_longest() -> None:
    limits = LIMITS.model_copy(update={"retries": 9})
    assert [retry_wait(attempts, None, limits) for attempts in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 4.0]


def test_a_server_is_never_asked_sooner_than_it_wants() -> None:
    assert retry_wait(1, 3.0, LIMITS) == 3.0
    assert retry_wait(1, 0.0, LIMITS) == 0.5
    assert retry_wait(1, 5.0, LIMITS) is None


def test_there_are_no_more_attempts_than_configured() -> None:
    assert retry_wait(3, None, LIMITS) is not None
    assert retry_wait(4, None, LIMITS) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no content type"),
        (b'{"error": {"message": "No"}}', "no content type: 'No'"),
        (b'{"error": "No"}', "no content type: 'No'"),
        (b'{"message": "No"}', "no content type: 'No'"),
        (b'{"detail": ["No"]}', "no content type: 'No'"),
        (b'{"detail": [{"msg": "No"}]}', "no content type: 'No'"),
        (b'{"error": {"message": "a\\u001b[31m\\nb"}}', "no content type: 'a [31m b'"),
        (b"[" * 100_000, "no content type"),
    ],
)
def test_an_error_body_is_told_in_one_line(body: bytes, says: str) -> None:
    assert what_it_says(body, None) == says
