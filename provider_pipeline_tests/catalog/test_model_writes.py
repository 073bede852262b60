import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from provider_pipeline.catalog import models
from provider_pipeline.catalog.model_writes import ModelChange
from provider_pipeline.catalog.models import previous_rows
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import (
    FULL,
    NOON,
    add_rule,
    counts,
    hours_later,
    model,
    record_success,
    register,
    removes_after,
    write_models,
)


def test_a_new_model_is_stored_as_it_was_handed_over(session, provider, write):
    rows = [model("gpt-4o", **FULL), model("bare")]
    result = write(rows)
    assert counts(result) == {"created": 2}
    assert result.changes == (ModelChange("bare", "added", {}), ModelChange("gpt-4o", "added", {}))
    assert previous_rows(session, provider.id, ["gpt-4o", "bare", "unknown"]) == {row["model_id"]: row for row in rows}
    stored = models.load(session, provider.id)[1]
    assert {name: stored[name] for name in ("status", "missing_count", "removed_at", "rule_version")} == {
        "status": "active",
        "missing_count": 0,
        "removed_at": None,
        "rule_version": 1,
    }
    assert stored["first_seen_at"] == stored["last_seen_at"] == NOON


def test_writing_the_same_listing_again_touches_no_row(write, row_versions):
    rows = [model(f"model-{number}", **FULL) for number in range(50)]
    write(rows)
    before = row_versions("provider_model"), row_versions("provider_model_change")
    assert counts(write(rows, hour=1)) == {"unchanged": 50}
    assert (row_versions("provider_model"), row_versions("provider_model_change")) == before


def test_a_changed_model_is_updated_and_each_changed_field_is_recorded(session, provider, write, row_versions):
    write([model("a", **FULL), model("b")])
    before = row_versions("provider_model")
    changed = {"context_length": 200_000, "input_price": None, "capabilities": {"chat": True}, "display_name": None}
    result = write([model("a", **{**FULL, **changed}), model("b")], hour=1)
    assert counts(result) == {"updated": 1, "unchanged": 1}
    assert result.changes == (
        ModelChange(
            "a",
            "updated",
            {
                "context_length": [128_000, 200_000],
                "input_price": [0.1 + 0.2, None],
                "capabilities": [{"chat": True, "embedding": False}, {"chat": True}],
                "display_name": ["GPT-4o", None],
            },
        ),
    )
    assert len(before.items() & row_versions("provider_model").items()) == 1
    first, second = models.load(session, provider.id)
    assert (first["first_seen_at"], first["last_seen_at"]) == (NOON, hours_later(1))
    assert second["last_seen_at"] == NOON


def test_a_model_left_out_is_missing_then_removed_after_the_given_number_of_listings(session, provider, write):
    write([model("kept"), model("gone")])
    seen = [counts(write([model("kept")], hour=hour)) for hour in (1, 2, 3, 4)]
    assert seen == [{"unchanged": 1, "missing": 1}, {"unchanged": 1}, {"unchanged": 1, "removed": 1}, {"unchanged": 1}]
    gone = models.load(session, provider.id, status="removed")
    assert [(row["model_id"], row["missing_count"], row["removed_at"]) for row in gone] == [("gone", 3, hours_later(3))]
    changes = session.execute(
        text("SELECT kind, changed FROM provider_model_change WHERE model_id = 'gone' ORDER BY id")
    )
    assert [tuple(row) for row in changes] == [
        ("added", {}),
        ("missing", {"status": ["active", "missing"]}),
        ("removed", {"status": ["missing", "removed"]}),
    ]


def test_a_model_that_is_listed_again_in_time_starts_to_count_anew(write):
    both, one = [model("kept"), model("wavering")], [model("kept")]
    write(both)
    seen = [counts(write(rows, hour=hour)) for hour, rows in enumerate([one, one, both, one, one, one], start=1)]
    assert [counts.get("removed", 0) for counts in seen] == [0, 0, 0, 0, 0, 1]
    assert seen[2] == {"unchanged": 1, "restored": 1}


