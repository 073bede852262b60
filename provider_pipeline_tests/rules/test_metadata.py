from datetime import UTC, datetime, timedelta

import pytest

from provider_pipeline import RuleValidator
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.limits import Work
from provider_pipeline.rules.metadata import RequestTimes, metadata_reader, read_metadata
from provider_pipeline.rules.values import BadValueError


@pytest.mark.parametrize(
    ("key", "listed", "kept"),
    [
        ("created", 1772323200, "2026-03-01T00:00:00Z"),
        ("created", 1772323200000, "2026-03-01T00:00:00Z"),
        ("created", "2026-03-01T01:30:00+01:30", "2026-03-01T00:00:00Z"),
        ("created", "2026-03-01", "2026-03-01T00:00:00Z"),
        ("created", 0, None),
        ("license", " mit ", "mit"),
        ("license", ["mit", "bsd"], "mit, bsd"),
        ("license", "", None),
        ("type", "model", None),
        ("type", 7, "7"),
        ("description", "x" * 3000, "x" * 2000),
        ("hugging_face_id", "https://huggingface.co/acme/one", "acme/one"),
        ("regions", "eu", ["eu"]),
        ("regions", ["eu", " ", "us"], ["eu", "us"]),
        ("regions", "eu, us,", ["eu", "us"]),
        ("regions", [], None),
        ("open_weights", "true", True),
        ("open_weights", False, False),
        ("open_weights", "", None),
        ("parameter_size", "8.0B", 8_000_000_000),
        ("parameter_size", "137M", 137_000_000),
        ("parameter_size", 8030261312, 8030261312),
        ("dimensions", "1,536", 1536),
        ("dimensions", 0, None),
        ("anything else", {"deep": [1]}, {"deep": [1]}),
    ],
)
def test_a_known_key_has_one_type_whatever_a_listing_writes(key, listed, kept):
    assert metadata_reader(key)(listed, Work()) == kept


@pytest.mark.parametrize(
    ("key", "listed"),
    [
        ("created", "last spring"),
        ("created", True),
        ("license", {"name": "mit"}),
        ("license", True),
        ("regions", [1]),
        ("regions", {"eu": True}),
        ("open_weights", "partly"),
        ("open_weights", 1),
        ("parameter_size", 7),
        ("parameter_size", "8x7B"),
        ("dimensions", "1024x1024"),
        ("dimensions", True),
        ("dimensions", float("inf")),
        ("dimensions", 10**30),
        ("description", "nul\x00"),
    ],
)
def test_a_value_of_another_type_is_refused(key, listed):
    with pytest.raises(BadValueError):
        metadata_reader(key)(listed, Work())


def test_facts_that_do_not_fit_their_type_are_set_aside_and_never_hold_a_listing():
    rule = {"jmespath_rule": "[*]", "fields": {"id": "id", "created": "made", "dimensions": "size"}}
    items = [{"id": f"m{n}", "made": "last spring", "size": 1024} for n in range(30)]
    result = RuleValidator().validate_rule(rule, items)
    assert result["valid"]
    assert {str(row["metadata_json"]) for row in result["extracted_models"]} == {"{'dimensions': 1024}"}
    (found,) = (issue for issue in result["issues"] if issue["type"] == "not_of_type")
    assert (found["severity"], found["actual"]) == ("warning", "100.0%")


def test_every_known_key_names_a_type_that_there_is():
    for key in read_table("fields.toml")["metadata"]:
        assert metadata_reader(key)("", Work()) is None


def test_metadata_texts_keep_their_lines_but_no_control_characters():
    said = {"note": "a\n\tb\r\nc\x1b[0m\u202e", "\x1b[2J": 1, "n": ["\x9b", "caf\xe9"]}
    assert read_metadata(said, Work(1_000)) == {"note": "a\n\tb\nc[0m", "n": ["", "caf\xe9"]}
    assert read_metadata("a\x1bb", Work(1_000)) == "ab"


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
