import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from provider_pipeline.catalog import providers, rule_versions
from provider_pipeline.catalog.rule_versions import activate_rule, list_rule_versions, previous_active_version
from provider_pipeline.catalog.tasks import open_rule_gen_task
from provider_pipeline.errors import CatalogError, NoSuchEntryError, RuleMissingError
from provider_pipeline_tests.catalog.builders import NOON, add_rule, model, write_models


def test_the_active_rule_is_the_one_activated_last(session, provider):
    assert add_rule(session, provider, "2") == 2
    assert add_rule(session, provider, "3", activate=False) == 3
    active = dataclasses.asdict(rule_versions.active(session, provider.id))
    assert active.pop("created_at") is not None
    assert active == {
        "version": 2,
        "model_list_config": {"selector": "2"},
        "endpoints_config": {"chat": {"patterns": {"regex": ["2"]}}},
        "metadata": {"sample_model_count": 2},
        "digest": "2" * 64,
        "sample_id": None,
        "origin": "generated",
        "parent_version": 1,
        "author": "generator",
        "created_by_id": None,
        "status": "active",
    }
    activate_rule(session, provider.id, 3, reason="better")
    assert rule_versions.active(session, provider.id).version == 3
    assert providers.get(session, "openai").active_rule_version == 3


def test_provider_metadata_holds_a_copy_of_the_active_rule(session, provider):
    add_rule(session, provider, "2")
    query = "SELECT version, model_list_config, endpoints_config FROM provider_metadata"
    assert tuple(session.execute(text(query)).one()) == (2, {"selector": "2"}, {"chat": {"patterns": {"regex": ["2"]}}})
    activate_rule(session, provider.id, 1, reason="back")
    assert session.execute(text(query)).one().model_list_config["selector"] == "data[*]"


def test_the_same_rule_keeps_its_version_and_touches_no_row(session, provider, row_versions):
    add_rule(session, provider, "2")
    session.commit()
    before = row_versions("rule_version"), row_versions("provider_metadata")
    assert add_rule(session, provider, "2", metadata={"made": "again"}, origin="imported") == 2
    session.commit()
    assert (row_versions("rule_version"), row_versions("provider_metadata")) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rule_version SET origin = 'edited'",
        "DELETE FROM rule_version",
        "UPDATE rule_version SET version = 9",
        "UPDATE rule_version SET parent_version = NULL, author = 'person'",
        "UPDATE rule_version SET status = 'retired', endpoints_config = '{\"chat\": {}}'",
        "UPDATE rule_version SET model_list_config = jsonb_set(model_list_config, '{selector}', '\"x\"')",
    ],
)
def test_a_stored_version_can_be_neither_changed_nor_deleted(session, provider, change):
    with pytest.raises(DBAPIError, match="a rule version is immutable"):
        session.execute(text(change))
    session.rollback()
    assert rule_versions.active(session, provider.id).version == 1


_ADDED = "provider_id, model_id || '-2', meta_hash, first_seen_at, last_seen_at"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provider_model SET rule_version = 9 WHERE model_id = 'b'",
        "UPDATE provider_model_change SET rule_version = 9 WHERE model_id = 'b'",
        "INSERT INTO provider_model (provider_id, model_id, meta_hash, first_seen_at, last_seen_at, rule_version) "
        f"SELECT {_ADDED}, CASE model_id WHEN 'b' THEN 9 ELSE 1 END FROM provider_model",
        "INSERT INTO provider_model_change (provider_id, model_id, kind, changed_at, rule_version) "
        "SELECT provider_id, model_id, 'missing', now(), CASE model_id WHEN 'b' THEN 9 ELSE 1 END FROM provider_model",
    ],
)
def test_neither_a_model_nor_a_change_names_a_version_that_is_not_there(session, provider, statement):
    write_models(session, provider.id, [model("a"), model("b")], now=NOON, rule_version=1)
    session.commit()
    with pytest.raises(IntegrityError, match=f"provider {provider.id} has no rule version 9"):
        session.execute(text(statement))
    session.rollback()
    session.execute(text(statement.replace("9", "1")))


