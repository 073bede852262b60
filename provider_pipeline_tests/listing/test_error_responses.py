"""What error responses say, the wait they ask for, and the wait before another attempt."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.listing.error_responses import describe_error_body, retry_after_seconds, retry_wait
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.redaction import redact_quote

NOVEMBER_1994 = 784_111_777.0
"""Seconds since the epoch of the date in RFC 9110, 5.6.7."""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 50.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 50.0),
        ("Sun Nov  6 08:49:37 1994", 50.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1e3", None),
        ("١٢", None),
        ("soon", None),
        ("9" * 400, None),
        ("Thu, 99 Foo 2020", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_in_any_of_its_forms(header: str | None, seconds: float | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    assert retry_after_seconds(headers, now=NOVEMBER_1994 - 50) == seconds


@pytest.mark.parametrize(("milliseconds", "seconds"), [("1500", 1.5), ("12.5", 0.0125), ("soon", 7.0), ("", 7.0)])
def test_a_readable_wait_in_milliseconds_goes_first(milliseconds: str, seconds: float) -> None:
    assert retry_after_seconds({"Retry-After": "7", "retry-after-ms": milliseconds}, now=0.0) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_harmless(header: str) -> None:
    wait = retry_after_seconds({"Retry-After": header, "retry-after-ms": header}, now=0.0)
    assert wait is None or wait >= 0


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
def test_an_error_body_is_described_in_one_line(body: bytes, says: str) -> None:
    assert describe_error_body(body, None, redact_quote) == says


LIMITS = FetchLimits(retries=3, backoff=0.5, longest_wait=4)


def test_waits_double_up_to_the_longest() -> None:
    limits = LIMITS.model_copy(update={"retries": 9})
    assert [retry_wait(attempts, None, limits, 1.0) for attempts in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 4.0]


@given(attempts=st.integers(1, 3), jitter=st.floats(0, 1))
def test_jitter_takes_away_up_to_half_of_a_wait(attempts: int, jitter: float) -> None:
    least, most = retry_wait(attempts, None, LIMITS, 0.0), retry_wait(attempts, None, LIMITS, 1.0)
    assert least == most / 2
    assert least <= retry_wait(attempts, None, LIMITS, jitter) <= most


@given(st.floats(0, 1))
def test_a_server_is_never_asked_sooner_than_it_wants(jitter: float) -> None:
    assert retry_wait(1, 3.0, LIMITS, 0.0) == 3.0
    assert retry_wait(1, 3.0, LIMITS, jitter) >= 3.0
    assert retry_wait(1, 0.0, LIMITS, 0.0) == 0.5
    assert retry_wait(1, 5.0, LIMITS, jitter) is None


def test_there_are_no_more_attempts_than_configured() -> None:
    assert retry_wait(3, None, LIMITS, 0.5) is not None
    assert retry_wait(4, None, LIMITS, 0.5) is None
