import pytest
from hypothesis import given, strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from provider_pipeline.catalog import rule_versions
from provider_pipeline.catalog.rule_versions import version_before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rule_version_event SET reason = 'another'",
        "DELETE FROM rule_version_event",
        "TRUNCATE rule_version_event",
    ],
)
def test_what_is_recorded_of_rules_is_never_changed(session, provider, change):
    with pytest.raises(DBAPIError, match="the history of rules is only added to"):
        session.execute(text(change))
    session.rollback()
    assert len(rule_versions.events(session, provider.id)) == 1


@pytest.mark.parametrize(
    ("activated", "rejected", "leads_to"),
    [
        ([], set(), None),
        ([1], set(), None),
        ([1, 2], set(), 1),
        ([1, 3, 2], set(), 3),
        ([1, 2, 3, 2], set(), 1),  # rolled back once: the next step is to 1, not forward to 3
        ([1, 2, 1, 3], set(), 1),
        ([1, 2, 1, 3, 2], set(), 3),
        ([1, 2, 3], {2}, 1),
        ([1, 2], {1}, None),
    ],
)
def test_a_roll_back_leads_to_what_was_active_before(activated, rejected, leads_to):
    assert version_before(activated, rejected) == leads_to


@given(activated=st.lists(st.integers(1, 6), max_size=20), rejected=st.sets(st.integers(1, 6)))
def test_rolling_back_again_and_again_ends_and_meets_no_version_twice(activated, rejected):
    activated, met = list(activated), set(activated[-1:])
    while (version := version_before(activated, rejected)) is not None:
        assert version in activated
        assert version not in met | rejected
        met.add(version)
        activated.append(version)
