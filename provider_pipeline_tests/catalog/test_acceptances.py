import pytest

from provider_pipeline.catalog import acceptances
from provider_pipeline_tests.catalog.builders import NOON, register


def test_a_decision_is_recorded_with_who_and_why_and_which_listing_was_taken(session, provider):
    first = acceptances.record(
        session,
        provider.id,
        kinds=["prices_jumped", "listing_shrunk", "prices_jumped"],
        reason="they told us",
        author="ada",
        created_by_id=7,
        raw_response_id=12,
        used_at=NOON,
    )
    (found,) = acceptances.find(session, slug="openai")
    assert (found.id, found.kinds, found.reason, found.author, found.created_by_id) == (
        first,
        ["listing_shrunk", "prices_jumped"],
        "they told us",
        "ada",
        7,
    )
    assert (found.raw_response_id, found.used_at) == (12, NOON)


def test_decisions_come_newest_first_and_by_provider(session, provider):
    other = register(session, "anthropic")
    ids = [
        acceptances.record(session, each.id, kinds=["listing_shrunk"], reason="x", used_at=NOON)
        for each in (provider, other, provider)
    ]
    assert [each.id for each in acceptances.find(session)] == ids[::-1]
    assert [each.id for each in acceptances.find(session, slug="anthropic")] == [ids[1]]


@pytest.mark.parametrize("wrong", [{"kinds": []}, {"reason": ""}])
def test_a_decision_without_a_kind_or_a_reason_is_refused(session, provider, wrong):
    with pytest.raises(Exception, match="guard_acceptance_"):
        acceptances.record(
            session, provider.id, **{"kinds": ["listing_shrunk"], "reason": "x", "used_at": NOON, **wrong}
        )
    session.rollback()