def test_a_removed_model_that_comes_back_is_restored_with_its_new_values(session, provider, write):
    write([model("kept"), model("back", display_name="old")])
    write([model("kept")], hour=1, removal_after=1)
    result = write([model("kept"), model("back", display_name="new")], hour=2)
    assert counts(result) == {"unchanged": 1, "restored": 1}
    assert result.changes[0] == ModelChange(
        "back", "restored", {"status": ["removed", "active"], "display_name": ["old", "new"]}
    )
    back = models.load(session, provider.id, status="active")[0]
    assert (back["first_seen_at"], back["last_seen_at"], back["removed_at"]) == (NOON, hours_later(2), None)


def test_removal_touches_no_row_but_the_ones_that_left(write, row_versions):
    kept = [model(f"kept-{number}") for number in range(20)]
    write([*kept, model("gone")])
    before = row_versions("provider_model")
    write(kept, hour=1)
    write(kept, hour=2)
    write(kept, hour=3)
    assert len(before.items() & row_versions("provider_model").items()) == 20


def test_the_current_view_knows_when_an_unchanged_model_was_last_seen(session, provider, write):
    def seen():
        query = text("SELECT model_id, slug, last_seen_at FROM provider_model_current ORDER BY model_id")
        return {row.model_id: row.last_seen_at for row in session.execute(query)}

    def accept(rows, hour):
        write(rows, hour=hour)
        record_success(
            session, provider.id, now=hours_later(hour), profile=None, raw_response_id=None, rule_version=1, result={}
        )
        session.commit()

    accept([model("a"), model("b")], 0)
    accept([model("a"), model("b")], 5)
    assert seen() == {"a": hours_later(5), "b": hours_later(5)}
    accept([model("a")], 7)
    assert seen() == {"a": hours_later(7), "b": hours_later(5)}
    accept([model("a")], 9)
    assert seen() == {"a": hours_later(9), "b": hours_later(5)}


def test_one_providers_listing_leaves_anothers_rows_alone(session, provider, write, row_versions):
    other = register(session, "anthropic")
    write_models(session, other.id, [model("claude")], rule_version=1, now=NOON)
    session.commit()
    write([model("gpt-4o"), model("claude", display_name="copy")])
    assert [row["display_name"] for row in models.load(session, other.id)] == [None]
    write([model("gpt-4o")], hour=1, removal_after=1)
    assert [row["status"] for row in models.load(session, other.id)] == ["active"]


def test_duplicate_ids_are_refused_by_name_and_nothing_is_written(session, provider, write):
    write([model("a")])
    with pytest.raises(CatalogError, match=r"2 model id\(s\) come twice in one listing: b, c"):
        write([model("c"), model("b"), model("a"), model("b", display_name="x"), model("c")])
    session.rollback()
    assert [row["model_id"] for row in models.load(session, provider.id)] == ["a"]


@pytest.mark.parametrize("second", [model("a"), model("a", display_name="x")], ids=["same", "changed"])
@pytest.mark.parametrize("known", [[], [model("a")], [model("b")]], ids=["first", "known", "new"])
def test_an_id_that_comes_twice_is_refused_whatever_the_table_has(session, provider, write, known, second):
    if known:
        write(known)
    with pytest.raises(CatalogError, match=r"twice in one listing: .*\ba\b"):
        write([model("a"), second])
    session.rollback()
    assert len(models.load(session, provider.id)) == len(known)


def test_an_empty_listing_cannot_replace_active_models(session, provider, write):
    assert counts(write([])) == {}
    write([model("a")])
    with pytest.raises(CatalogError, match="an empty listing"):
        write([], hour=1)
    session.rollback()
    assert [row["status"] for row in models.load(session, provider.id)] == ["active"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"input_price": -0.1}, "input_price_amount"),
        ({"output_price": float("nan")}, "output_price_amount"),
        ({"output_price": float("inf")}, "output_price_amount"),
        ({"context_length": 0}, "context_length_positive"),
        ({"max_output_tokens": -1}, "max_output_tokens_positive"),
    ],
)
def test_a_value_no_model_can_have_is_refused_by_the_database(session, provider, write, columns, reason):
    write([model("a")])
    with pytest.raises(Exception, match=reason):
        write([model("a"), model("b", **{"prices": {}, **columns})], hour=1)
    session.rollback()
    assert [row["model_id"] for row in models.load(session, provider.id)] == ["a"]


