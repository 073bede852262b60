"""A renamed model, as opposed to one that left and another that came."""

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import models
from provider_pipeline.catalog.model_writes import ModelChange
from provider_pipeline_tests.catalog.builders import NOON, counts, hours_later, model

TELLING = {"family": "qwen", "context_length": 32_768, "input_price": 0.5, "output_price": 1.5}
OTHERS = [model("other-1", family="gpt"), model("other-2", family="gpt")]


def _rows(session, provider) -> dict[str, dict]:
    return {row["model_id"]: row for row in models.load(session, provider.id)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Qwen2-Chat", "qwen2-chat"),
        ("qwen2_chat", "qwen2-chat"),
        ("qwen 2.5:chat", "Qwen_2-5.Chat"),
    ],
)
def test_an_id_that_changed_in_case_or_punctuation_alone_is_a_renamed_model(session, provider, write, old, new):
    write([*OTHERS, model(old, context_length=1000)])
    result = write([*OTHERS, model(new, context_length=2000)], hour=1)
    assert counts(result) == {"unchanged": 2, "renamed": 1, "missing": 1}
    assert set(map(str, result.changes)) == {
        str(ModelChange(new, "renamed", {"model_id": [old, new], "context_length": [1000, 2000]})),
        str(ModelChange(old, "missing", {"status": ["active", "missing"], "renamed_to": [None, new]})),
    }
    rows = _rows(session, provider)
    assert (rows[new]["renamed_from"], rows[new]["first_seen_at"], rows[new]["last_seen_at"]) == (
        old,
        NOON,
        hours_later(1),
    )
    assert (rows[old]["renamed_to"], rows[old]["status"]) == (new, "missing")


def test_the_old_row_of_a_renamed_model_is_removed_as_any_other(session, provider, write):
    write([*OTHERS, model("A")])
    seen = [counts(write([*OTHERS, model("a")], hour=hour)) for hour in (1, 2, 3)]
    assert seen[2] == {"unchanged": 3, "removed": 1}
    assert (_rows(session, provider)["A"]["status"], _rows(session, provider)["A"]["renamed_to"]) == ("removed", "a")


def test_an_old_name_that_is_listed_again_is_renamed_to_nothing(session, provider, write):
    write([*OTHERS, model("A")])
    write([*OTHERS, model("a")], hour=1)
    result = write([*OTHERS, model("a"), model("A")], hour=2)
    assert result.changes == (
        ModelChange("A", "restored", {"status": ["missing", "active"], "renamed_to": ["a", None]}),
    )
    rows = _rows(session, provider)
    assert (rows["A"]["renamed_to"], rows["a"]["renamed_from"]) == (None, "A")


@pytest.mark.parametrize(("old", "new"), [("qwen/Qwen2", "qwen2"), ("qwen2", "vendor/models/qwen2")])
def test_a_vendor_prefix_that_comes_or_goes_is_a_rename_if_the_metadata_are_the_same(write, old, new):
    write([*OTHERS, model(old, context_length=10)])
    assert counts(write([*OTHERS, model(new, context_length=10)], hour=1))["renamed"] == 1


@pytest.mark.parametrize(
    ("old", "new", "length"), [("qwen/qwen2", "qwen2", 20), ("qwen/qwen2", "other/qwen2", 10), ("q/qwen2", "qwen3", 10)]
)
def test_another_vendor_other_metadata_or_another_name_is_no_rename(write, old, new, length):
    write([*OTHERS, model(old, context_length=10)])
    assert counts(write([*OTHERS, model(new, context_length=length)], hour=1)) == {
        "unchanged": 2,
        "created": 1,
        "missing": 1,
    }


