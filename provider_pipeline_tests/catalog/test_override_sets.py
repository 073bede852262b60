"""Overrides by the set."""

from dataclasses import replace

import pytest
from sqlalchemy import event

from provider_pipeline.catalog import model_overrides, override_sets
from provider_pipeline.catalog.model_overrides import list_overrides, overrides
from provider_pipeline.catalog.override_sets import StatedOverride, apply_set
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import NOON, hours_later


@pytest.fixture
def family(provider):
    def build(model_id="a", value="x", **options):
        return StatedOverride(provider.id, model_id, "model", "family", value, "stated", **options)

    return build


def actions(changes):
    return [(each.action, each.model_id, each.was, each.value) for each in changes]


def test_a_set_is_applied_once_changed_and_pruned(session, family, row_versions):
    assert actions(apply_set(session, "f", [family("a"), family("b", None)])) == [
        ("set", "a", None, "x"),
        ("set", "b", None, None),
    ]
    session.commit()
    before = row_versions("provider_model_override")
    assert apply_set(session, "f", [family("a"), family("b", None)], prune=True) == []
    session.commit()
    assert row_versions("provider_model_override") == before
    assert actions(apply_set(session, "f", [family("a", "y")])) == [("changed", "a", "x", "y")]
    assert actions(apply_set(session, "f", [family("a", "y")], prune=True)) == [("removed", "b", None, None)]
    assert actions(apply_set(session, "f", [], prune=True)) == [("removed", "a", "y", None)]


def test_pruning_touches_neither_single_overrides_nor_other_sets(session, provider, family):
    model_overrides.put(session, provider.id, "a", "family", "mine", reason="measured")
    apply_set(session, "g", [family("a")])
    apply_set(session, "f", [family("a")])
    assert actions(apply_set(session, "f", [], prune=True)) == [("removed", "a", "x", None)]
    assert [(each.source, each.override_value) for each in list_overrides(session)] == [("g", "x"), ("person", "mine")]
    assert model_overrides.remove(session, provider.id, "a", "family")
    assert [each.source for each in list_overrides(session)] == ["g"]


def test_dated_values_of_one_field_hold_one_after_the_other(session, provider, family):
    dated = [family(value=str(hour), valid_from=hours_later(hour)) for hour in (1, 3)]
    apply_set(session, "f", [family(value="0"), *dated])
    assert len(list_overrides(session)) == 3
    values = []
    for hour in (0, 1, 2, 3):
        override = overrides(session, provider.id, hours_later(hour)).of("a")
        values.append(override.values["family"])
    assert values == ["0", "1", "1", "3"]


def test_a_set_cannot_take_the_name_of_single_overrides(session, family):
    with pytest.raises(CatalogError, match="cannot be named 'person'"):
        apply_set(session, "person", [family()])


def test_ten_thousand_overrides_are_applied_in_one_statement_and_found_again_unchanged(session, family):
    many = [family(f"model-{number}", valid_from=NOON) for number in range(10_000)]
    executed = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *call: executed.append(call[2]))
    assert len(apply_set(session, "f", many)) == 10_000
    assert len(executed) == 1
    assert apply_set(session, "f", many, prune=True) == []
    many[5_000] = replace(many[5_000], reason="another")
    assert actions(apply_set(session, "f", many, prune=True)) == [("changed", "model-5000", "x", "x")]
    assert len(executed) == 3
    assert override_sets.apply_set(session, "f", [], prune=True)
