"""Which overrides a model gets, and what they make of its row."""

import pytest

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.model_columns import ROW_COLUMNS
from provider_pipeline.rules.override_set import OverrideSet, StatedValue, as_re2, check_pattern

LISTED = {**dict.fromkeys(ROW_COLUMNS), "model_id": "gpt-4o-mini", "capabilities": {}, "metadata_json": {}}


def price(amount, **more):
    return {"amount": amount, "unit": "million_tokens", "currency": "USD", **more}


def applied(*stated, **row):
    return OverrideSet(stated).of("gpt-4o-mini").apply({**LISTED, "prices": {}, **row})


def peer(field, value, source="litellm"):
    return StatedValue("model", "gpt-4o-mini", field, value, source, fills_gaps=True)


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (("glob", "gpt-*"), ("glob", "gpt-4o*")),
        (("glob", "*"), ("re2", "gpt-[0-9]o.*")),
        (("glob", "gpt-4o-min?"), ("model", "gpt-4o-mini")),
        (("glob", "gpt-4*o*"), ("glob", "gpt-4o-*")),
    ],
)
def test_the_more_specific_of_two_overrides_wins_whatever_their_order(weaker, stronger):
    stated = [StatedValue(*weaker, "family", "weaker", "file"), StatedValue(*stronger, "family", "stronger", "file")]
    assert applied(*stated)[0]["family"] == applied(*reversed(stated))[0]["family"] == "stronger"


def test_a_single_override_beats_a_set_under_either_name_of_a_price():
    row, fields = applied(
        StatedValue("model", "gpt-4o-mini", "input_price", 1.5),
        StatedValue("model", "gpt-4o-mini", "prices.input", price(9), "file"),
    )
    assert (row["input_price"], row["prices"]) == (1.5, {"input": price(1.5)})
    assert fields == ["input_price", "prices.input"]


def test_the_later_date_of_one_set_wins():
    dates = ("2026-01-01T00:00:00+00:00", "", "2026-06-01T00:00:00+00:00")
    stated = [StatedValue("model", "gpt-4o-mini", "family", since or "ever", "file", since=since) for since in dates]
    assert applied(*stated)[0]["family"] == dates[2]


def test_a_pattern_matches_whole_ids_only():
    overrides = OverrideSet((StatedValue("glob", "gpt-4o", "family", "x", "file"),))
    assert overrides.of("gpt-4o-mini") is None
    assert as_re2("glob", "a.b*") == r"a\.b.*"


def test_a_peers_value_fills_what_the_listing_does_not_say_and_never_overwrites_it():
    stated = [peer("prices.input", price(2.5)), peer("prices.cache_read", price(1.25)), peer("family", "theirs")]
    row, fields = applied(*stated, family="listed", prices={"input": price(2.5)})
    assert (row["family"], row["prices"]) == ("listed", {"cache_read": price(1.25), "input": price(2.5)})
    assert fields == ["prices.cache_read"]


@pytest.mark.parametrize("listed", [price(5), price(2.5) | {"currency": "EUR"}, price(0)])
def test_a_peers_prices_are_left_out_where_the_listing_contradicts_one_of_them(listed):
    row, fields = applied(
        peer("prices.input", price(2.5)), peer("prices.cache_read", price(1.25)), prices={"input": listed}
    )
    assert (row["prices"], fields) == ({"input": listed}, [])


def test_what_a_person_calls_unknown_stays_unknown():
    row, fields = applied(peer("prices.output", price(2.5)), StatedValue("model", "gpt-4o-mini", "output_price", None))
    assert (row["prices"], row["output_price"]) == ({}, None)
    assert fields == ["output_price", "prices.output"]


def test_two_peers_make_no_mixture_of_two_price_lists():
    row, _ = applied(
        peer("prices.input", price(2.5), "a peer"),
        peer("prices.input", price(3), "b peer"),
        peer("prices.output", price(9), "b peer"),
    )
    assert row["prices"] == {"input": price(2.5)}


def test_a_set_is_the_same_after_a_round_trip_through_json():
    overrides = OverrideSet((peer("prices.input", price(2.5)), StatedValue("glob", "g*", "family", None)))
    assert OverrideSet.parse(overrides.document()) == overrides


@pytest.mark.parametrize(("match", "target"), [("glob", "gpt-4o"), ("re2", "gpt-("), ("re2", "(?=gpt)")])
def test_a_pattern_that_matches_nothing_or_is_not_re2_is_refused(match, target):
    with pytest.raises(InvalidRuleError):
        check_pattern(match, target)
