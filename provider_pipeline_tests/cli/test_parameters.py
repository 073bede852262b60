"""Times as people write them, and shell completion."""

from datetime import UTC, datetime, timedelta

import pytest

from provider_pipeline.rules.moments import parse_moment
from provider_pipeline_tests.cli.conftest import CommandLine


def test_shells_complete_preset_names_and_slugs(run: CommandLine):
    def proposed(words: str) -> list[str]:
        number = len(words.split(" ")) - 1
        completing = {"_PROVIDER_PIPELINE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return run.process(**completing).out.split()

    assert proposed("provider-pipeline providers add openr") == ["openrouter"]
    assert proposed("provider-pipeline providers show ac") == []
    assert run("providers", "add", "acme", "--base-url", "https://api.acme.example").code == 0
    for command in ("providers check", "sync", "rules explain"):
        assert proposed(f"provider-pipeline {command} ac") == ["acme"], command


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("36h", NOW - timedelta(hours=36)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2d", NOW - timedelta(days=2)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T10:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_date_a_time_or_a_span(text: str, moment: datetime):
    assert parse_moment(text, now=NOW) == moment


def test_a_span_may_lead_into_the_future():
    assert parse_moment("2d", now=NOW, direction="ahead") == NOW + timedelta(days=2)


@pytest.mark.parametrize("text", ["", "yesterday", "2x", "-2d", "999999w", "2026-13-01"])
def test_an_invalid_time_is_refused_with_a_valid_example(text: str):
    with pytest.raises(ValueError, match="2026-11-23"):
        parse_moment(text, now=NOW)