def test_the_versions_that_rows_name_cannot_be_emptied_away(session, provider):
    write_models(session, provider.id, [model("a")], now=NOON, rule_version=1)
    session.commit()
    with pytest.raises(DBAPIError, match="cannot truncate"):
        session.execute(text("TRUNCATE rule_version"))
    session.rollback()
    with pytest.raises(DBAPIError, match="rule versions are never deleted"):
        session.execute(text("TRUNCATE rule_version CASCADE"))


def test_versions_are_counted_without_gaps_when_two_writers_add_at_once(database, session, provider):
    def add(digit: str) -> int:
        with database.session() as own, own.begin():
            return add_rule(own, provider, digit)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(add, "2345")) == [2, 3, 4, 5]


def test_a_provider_without_a_rule_is_answered_with_what_to_run(session):
    added = providers.add(session, slug="new", name="New", base_url="https://x.example", auth_config={"type": "none"})
    with pytest.raises(RuleMissingError) as caught:
        rule_versions.active(session, added.id)
    assert str(caught.value) == (
        "provider 'new' has no active extraction rule (run: provider-pipeline rules generate new)"
    )


def test_a_version_that_does_not_exist_cannot_be_activated(session, provider):
    with pytest.raises(NoSuchEntryError, match="provider 'openai' has no rule version 7"):
        activate_rule(session, provider.id, 7, reason="why not")
    assert rule_versions.active(session, provider.id).version == 1


def _statuses(session, provider) -> dict[int, str]:
    return {each.version: each.status for each in list_rule_versions(session, provider.id)}


def _events(session, provider) -> list[tuple]:
    return [(event.version, event.status, event.reason) for event in rule_versions.events(session, provider.id)]


def test_activation_retires_the_version_before_and_says_why(session, provider):
    add_rule(session, provider, "2", activate=False, reason="found more fields")
    task = open_rule_gen_task(session, provider.id, raw_response_id=None, issues=[])
    why = {"reason": "fits the new shape", "created_by_id": 7, "scores": {"agreement": 0.99}, "task_id": task.id}
    activate_rule(session, provider.id, 2, **why)
    session.commit()
    assert _statuses(session, provider) == {1: "retired", 2: "active"}
    assert _events(session, provider) == [
        (1, "active", "generated"),
        (2, "candidate", "found more fields"),
        (1, "retired", "version 2 took over: fits the new shape"),
        (2, "active", "fits the new shape"),
    ]
    (_, decided) = rule_versions.events(session, provider.id, version=2)
    assert {name: getattr(decided, name) for name in why} == why


def test_activating_the_active_version_again_records_nothing_and_touches_no_row(session, provider, row_versions):
    before = row_versions("rule_version"), row_versions("provider_metadata"), row_versions("rule_version_event")
    activate_rule(session, provider.id, 1, reason="again")
    session.commit()
    assert (
        row_versions("rule_version"),
        row_versions("provider_metadata"),
        row_versions("rule_version_event"),
    ) == before


def test_a_version_knows_its_author_and_the_version_it_was_to_replace(session, provider):
    add_rule(session, provider, "2", author="agent", created_by_id=11, activate=False, status="needs_review")
    add_rule(session, provider, "3", author="person", created_by_id=7)
    add_rule(session, provider, "4", activate=False)
    session.commit()
    told = [
        (each.version, each.parent_version, each.author, each.created_by_id, each.status)
        for each in list_rule_versions(session, provider.id)
    ]
    assert told == [
        (1, None, "generator", None, "retired"),
        (2, 1, "agent", 11, "needs_review"),
        (3, 1, "person", 7, "active"),
        (4, 3, "generator", None, "candidate"),
    ]
    assert [each.version for each in list_rule_versions(session, provider.id, status="needs_review")] == [2]


def test_a_rejected_rule_that_is_generated_again_stays_rejected_until_it_is_activated(session, provider):
    add_rule(session, provider, "2", activate=False)
    rule_versions.set_status(session, provider.id, 2, "rejected", reason="reads the wrong list", created_by_id=7)
    assert add_rule(session, provider, "2", activate=False) == 2
    assert rule_versions.get(session, provider.id, 2).status == "rejected"
    activate_rule(session, provider.id, 2, reason="it was right after all", created_by_id=8)
    session.commit()
    assert [status for version, status, _ in _events(session, provider) if version == 2] == [
        "candidate",
        "rejected",
        "active",
    ]