def test_the_same_telling_metadata_under_another_name_are_a_renamed_model(session, provider, write):
    write([*OTHERS, model("qwen2-chat", display_name="Qwen 2", **TELLING)])
    result = write([*OTHERS, model("qwen2-instruct", display_name="Qwen 2 I", **TELLING)], hour=1)
    assert counts(result) == {"unchanged": 2, "renamed": 1, "missing": 1}
    assert result.changes[1].changed == {
        "model_id": ["qwen2-chat", "qwen2-instruct"],
        "display_name": ["Qwen 2", "Qwen 2 I"],
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(model("a-chat", context_length=10), model("b-chat", context_length=10), id="too little to tell"),
        pytest.param(model("a", **TELLING), model("b", **TELLING | {"input_price": 0.6}), id="another price"),
        pytest.param(
            model("a", **TELLING, metadata_json={"created": 1}),
            model("b", **TELLING, metadata_json={"created": 2}),
            id="another date",
        ),
        pytest.param(model("qwen-7b", **TELLING), model("qwen-72b", **TELLING), id="another size"),
        pytest.param(model("q-2024-05-13", **TELLING), model("q-2024-08-06", **TELLING), id="another version"),
    ],
)
def test_metadata_that_differ_or_tell_little_are_no_rename(write, old, new):
    write([*OTHERS, old])
    assert "renamed" not in counts(write([*OTHERS, new], hour=1))


def test_metadata_that_a_third_model_shares_are_no_rename(write):
    write([model("a", **TELLING), model("c", **TELLING)])
    assert "renamed" not in counts(write([model("b", **TELLING), model("c", **TELLING)], hour=1))


def test_metadata_that_a_server_states_of_all_its_models_are_no_rename(write):
    same = {name: value for name, value in TELLING.items() if name != "family"}
    third = model("gpt-4o", family="gpt-4o", capabilities={"vision": True}, **same)
    write([model("claude-sonnet", family="claude", **same), third])
    assert "renamed" not in counts(write([model("claude-opus", family="claude", **same), third], hour=1))


@pytest.mark.parametrize(
    ("before", "after"), [(["A.b", "A_b"], ["a-b"]), (["A.b"], ["a-b", "a_b"]), (["A.b", "A_b"], ["a-b", "a:b"])]
)
def test_a_pairing_that_is_not_unique_both_ways_is_no_rename(write, before, after):
    write([*OTHERS, *map(model, before)])
    assert "renamed" not in counts(write([*OTHERS, *map(model, after)], hour=1))


def test_the_name_counts_before_the_metadata(session, provider, write):
    write([*OTHERS, model("Alpha", **TELLING), model("beta", family="x")])
    write([*OTHERS, model("alpha", family="y"), model("gamma", **TELLING)], hour=1)
    rows = _rows(session, provider)
    assert (rows["alpha"]["renamed_from"], rows["gamma"]["renamed_from"]) == ("Alpha", None)


def test_only_a_model_that_was_active_till_now_can_have_been_renamed(write):
    write([*OTHERS, model("A")])
    write(OTHERS, hour=1)
    assert counts(write([*OTHERS, model("a")], hour=2))["created"] == 1


def test_a_rename_that_a_new_rule_finds_in_a_known_listing_has_the_rule_as_its_cause(session, provider, write):
    write([*OTHERS, model("vendor/a"), model("vendor/b")])
    result = write([*OTHERS, model("a"), model("b")], hour=1, reread=[*OTHERS, model("a")])
    assert {(change.model_id, change.kind): change.cause for change in result.changes} == {
        ("a", "renamed"): "rule",
        ("vendor/a", "missing"): "rule",
        ("b", "renamed"): "provider",
        ("vendor/b", "missing"): "provider",
    }
    assert _rows(session, provider)["vendor/a"]["renamed_to"] == "a"


def test_a_thousand_names_that_change_at_once_are_a_thousand_renames(session, provider, write):
    write([model(f"Vendor/Model-{number}") for number in range(1000)])
    result = write([model(f"model_{number}") for number in range(1000)], hour=1)
    assert counts(result) == {"renamed": 1000, "missing": 1000}
    wrong = text(
        "SELECT count(*) FROM provider_model WHERE lower(renamed_from) <> 'vendor/' || translate(model_id, '_', '-')"
    )
    assert session.scalar(wrong) == 0
