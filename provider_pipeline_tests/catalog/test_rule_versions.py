from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from provider_pipeline.catalog import (
    StoredRuleVersion,
    activate_rule,
    active_rule,
    add_provider,
    add_rule_version,
    get_provider,
)
from provider_pipeline.errors import RuleMissingError


def _add(session, provider, digit: str, **options) -> int:
    values = {
        "model_list_config": {"selector": digit},
        "endpoints_config": {"chat": {"patterns": {"regex": [digit]}}},
        "metadata": {"sample_model_count": 2},
        "sample_id": None,
        "origin": "generated",
        "activate": True,
        **options,
    }
    return add_rule_version(session, provider.id, digest=digit * 64, **values)


def test_the_active_rule_is_the_one_activated_last(session, provider):
    assert _add(session, provider, "2") == 2
    assert _add(session, provider, "3", activate=False) == 3
    assert active_rule(session, provider.id) == StoredRuleVersion(
        version=2,
        model_list_config={"selector": "2"},
        endpoints_config={"chat": {"patterns": {"regex": ["2"]}}},
        metadata={"sample_model_count": 2},
        digest="2" * 64,
        sample_id=None,
        origin="generated",
    )
    activate_rule(session, provider.id, 3)
    assert active_rule(session, provider.id).version == get_provider(session, "openai").active_rule_version == 3


def test_provider_metadata_holds_a_copy_of_the_active_rule(session, provider):
    _add(session, provider, "2")
    query = "SELECT version, model_list_config, endpoints_config FROM provider_metadata"
    assert tuple(session.execute(text(query)).one()) == (2, {"selector": "2"}, {"chat": {"patterns": {"regex": ["2"]}}})
    activate_rule(session, provider.id, 1)
    assert session.execute(text(query)).one().model_list_config["selector"] == "data[*]"


def test_the_same_rule_keeps_its_version_and_touches_no_row(session, provider, row_versions):
    _add(session, provider, "2")
    session.commit()
    before = row_versions("rule_version"), row_versions("provider_metadata")
    assert _add(session, provider, "2", metadata={"made": "again"}, origin="imported") == 2
    session.commit()
    assert (row_versions("rule_version"), row_versions("provider_metadata")) == before


@pytest.mark.parametrize(
    "change",
    ["UPDATE rule_version SET origin = 'edited'", "DELETE FROM rule_version", "UPDATE rule_version SET version = 9"],
)
def test_a_stored_version_can_be_neither_changed_nor_deleted(session, provider, change):
    with pytest.raises(DBAPIError, match="a rule version is immutable"):
        session.execute(text(change))
    session.rollback()
    assert active_rule(session, provider.id).version == 1


def test_versions_are_counted_without_gaps_when_two_writers_add_at_once(database, session, provider):
    def add(digit: str) -> int:
        with database.session() as own, own.begin():
            return _add(own, provider, digit)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(add, "2345")) == [2, 3, 4, 5]


def test_a_provider_without_a_rule_is_answered_with_what_to_run(session):
    added = add_provider(session, slug="new", name="New", base_url="https://x.example", auth_config={"type": "none"})
    with pytest.raises(RuleMissingError) as caught:
        active_rule(session, added.id)
    assert str(caught.value) == (
        "provider 'new' has no active extraction rule (run: provider-pipeline rules generate new)"
    )


def test_a_version_that_does_not_exist_cannot_be_activated(session, provider):
    with pytest.raises(RuleMissingError, match="provider 'openai' has no rule version 7"):
        activate_rule(session, provider.id, 7)
    assert active_rule(session, provider.id).version == 1
