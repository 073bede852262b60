"""Overrides as fields, as one document, and applied to a row."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.model_columns import ROW_COLUMNS, without_second_names
from provider_pipeline.rules.overriding import (
    apply_override,
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
