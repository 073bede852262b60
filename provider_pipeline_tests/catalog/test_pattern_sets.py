"""The contents of the pattern set: one is active, others wait, and none is ever changed."""

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.capability_rules import PatternSet, shipped

OLD = PatternSet.of({"chat": ["gpt-.*"]})


def store_old(session: Session) -> None:
    """Another package's content, as the active one."""
    session.execute(
        insert(catalog.tables.pattern_set).values(
            digest=OLD.digest, name="shipped", patterns={"chat": ["gpt-.*"]}, package_version="0.0", status="active"
        )
    )
    session.execute(
        insert(catalog.tables.pattern_set_event).values(digest=OLD.digest, status="active", reason="the first")
    )
    session.commit()


def test_without_any_stored_the_packages_own_set_is_active(session: Session):
    assert catalog.sync_state.active_patterns(session) is shipped()


def test_the_first_set_becomes_active_by_itself_and_is_stored_once(session: Session):
    assert [catalog.pattern_sets.note_shipped(session) for _ in range(2)] == [True, False]
    (stored,) = catalog.pattern_sets.list_pattern_sets(session)
    assert (stored.digest, stored.status, stored.report) == (shipped().digest, "active", None)
    assert catalog.sync_state.active_patterns(session) == shipped()


def test_a_package_with_other_patterns_stores_them_as_a_candidate_and_goes_on_with_the_active_ones(session: Session):
    store_old(session)
    assert catalog.pattern_sets.note_shipped(session)
    active = catalog.sync_state.active_patterns(session)
    assert (active.digest, dict(active.patterns)) == (OLD.digest, {"chat": ("gpt-.*",)})
    assert catalog.pattern_sets.find(session).digest == shipped().digest
    assert active.own("chat", ["acme-.*", shipped().patterns["chat"][0]]) == ("acme-.*",)


def test_activating_and_rolling_back_are_recorded_with_who_and_why(session: Session):
    store_old(session)
    catalog.pattern_sets.note_shipped(session)
    catalog.pattern_sets.activate(session, shipped().digest, reason="looks right", created_by_id=7)
    assert catalog.sync_state.active_patterns(session).digest == shipped().digest
    assert catalog.pattern_sets.roll_back(session, reason="it does not") == OLD.digest
    events = session.execute(
        text("SELECT digest = :old AS old, status, reason, created_by_id FROM pattern_set_event ORDER BY id"),
        {"old": OLD.digest},
    ).all()
    short, back = shipped().digest[:12], OLD.digest[:12]
    assert [tuple(each) for each in events[2:]] == [
        (True, "retired", f"{short} took over: looks right", 7),
        (False, "active", "looks right", 7),
        (False, "retired", f"{back} took over: it does not", None),
        (True, "active", "it does not", None),
    ]
    with pytest.raises(CatalogError, match="no pattern set was active before"):
        catalog.pattern_sets.roll_back(session, reason="again")


@pytest.mark.parametrize("digits", ["", "zzz"])
def test_a_digest_that_several_or_no_sets_have_is_refused(session: Session, digits: str):
    store_old(session)
    catalog.pattern_sets.note_shipped(session)
    with pytest.raises(CatalogError, match=r"(2|no) pattern sets have a digest that begins with"):
        catalog.pattern_sets.find(session, digits)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pattern_set SET patterns = '{}'",
        "DELETE FROM pattern_set",
        "TRUNCATE pattern_set CASCADE",
        "UPDATE pattern_set_event SET reason = ''",
    ],
)
def test_neither_contents_nor_their_history_can_be_changed(session: Session, change: str):
    catalog.pattern_sets.note_shipped(session)
    with pytest.raises(IntegrityError, match=r"immutable|append-only"):
        session.execute(text(change))