@pytest.mark.parametrize(
    "columns", [{"display_name": "nul \x00"}, {"display_name": "half \ud800"}, {"metadata_json": {"x": float("nan")}}]
)
def test_a_value_postgresql_cannot_hold_is_refused_in_one_line(session, provider, write, columns):
    with pytest.raises(CatalogError) as caught:
        write([{**model("b"), **columns}])
    assert "\n" not in str(caught.value)
    session.rollback()


@pytest.mark.parametrize(
    "text", ["", " ", "null", "NULL", 'a"b', "a\\b", "a,b", "{a}", "a'b", "tab\there", "two\nlines", "ü"]
)
def test_texts_arrive_as_they_are_in_arrays_and_documents(session, provider, write, text):
    document = {text: [text, None, 1.5, 10**30, {"null": "null"}]}
    write([model("a", input_modalities=[text, "z"], output_modalities=[], metadata_json=document)])
    (row,) = models.load(session, provider.id)
    assert (row["input_modalities"], row["output_modalities"]) == ([text, "z"], [])
    assert row["metadata_json"] == document


def test_an_error_while_the_listing_arrives_is_passed_on_and_leaves_the_rows(session, provider, write, row_versions):
    write([model("a")])
    before = row_versions("provider_model")

    def interrupted():
        yield model("b")
        raise TimeoutError("the provider stopped answering")

    with pytest.raises(TimeoutError, match="stopped answering"):
        write(interrupted(), hour=1)
    session.rollback()
    assert row_versions("provider_model") == before
    assert counts(write([model("a")], hour=1)) == {"unchanged": 1}


def test_a_rolled_back_write_only_had_a_look(session, provider, write, row_versions):
    write([model("a")])
    before = row_versions("provider_model")
    result = write_models(session, provider.id, [model("a", display_name="x"), model("b")], rule_version=1, now=NOON)
    session.rollback()
    assert counts(result) == {"created": 1, "updated": 1}
    assert row_versions("provider_model") == before


def test_two_writes_in_one_transaction_do_not_mix(session, provider):
    other = register(session, "anthropic")
    first = write_models(session, provider.id, [model("a"), model("b")], rule_version=1, now=NOON)
    second = write_models(session, other.id, [model("b"), model("c")], rule_version=1, now=NOON)
    session.commit()
    assert counts(first) == counts(second) == {"created": 2}
    assert [row["model_id"] for row in models.load(session, other.id)] == ["b", "c"]


@pytest.mark.parametrize(
    "taking_away", ["DELETE FROM provider_model", "UPDATE provider_model SET model_id = 'b'"], ids=["delete", "rename"]
)
def test_a_model_with_a_history_cannot_be_taken_away_from_under_it(session, write, taking_away):
    write([model("a")])
    with pytest.raises(IntegrityError, match="a of provider 1 has a history"):
        session.execute(text(taking_away))
    session.rollback()
    session.execute(text("DELETE FROM provider_model_change"))
    session.execute(text(taking_away))


def test_the_rows_remember_the_rule_version_that_last_wrote_them(session, provider, write):
    write([model("a"), model("b")])
    add_rule(session, provider, "2", activate=True)
    write_models(session, provider.id, [model("a"), model("b", display_name="x")], rule_version=2, now=hours_later(1))
    session.commit()
    assert [row["rule_version"] for row in models.load(session, provider.id)] == [1, 2]


def test_of_many_changes_the_first_fifty_are_returned_by_model_id(write):
    names = [f"model-{number:03}" for number in range(120)]
    result = write([model(name) for name in reversed(names)])
    assert result.total_changes == 120
    assert [change.model_id for change in result.changes] == names[:50]


def test_a_listing_of_more_models_than_are_compared_before_they_are_sent_is_written_all_the_same(write, monkeypatch):
    monkeypatch.setattr("provider_pipeline.catalog.model_writes._MAX_COMPARED", 2)
    write([model("a"), model("b"), model("c")])
    result = write([model("A"), model("b"), model("c", context_length=5)], hour=1)
    assert counts(result) == {"unchanged": 1, "renamed": 1, "updated": 1, "missing": 1}


