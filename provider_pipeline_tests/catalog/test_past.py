"""The table as of a past moment, reconstructed by undoing later changes."""

from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text

from provider_pipeline.rules.model_columns import SHOWN_COLUMNS
from provider_pipeline_tests.catalog.builders import (
    add_rule,
    counts,
    hours_later,
    model,
    register,
    removes_after,
    write_models,
)

COLUMNS = ", ".join(("slug", "id", "provider_id", *SHOWN_COLUMNS))


def _now(session) -> list:
    return session.execute(text(f"SELECT {COLUMNS} FROM provider_model_current ORDER BY id")).all()


def _as_of(session, moment, slug=None) -> list:
    query = text(f"SELECT {COLUMNS} FROM provider_models_as_of(:moment, :slug) ORDER BY id")
    return session.execute(query, {"moment": moment, "slug": slug}).all()


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "display_name": st.sampled_from(["A", 'quote " back \\ {brace}', "NULL"]),
        "context_length": st.sampled_from([1, 2**40]),
        "input_modalities": st.sampled_from([[], ["text"], ["image", "te,xt"]]),
        "input_price": st.sampled_from([0.1 + 0.2, 1e-07, 2]),
        "capabilities": st.sampled_from([{"chat": True}, {"chat": False, "vision": True}]),
        "metadata_json": st.sampled_from([{"owner": None}, {"a": [1.5, "é"]}]),
    },
)
# Names that fold together, so that renames happen.
LISTING = st.dictionaries(st.sampled_from(["a", "A", "b.c", "b-c", "v/d", "d", "e"]), VALUES, min_size=1, max_size=5)
STEP = st.fixed_dictionaries(
    {
        "listing": LISTING,
        "rule_version": st.sampled_from([1, 2]),
        "overridden": st.dictionaries(
            st.sampled_from(["a", "b.c", "d"]),
            st.sampled_from([["context_length"], ["capabilities.chat", "display_name"]]),
        ),
    }
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=2, max_size=8), misses=st.integers(1, 2))
def test_the_table_as_of_each_listing_is_the_table_that_followed_it(session, provider, steps, misses):
    add_rule(session, provider, "2", activate=True)
    removes_after(session, provider, misses=misses, hours=0)
    snapshots = []
    for hour, step in enumerate(steps):
        write_models(
            session,
            provider.id,
            [model(name, **columns) for name, columns in step["listing"].items()],
            rule_version=step["rule_version"],
            now=hours_later(hour),
            overridden=step["overridden"],
        )
        snapshots.append(_now(session))
    for hour, snapshot in enumerate(snapshots):
        assert _as_of(session, hours_later(hour)) == snapshot
        assert _as_of(session, hours_later(hour + 0.99), "openai") == snapshot
    assert _as_of(session, hours_later(-1)) == []
    session.rollback()


def test_the_past_of_one_provider_is_asked_for_by_its_slug(session, provider, write):
    other = register(session, "anthropic")
    write([model("gpt-4o")])
    write_models(session, other.id, [model("claude")], rule_version=1, now=hours_later(1))
    assert [row.slug for row in _as_of(session, hours_later(2), "anthropic")] == ["anthropic"]
    assert _as_of(session, hours_later(0.5), "anthropic") == []
    assert [row.slug for row in _as_of(session, hours_later(0.5))] == ["openai"]
    assert _as_of(session, hours_later(2), "nobody") == []


def test_a_change_names_the_listing_that_was_read_and_is_not_in_the_way_of_forgetting_it(session, provider, write):
    write([model("a")], raw_response_id=12345)
    assert session.execute(text("SELECT raw_response_id, cause FROM provider_model_change")).all() == [
        (12345, "provider")
    ]


def _causes(result) -> dict[tuple[str, str], tuple[str, set[str]]]:
    return {(change.model_id, change.kind, change.cause): set(change.changed) for change in result.changes}


def test_without_a_reread_changed_values_are_the_rules_doing_and_models_that_come_or_go_the_providers(write):
    write([model("a", display_name="x"), model("b")])
    result = write([model("a", display_name="y"), model("c")], hour=1, cause="rule")
    assert {change.model_id: change.cause for change in result.changes} == {
        "a": "rule",
        "b": "provider",
        "c": "provider",
    }


def test_what_a_new_rule_reads_in_the_previous_listing_is_its_doing_and_the_rest_the_providers(write):
    write(
        [
            model("a", display_name="x", context_length=1),
            model("b", display_name="x"),
            model("c"),
            model("gone"),
            model("hidden"),
        ]
    )
    reread = [
        model("a", display_name="y", context_length=1),
        model("b", display_name="y"),
        model("c"),
        model("gone"),
        model("found"),
    ]
    listed = [
        model("a", display_name="y", context_length=2),
        model("b", display_name="y"),
        model("c"),
        model("found"),
        model("new"),
    ]
    result = write(listed, hour=1, reread=reread)
    assert _causes(result) == {
        ("a", "updated", "rule"): {"display_name"},
        ("a", "updated", "provider"): {"context_length"},
        ("b", "updated", "rule"): {"display_name"},
        ("gone", "missing", "provider"): {"status"},
        ("hidden", "missing", "rule"): {"status"},
        ("found", "added", "rule"): set(),
        ("new", "added", "provider"): set(),
    }
    assert (result.updated, result.created, result.unchanged, result.total_changes) == (2, 2, 1, 7)


def test_a_new_rule_that_misreads_the_previous_listing_causes_no_change(write):
    """For example after a key was renamed: the new rule reads the same values from the new listing only."""
    write([model("a", context_length=5, input_price=2)])
    result = write(
        [model("a", context_length=5, input_price=2)],
        hour=1,
        reread=[model("a", context_length=None, input_price=0.000002)],
    )
    assert (result.changes, result.unchanged) == ((), 1)


def test_a_difference_in_overridden_fields_alone_has_the_override_as_its_cause(write):
    plain = model("a", context_length=5, capabilities={"chat": True}, metadata_json={"x": 1})
    capability = {"capabilities": {"chat": True, "vision": True}, "capability_sources": {"vision": "override"}}
    overridden = model("a", context_length=6, metadata_json={"x": 2}, **capability)
    fields = ["capabilities.vision", "context_length", "metadata_json.x"]
    write([plain])
    begun = write([overridden], hour=1, overridden={"a": fields})
    ended = write([plain], hour=2)
    assert [begun.changes[0].cause, ended.changes[0].cause] == ["override", "override"]
    assert begun.changes[0].changed["overridden_fields"] == [[], fields]


def test_a_difference_in_another_field_besides_is_the_providers(write):
    write([model("a", context_length=5, capabilities={"chat": True})])
    both = model("a", context_length=6, capabilities={"chat": False, "vision": True})
    result = write([both], hour=1, overridden={"a": ["capabilities.vision", "context_length"]})
    assert result.changes[0].cause == "provider"


def test_an_override_that_agrees_with_the_listing_is_still_noted_on_the_row(session, write):
    write([model("a", context_length=5)])
    result = write([model("a", context_length=5)], hour=1, overridden={"a": ["context_length"]})
    assert counts(result) == {"updated": 1}
    assert result.changes[0].changed == {"overridden_fields": [[], ["context_length"]]}
    assert session.scalar(text("SELECT overridden_fields FROM provider_model")) == ["context_length"]
