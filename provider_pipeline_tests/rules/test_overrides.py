"""Overrides as fields, as one document, and applied to a row; and which of a provider's a model gets."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.model_columns import ROW_COLUMNS, without_second_names
from provider_pipeline.rules.overrides import (
    OverrideSet,
    StatedValue,
    apply_override,
    as_re2,
    check_pattern,
    combined_override,
    listed_values,
    override_fields,
)
from provider_pipeline.rules.rows import meta_hash
from provider_pipeline_tests.rules.samples import ROW

FIELDS = {
    "family": st.none() | st.sampled_from(["x", "y"]),
    "context_length": st.none() | st.integers(1, 2**40),
    "input_modalities": st.sampled_from([None, ["text"], ["image", "text"]]),
    "capabilities.chat": st.booleans() | st.none(),
    "capabilities.vision": st.booleans() | st.none(),
    "metadata_json.owner.name": st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2),
}
VALUES = st.fixed_dictionaries({}, optional=FIELDS)


def _row(values: dict) -> dict:
    return apply_override(dict.fromkeys(ROW_COLUMNS) | {"model_id": "a"}, combined_override(values))


@given(VALUES)
def test_an_override_made_of_fields_has_those_fields(values):
    assert override_fields(combined_override(values)) == sorted(values)


@given(VALUES, VALUES)
def test_an_override_sets_its_fields_and_leaves_the_rest(before, values):
    row, overridden = _row(before), _row(before)
    overridden = apply_override(overridden, combined_override(values))
    assert listed_values(overridden, values) == values
    others = before.keys() - values.keys()
    assert listed_values(overridden, others) == listed_values(row, others)


def test_a_row_without_a_value_lists_none():
    row = {"capabilities": {}, "metadata_json": None, "family": None}
    assert listed_values(row, ["capabilities.chat", "metadata_json.owner", "family"]) == {
        "capabilities.chat": None,
        "metadata_json.owner": None,
        "family": None,
    }


def test_an_override_replaces_columns_merges_capabilities_and_changes_the_hash():
    row = apply_override(
        ROW, {"context_length": 20, "capabilities": {"vision": True, "chat": None}, "metadata_json": {"note": "x"}}
    )
    assert row["context_length"] == 20
    assert row["capabilities"] == {"vision": True}
    assert row["capability_sources"] == {"vision": "override"}
    assert row["metadata_json"] == {"owned_by": "acme", "note": "x"}
    assert row["meta_hash"] == meta_hash(row) != meta_hash(ROW)
    assert ROW["capabilities"] == {"chat": True, "vision": False}


def test_an_override_is_idempotent():
    override = {"capabilities": {"tools": True}, "input_price": 3.0}
    once = apply_override(ROW, override)
    assert apply_override(once, override) == once


@pytest.mark.parametrize(
    "override", [{"model_id": "y"}, {"meta_hash": "z"}, {"colour": "red"}, {"capabilities": {"chat": "yes"}}]
)
def test_an_invalid_override_is_refused(override):
    with pytest.raises(InvalidRuleError):
        apply_override(ROW, override)


def test_a_price_that_people_set_is_shown_under_one_name():
    fields = override_fields({"input_price": 1, "prices": {"cache_read": 0.1}})
    assert fields == ["input_price", "prices.cache_read", "prices.input"]
    assert without_second_names(fields) == ["input_price", "prices.cache_read"]


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
