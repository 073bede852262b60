"""Values that people set, one by one and in sets."""

from dataclasses import replace

import pytest
from sqlalchemy import event, func, select, text

from provider_pipeline.catalog import model_overrides
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.catalog.model_overrides import StatedOverride, apply_set, list_overrides
from provider_pipeline.catalog.model_writes import note_listed_values
from provider_pipeline.catalog.sync_state import overrides
from provider_pipeline.errors import CatalogError, InvalidRuleError, UnknownValueError
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, register, upgrade_to


@pytest.fixture
def put(session, provider):
    def run(field, value, *, model_id="a", **options):
        model_overrides.put(session, provider.id, model_id, field, value, **{"reason": "measured", **options})
        session.commit()

    return run


def in_force(session, provider_id, now=NOON):
    """The single overrides by model id."""
    found = overrides(session, provider_id, now)
    return {model_id: found.of(model_id).values for model_id in dict.fromkeys(each.target for each in found.stated)}


def test_an_override_is_kept_by_a_sync(session, provider, put, write, row_versions):
    put("family", "mine")
    before = row_versions("provider_model_override")
    write([model("a")])
    write([model("b")], hour=1, removal_after=1)
    assert in_force(session, provider.id) == {"a": {"family": "mine"}}
    assert row_versions("provider_model_override") == before


def test_the_fields_of_a_model_make_one_override(session, provider, put):
    put("context_length", 5)
    put("capabilities.vision", None)
    put("capabilities.chat", True)
    put("metadata_json.owner.name", {"x": [1]})
    put("input_modalities", ["text", "image", "text"])
    put("family", None, model_id="b")
    assert in_force(session, provider.id) == {
        "a": {
            "capabilities": {"chat": True, "vision": None},
            "context_length": 5,
            "input_modalities": ["image", "text"],
            "metadata_json": {"owner.name": {"x": [1]}},
        },
        "b": {"family": None},
    }


def test_setting_the_same_override_again_touches_no_row_and_another_replaces_it(session, provider, put, row_versions):
    put("context_length", 4)
    before = row_versions("provider_model_override")
    put("context_length", 4)
    assert row_versions("provider_model_override") == before
    put("context_length", 5, reason="measured again", created_by_id=7, expires_at=hours_later(1))
    (found,) = list_overrides(session, slug="openai", model_id="a")
    assert (found.override_value, found.reason, found.created_by_id, found.expires_at) == (
        5,
        "measured again",
        7,
        hours_later(1),
    )
    assert found.updated_at > found.created_at


def test_an_override_holds_until_its_end(session, provider, put):
    put("family", "mine", expires_at=hours_later(2))
    assert in_force(session, provider.id, hours_later(1.9)) == {"a": {"family": "mine"}}
    assert not overrides(session, provider.id, hours_later(2))
    assert len(list_overrides(session)) == 1


def test_a_removed_override_is_gone_and_removing_it_again_says_so(session, provider, put):
    put("family", "mine")
    assert model_overrides.remove(session, provider.id, "a", "family")
    assert not model_overrides.remove(session, provider.id, "a", "family")
    assert in_force(session, provider.id) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_id", "b"),
        ("colour", "red"),
        ("capabilities", {"chat": True}),
        ("capabilities.", True),
        ("capabilities.Not A Name", True),
        ("context_length.x", 1),
        ("context_length", "5"),
        ("context_length", 0),
        ("context_length", True),
        ("input_price", -1),
        ("input_price", float("nan")),
        ("metadata_json.x", float("inf")),
        ("metadata_json.x", "nul \x00"),
        ("metadata_json.x", "half \ud800"),
        ("family", "  "),
        ("input_modalities", "text"),
        ("capabilities.chat", "yes"),
    ],
)
def test_what_no_row_could_hold_is_refused_when_it_is_set_and_not_at_the_next_sync(session, provider, field, value):
    with pytest.raises((InvalidRuleError, UnknownValueError)):
        model_overrides.put(session, provider.id, "a", field, value, reason="x")
    session.rollback()


def test_an_override_the_provider_has_caught_up_with_is_listed(session, provider, put, row_versions):
    put("context_length", 5)
    put("family", None)
    put("capabilities.chat", True)
    assert model_overrides.caught_up(session) == []
    said = {"a": {"context_length": 4, "family": None, "capabilities.chat": True}}
    note_listed_values(session, {provider.id: said}, now=hours_later(1))
    session.commit()
    assert [each.field for each in model_overrides.caught_up(session, "openai")] == ["capabilities.chat", "family"]
    before = row_versions("provider_model_override")
    note_listed_values(session, {provider.id: said}, now=hours_later(2))
    session.commit()
    assert row_versions("provider_model_override") == before
    note_listed_values(session, {provider.id: {"a": {"context_length": 5}}}, now=hours_later(3))
    found = {each.field: (each.listed_value, each.listed_at) for each in model_overrides.caught_up(session)}
    assert found == {
        "capabilities.chat": (True, hours_later(1)),
        "context_length": (5, hours_later(3)),
        "family": (None, hours_later(1)),
    }
    assert model_overrides.caught_up(session, "anthropic") == []


def test_overrides_by_model_become_overrides_by_field_with_the_migration(empty_database_url):
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0007")
        with database.session() as session:
            session.execute(text("INSERT INTO provider (slug, name) VALUES ('openai', 'OpenAI')"))
            session.execute(
                text(
                    "INSERT INTO provider_model_override "
                    "(provider_id, model_id, override_values, reason, created_by_id) "
                    "SELECT id, 'a', CAST(:given AS jsonb), 'old', 3 FROM provider"
                ),
                {
                    "given": '{"family": null, "capabilities": {"chat": null, "vision": true}, '
                    '"metadata_json": {"x": 1}, "colour": "red"}'
                },
            )
            session.commit()
        upgrade(database.engine)
        with database.session() as session:
            provider_id = session.scalars(select(func.min(text("id"))).select_from(text("provider"))).one()
            assert in_force(session, provider_id) == {
                "a": {
                    "family": None,
                    "capabilities": {"chat": None, "vision": True},
                    "metadata_json": {"x": 1},
                }
            }
            stored = session.execute(text("SELECT DISTINCT reason, created_by_id FROM provider_model_override")).all()
            assert stored == [("old", 3)]


def test_one_providers_overrides_are_not_anothers(session, provider, put):
    other = register(session, "anthropic")
    put("family", "mine")
    assert not overrides(session, other.id, NOON)
    assert [each.slug for each in list_overrides(session)] == ["openai"]
    assert list_overrides(session, slug="anthropic") == []


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
    assert model_overrides.apply_set(session, "f", [], prune=True)
