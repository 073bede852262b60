"""Fields that hold the time of the request are recognised by their values, and no others."""

from datetime import UTC, datetime, timedelta

import pytest

from provider_pipeline.rules.request_times import RequestTimes

FETCHED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
JUST_NOW = FETCHED - timedelta(seconds=3)


def fields(*values: object) -> frozenset[str]:
    """The fields found in rows with these values, None for a row without."""
    times = RequestTimes(FETCHED)
    for value in values:
        times.add([{"metadata_json": {} if value is None else {"modified_at": value, "license": "mit"}}])
    return times.fields()


@pytest.mark.parametrize(
    "spelt",
    [
        JUST_NOW.isoformat(),
        f"{JUST_NOW:%Y-%m-%dT%H:%M:%S.123456789Z}",
        f"{JUST_NOW:%a, %d %b %Y %H:%M:%S GMT}",
        f"{JUST_NOW:%A, %d-%b-%y %H:%M:%S GMT}",
        f"{JUST_NOW:%Y%m%dT%H%M%S}",
        int(JUST_NOW.timestamp()),
        JUST_NOW.timestamp() * 1000,
        str(int(JUST_NOW.timestamp())),
    ],
)
def test_a_time_near_the_fetch_is_recognised_however_it_is_written(spelt):
    assert fields(*[spelt] * 30) == {"modified_at"}
    assert fields(spelt) == {"modified_at"}


def test_a_time_of_the_year_before_is_recognised_on_new_years_morning():
    times = RequestTimes(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    times.add([{"metadata_json": {"modified_at": "2025-12-31T23:59:00Z"}}] * 30)
    assert times.fields() == {"modified_at"}


def test_a_few_models_without_it_do_not_matter():
    assert fields(*[JUST_NOW.isoformat()] * 39, "2024-01-01T10:00:00Z", None) == {"modified_at"}


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-01T10:00:00Z"] * 30,
        [*["2024-01-01T10:00:00Z"] * 3, JUST_NOW.isoformat()],
        [*["2024-01-01T10:00:00Z"] * 300, *[JUST_NOW.isoformat()] * 10],
        [JUST_NOW.isoformat(), None, None, None],
        [True, False],
        ["soon"] * 5,
        [f"{FETCHED:%Y-%m-%d}"] * 5,
        [(FETCHED - timedelta(hours=2)).isoformat()] * 5,
    ],
)
def test_times_of_some_models_and_older_ones_are_facts(values):
    assert fields(*values) == frozenset()


def test_without_the_time_of_the_fetch_nothing_is_recognised():
    times = RequestTimes(None)
    times.add([{"metadata_json": {"modified_at": JUST_NOW.isoformat()}}])
    assert (times.fields(), list(times.issues())) == (frozenset(), [])
