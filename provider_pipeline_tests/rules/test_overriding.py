"""An override as fields and as one document; what values a field can have is tested where it is set."""

from hypothesis import given, strategies as st

from provider_pipeline.rules.overriding import apply_override, combined_override, listed_values, override_fields
from provider_pipeline.rules.rows import ROW_COLUMNS

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
def test_fields_make_one_override_that_names_them_again(values):
    assert override_fields(combined_override(values)) == sorted(values)


@given(VALUES, VALUES)
def test_a_row_with_an_override_says_what_the_override_says_and_the_rest_as_before(before, values):
    row, overridden = _row(before), _row(before)
    overridden = apply_override(overridden, combined_override(values))
    assert listed_values(overridden, values) == values
    others = before.keys() - values.keys()
    assert listed_values(overridden, others) == listed_values(row, others)


def test_a_row_that_says_nothing_of_a_field_lists_nothing():
    row = {"capabilities": {}, "metadata_json": None, "family": None}
    assert listed_values(row, ["capabilities.chat", "metadata_json.owner", "family"]) == {
        "capabilities.chat": None,
        "metadata_json.owner": None,
        "family": None,
    }
