import pytest

from provider_pipeline import RuleValidator
from provider_pipeline.rules.dates import read_date
from provider_pipeline.rules.values import BadValueError


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2026-03-01", "2026-03-01"),
        (" 2026/3/1 ", "2026-03-01"),
        ("20260301", "2026-03-01"),
        ("2026-03", "2026-03-01"),
        ("March 2026", "2026-03-01"),
        ("Mar 5, 2026", "2026-03-05"),
        ("5 March 2026", "2026-03-05"),
        ("2026-03-01T12:00:00Z", "2026-03-01"),
        ("2026-03-01T23:30:00-05:00", "2026-03-02"),
        ("2026-03-01 08:00:00 UTC", "2026-03-01"),
        ("Sun, 01 Mar 2026 10:00:00 GMT", "2026-03-01"),
        (1_772_323_200, "2026-03-01"),
        (1_772_323_200.5, "2026-03-01"),
        (1_772_323_200_000, "2026-03-01"),
        ("1772323200", "2026-03-01"),
        ({"year": 2026, "month": 3, "day": 1}, "2026-03-01"),
        ("9999-12-31", None),
        ("9999-12-31T23:59:59-08:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        (12, None),
        (0, None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_is_read_however_it_is_written(value, date):
    assert read_date(value) == date


@pytest.mark.parametrize("value", ["soon", "2026-13-01", "2026", True, [], {}, 10**30, float("inf"), "1850-01-01"])
def test_what_is_no_date_of_a_model_is_refused(value):
    with pytest.raises(BadValueError, match=r"date|year"):
        read_date(value)


def test_a_date_that_cannot_be_read_is_set_aside_and_its_model_stays():
    rule = {"jmespath_rule": "[*]", "fields": {"id": "id", "retires_on": "end", "successor_model_id": "next"}}
    items = [{"id": "a", "end": "2026-03", "next": "b"}, {"id": "b", "end": "never"}]
    result = RuleValidator().validate_rule(rule, items)
    ends = [(row["retires_on"], row["successor_model_id"]) for row in result["extracted_models"]]
    assert (result["valid"], ends) == (True, [("2026-03-01", "b"), (None, None)])
    assert "not_a_date" in [issue["type"] for issue in result["issues"]]


@pytest.mark.parametrize("day", [{"year": 2026, "month": 13, "day": 1}, {"year": 2026, "month": 3}, {"year": "2026"}])
def test_an_object_that_is_no_day_is_refused(day):
    with pytest.raises(BadValueError, match="not a date"):
        read_date(day)