def test_a_listing_of_many_models_is_read_once_and_not_kept(write):
    alive = 0
    most = 0

    class Row(dict):
        def __init__(self, *arguments):
            nonlocal alive, most
            super().__init__(*arguments)
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    assert counts(write(Row(model(f"model-{number}")) for number in range(5_000))) == {"created": 5_000}
    assert most < 10


LISTING = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([None, "x", "y"]), min_size=1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listings=st.lists(LISTING, min_size=1, max_size=7), removal_after=st.integers(1, 3))
def test_any_sequence_of_listings_gives_the_table_a_dict_would(session, provider, listings, removal_after):
    expected: dict[str, dict] = {}
    removes_after(session, provider, misses=removal_after, hours=0)
    for hour, listing in enumerate(listings):
        before = {name: dict(entry) for name, entry in expected.items()}
        for name, shown in listing.items():
            entry = expected.setdefault(name, {"first": hour})
            entry.update(display_name=shown, status="active", misses=0)
        for name in expected.keys() - listing.keys():
            entry = expected[name]
            if entry["status"] != "removed":
                entry["misses"] += 1
                entry["status"] = "removed" if entry["misses"] >= removal_after else "missing"
        moved = [name for name in expected if before.get(name, {}).get("status") != expected[name]["status"]]
        result = write_models(
            session,
            provider.id,
            (model(name, display_name=shown) for name, shown in listing.items()),
            rule_version=1,
            now=hours_later(hour),
        )
        assert counts(result) == {
            kind: count
            for kind, count in {
                "created": len(expected) - len(before),
                "restored": len([name for name in moved if name in before and name in listing]),
                "updated": len(
                    [n for n in listing if n in before and n not in moved and before[n]["display_name"] != listing[n]]
                ),
                "unchanged": len(
                    [n for n in listing if n in before and n not in moved and before[n]["display_name"] == listing[n]]
                ),
                "missing": len([name for name in moved if expected[name]["status"] == "missing"]),
                "removed": len([name for name in moved if expected[name]["status"] == "removed"]),
            }.items()
            if count
        }
        stored = {
            row["model_id"]: {
                "display_name": row["display_name"],
                "status": row["status"],
                "misses": row["missing_count"],
                "first": (row["first_seen_at"] - NOON).total_seconds() / 3600,
            }
            for row in models.load(session, provider.id)
        }
        assert stored == expected  # no model ever leaves the table
    session.rollback()


def test_a_write_reads_the_models_of_its_own_provider_only(session, provider, write):
    other = register(session, "anthropic")
    session.execute(
        text(
            "INSERT INTO provider_model (provider_id, model_id, capabilities, capability_sources, metadata_json, "
            "meta_hash, first_seen_at, last_seen_at, rule_version) "
            "SELECT :other, 'claude-' || number, '{}', '{}', '{}', repeat('0', 64), now(), now(), 1 "
            "FROM generate_series(1, 20000) AS number"
        ),
        {"other": other.id},
    )
    write([model("a"), model("b")])
    session.execute(text("ANALYZE provider_model"))
    session.commit()
    write_models(session, provider.id, [model("a", display_name="x"), model("c")], rule_version=1, now=hours_later(1))
    reads = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'provider_model'")
    assert session.scalar(reads) < 100


def test_another_family_of_an_id_is_written_and_is_no_change(session, provider, write):
    write([model("a", family="claude"), model("b", family="claude")])
    result = write([model("a", family="claude-sonnet"), model("b", family="claude")], hour=1)
    assert counts(result) == {"unchanged": 2}
    assert result.changes == ()
    assert [row["family"] for row in models.load(session, provider.id)] == ["claude-sonnet", "claude"]


def test_a_family_that_a_person_sets_is_a_change(write):
    write([model("a", family="claude")])
    (change,) = write([model("a", family="own")], hour=1, overridden={"a": ["family"]}).changes
    assert (change.changed["family"], change.cause) == (["claude", "own"], "override")
