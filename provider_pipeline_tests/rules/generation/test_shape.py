"""Columns of values by path, and comparable forms of keys."""

from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline.rules.rows import MAX_ITEMS


def test_nulls_and_items_that_are_not_objects_have_no_values():
    shape = shape_of([{"id": "a", "limits": {"context": 8}}, "noise", {"id": "b", "limits": None}])
    assert (shape.seen, shape.count) == (3, 2)
    column = shape.columns["limits", "context"]
    assert (column.expression, column.by_owner, shape.fill(column)) == ("limits.context", {0: 8}, 0.5)
    assert shape.column_at("limits.context") is column
    assert shape.column_at("no_such") is None


def test_a_boolean_is_not_an_integer():
    column = shape_of([{"x": True}, {"x": 1}]).columns["x",]
    assert (column.share(bool), column.share(int), column.share((int, str))) == (0.5, 0.5, 0.5)


def test_objects_in_arrays_are_nested_columns_and_labelled_ones_are_columns_too():
    items = [{"properties": [{"property_id": "window", "value": "8"}, {"property_id": "beta", "value": "true"}]}]
    shape = shape_of(items)
    assert shape.nested["properties", "value"].values == ["8", "true"]
    window = shape.columns["properties", "window"]
    assert (window.values, window.expression) == (["8"], "(properties[?property_id == 'window'].value | [0])")


def test_a_long_list_is_sampled_evenly():
    shape = shape_of([{"n": n} for n in range(2 * MAX_ITEMS)])
    assert (shape.count, shape.columns["n",].values[:3]) == (MAX_ITEMS, [0, 2, 4])