def test_a_status_that_is_given_twice_is_recorded_once(session, provider):
    add_rule(session, provider, "2", activate=False)
    for _ in range(2):
        rule_versions.set_status(session, provider.id, 2, "needs_review", reason="two lists look alike")
    assert len(rule_versions.events(session, provider.id, version=2)) == 2


def test_only_activation_makes_a_version_active_or_takes_that_from_it(session, provider):
    add_rule(session, provider, "2", activate=False)
    for status in ("active", "retired", "splendid"):
        with pytest.raises(CatalogError, match=f"cannot be given the status '{status}'"):
            rule_versions.set_status(session, provider.id, 2, status, reason="x")
    with pytest.raises(CatalogError, match="rule version 1 is the active one"):
        rule_versions.set_status(session, provider.id, 1, "rejected", reason="x")
    with pytest.raises(NoSuchEntryError, match="no rule version 9"):
        rule_versions.set_status(session, provider.id, 9, "rejected", reason="x")
    with pytest.raises(CatalogError, match="cannot be given the status 'active'"):
        add_rule(session, provider, "3", activate=False, status="active")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rule_version SET status = 'active' WHERE version = 2",
        "UPDATE rule_version SET status = 'retired' WHERE version = 1",
        "UPDATE provider_metadata SET version = 2",
    ],
)
def test_the_pointer_and_the_status_cannot_disagree_even_by_hand(session, provider, change):
    add_rule(session, provider, "2", activate=False)
    session.commit()
    with pytest.raises(DBAPIError, match=r"points at rule version|rule_version_one_active_idx"):
        session.execute(text(change))
        session.commit()
    session.rollback()
    assert _statuses(session, provider) == {1: "active", 2: "candidate"}
    assert providers.get(session, "openai").active_rule_version == 1


def test_exactly_one_version_is_active_when_many_activate_at_once(database, session, provider):
    for digit in "2345":
        add_rule(session, provider, digit, activate=False)
    session.commit()

    def activate(version: int) -> None:
        for _ in range(5):
            with database.session() as own, own.begin():
                activate_rule(own, provider.id, version, reason=f"by thread {version}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(activate, [2, 3, 4, 5]))
    statuses = _statuses(session, provider)
    assert sorted(statuses.values()) == ["active", "retired", "retired", "retired", "retired"]
    assert statuses[providers.get(session, "openai").active_rule_version] == "active"
    changes = [status for _, status, _ in _events(session, provider) if status in ("active", "retired")]
    assert changes == ["active", *["retired", "active"] * (len(changes) // 2)]


def test_a_roll_back_restores_the_rule_and_the_pointers_step_by_step(session, provider):
    columns = "version, model_list_config, endpoints_config"
    copy = text(f"SELECT {columns} FROM provider_metadata")
    copies = [tuple(session.execute(copy).one())]
    for digit in "23":
        add_rule(session, provider, digit)
        copies.append(tuple(session.execute(copy).one()))
    session.commit()
    for version in (2, 1):
        assert previous_active_version(session, provider.id) == version
        assert rule_versions.roll_back(session, provider.id, reason="prices were wrong", created_by_id=7) == version
        session.commit()
        assert tuple(session.execute(copy).one()) == copies[version - 1]
        assert rule_versions.active(session, provider.id).version == version
    assert _statuses(session, provider) == {1: "active", 2: "retired", 3: "retired"}
    with pytest.raises(RuleMissingError, match=r"no earlier rule version .*rules versions openai"):
        rule_versions.roll_back(session, provider.id, reason="further")


def test_a_roll_back_passes_over_a_rejected_version(session, provider):
    for digit in "23":
        add_rule(session, provider, digit)
    rule_versions.set_status(session, provider.id, 2, "rejected", reason="never again")
    assert rule_versions.roll_back(session, provider.id, reason="x") == 1
