"""`provider-pipeline offers` and `models compare`, on a catalogue with three providers."""

import pytest

from provider_pipeline.rules.identity import canonical_of
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet, listing

GPT_4O = canonical_of("gpt-4o").id
LONG = "accounts/acme-hosting/models/gpt-4o"


@pytest.fixture
def offered(run: CommandLine, fleet: Fleet) -> Fleet:
    fleet.add("dear", listing("gpt-4o", "gpt-4.1", price="0.000003"))
    fleet.add("cheap", listing(LONG, price="0.000001"))
    fleet.add("silent", {"data": [{"id": "gpt-4o", "object": "model"}, {"id": "gpt-4.1", "object": "model"}]})
    set_by_a_person = run("overrides", "set", "cheap", LONG, "canonical_id", GPT_4O, "--reason", "ours", "--unlisted")
    assert set_by_a_person.code == 0, set_by_a_person.err
    finished = run("sync", "--all")
    assert finished.code == 0, finished.err
    return fleet


@pytest.mark.usefixtures("offered")
def test_offers_are_listed_by_their_cost_and_what_has_none_is_apart(run: CommandLine):
    found = run("offers", "gpt-4o", "--input", "1M", "--output", "200k", "--json").json
    assert found["id"] == GPT_4O
    assert [(each["provider"], each["cost"]["amount"]) for each in found["ranked"]["USD"]] == [
        ("cheap", 1.2),
        ("dear", 3.6),
    ]
    assert [(each["provider"], each["reason"]) for each in found["unpriced"]] == [("silent", "no price of input")]
    drawn = run("offers", "gpt-4o").out
    assert drawn.index("cheap") < drawn.index("dear") < drawn.index("without a price that this needs: 1")


@pytest.mark.usefixtures("offered")
def test_an_id_is_never_broken_in_a_terminal_of_80_columns(run: CommandLine):
    finished = run("offers", "gpt-4o", "--min-context", "128k", COLUMNS="80", FORCE_COLOR="1", TERM="dumb")
    assert LONG in finished.out
    assert "context 128,000" in finished.out
    assert max(map(len, finished.out.splitlines())) <= 80


@pytest.mark.usefixtures("offered")
def test_what_others_say_of_a_silent_offer_meets_a_need_and_is_marked(run: CommandLine):
    found = run("offers", "gpt-4o", "--min-context", "100_000", "--json").json
    (silent,) = found["unpriced"]
    assert (silent["context_length"], silent["filled"]["context_length"]) == (128_000, "canonical")
    assert "context 128,000 (as others say)" in run("offers", "gpt-4o").out
    found = run("offers", "gpt-4o", "--with", "web_search", "--json").json
    assert (found["ranked"], {each["reason"] for each in found["unknown"]}) == ({}, {"unknown: web_search"})


@pytest.mark.usefixtures("offered")
def test_two_models_are_compared_by_what_their_offers_agree_on(run: CommandLine):
    drawn = run("models", "compare", "gpt-4o", "gpt-4.1").out
    assert GPT_4O in drawn
    assert "1 at cheap" in drawn
    found = run("models", "compare", "gpt-4o", "gpt-4.1", "--json").json
    assert [each["providers"] for each in found] == [3, 2]


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gpt-4oo"], 2, "no model 'gpt-4oo' is known (the nearest: "),
        (["gpt-4o", "--with", "tool"], 2, "no capability 'tool' (did you mean tools? known: audio_input, "),
        (["gpt-4o", "--input", "many"], 2, "expected a number of tokens such as 200k, 1M or 1_000_000"),
        (["gpt-4o", "--input", "0", "--output", "0"], 2, "expected input or output tokens, got none"),
        (["gpt-4o", "--cached", "1.5"], 2, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(run: CommandLine, arguments, code, said):
    finished = run("offers", *arguments)
    assert finished.code == code
    assert said in " ".join(finished.err.replace("│", " ").split())
