from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import sync_state
from provider_pipeline.catalog.providers import set_enabled
from provider_pipeline.catalog.sync_locks import SyncLocks, sync_lock
from provider_pipeline.catalog.sync_state import LastSuccess, RepeatedSync, SyncState, last_successes, record_repeats
from provider_pipeline_tests.catalog.builders import NOON, hours_later, record_failure, record_success, register

PAGE = {"endpoint": 0, "number": 1, "url": "https://x.example", "etag": '"abc"', "last_modified": None}


def _succeed(session, provider, hour: int, **options) -> None:
    values = {"profile": {"count": 3}, "raw_response_id": None, "rule_version": 1, "result": {"created": 3}, **options}
    record_success(session, provider.id, now=hours_later(hour), **values)


def _fail(session, provider, hour: int, message: str = "no answer") -> None:
    record_failure(session, provider.id, now=hours_later(hour), kind="Unreachable", message=message, result={})


def test_a_provider_never_synced_has_an_empty_state(session, provider):
    assert sync_state.get(session, provider.id) == SyncState()


def test_a_success_is_remembered_with_what_the_next_sync_needs(session, provider):
    _succeed(session, provider, 0, validators=[PAGE])
    state = sync_state.get(session, provider.id)
    assert (state.last_checked_at, state.last_success_at) == (NOON, NOON)
    assert (state.profile, state.validators, state.rule_version) == ({"count": 3}, [PAGE], 1)
    assert state.consecutive_failures == 0


def test_failures_are_counted_and_leave_what_is_known_of_the_last_success(session, provider):
    _succeed(session, provider, 0, validators=[PAGE])
    _fail(session, provider, 1)
    _fail(session, provider, 2, message="still\nno answer\x00")
    state = sync_state.get(session, provider.id)
    assert (state.last_checked_at, state.last_success_at) == (hours_later(2), NOON)
    assert (state.consecutive_failures, state.last_error_kind) == (2, "Unreachable")
    assert state.last_error == "still no answer"
    assert (state.profile, state.validators) == ({"count": 3}, [PAGE])


def test_a_success_ends_the_failures(session, provider):
    _fail(session, provider, 0)
    assert sync_state.get(session, provider.id).last_success_at is None
    _succeed(session, provider, 1)
    state = sync_state.get(session, provider.id)
    assert (state.consecutive_failures, state.last_error_kind, state.last_error) == (0, None, None)


def test_a_success_without_a_profile_keeps_the_one_before(session, provider):
    _succeed(session, provider, 0)
    _succeed(session, provider, 1, profile=None)
    assert sync_state.get(session, provider.id).profile == {"count": 3}


def test_a_long_message_is_cut(session, provider):
    _fail(session, provider, 0, message="x" * 5000)
    assert len(sync_state.get(session, provider.id).last_error) == 1000


def test_times_never_go_back_when_two_syncs_end_out_of_order(session, provider):
    _succeed(session, provider, 5)
    _succeed(session, provider, 3)
    _fail(session, provider, 4)
    state = sync_state.get(session, provider.id)
    assert (state.last_checked_at, state.last_success_at) == (hours_later(5), hours_later(5))


def test_the_last_success_of_every_enabled_provider_is_known(session, provider):
    register(session, "never")
    register(session, "off")
    set_enabled(session, "off", False)
    _succeed(session, provider, 2)
    found = last_successes(session)
    assert sorted(found) == ["never", "openai"]
    assert found["openai"] == LastSuccess(hours_later(2), 0)
    _fail(session, provider, 3)
    assert last_successes(session)["openai"] == LastSuccess(hours_later(2), 1)


@pytest.fixture
def locks(session, provider) -> Iterator[SyncLocks]:
    """Locks that have the provider's."""
    with sync_lock(session, provider) as taken:
        yield taken
        session.rollback()  # a lease that is locked cannot be given back


def _repeat(session, provider, hour: int, state: SyncState, token: UUID) -> bool:
    repeat = RepeatedSync(provider.id, state, {"unchanged": 3}, [PAGE])
    return record_repeats(session, [repeat], token=token, now=hours_later(hour)) == {provider.id}


def test_the_same_listing_again_moves_the_times_and_keeps_what_is_known(session, provider, locks):
    _succeed(session, provider, 0, basis="a" * 64)
    before = sync_state.get(session, provider.id)
    assert not _repeat(session, provider, 1, before, uuid4())
    assert sync_state.get(session, provider.id) == before
    assert _repeat(session, provider, 2, before, locks.token)
    after = sync_state.get(session, provider.id)
    assert (after.last_checked_at, after.last_success_at) == (hours_later(2), hours_later(2))
    assert (after.last_result, after.validators) == ({"unchanged": 3}, [PAGE])
    assert (after.profile, after.basis, after.rule_version) == (before.profile, "a" * 64, 1)


def test_validators_are_written_again_only_if_they_changed(session, provider, locks):
    _succeed(session, provider, 0, validators=[PAGE])
    known = sync_state.get(session, provider.id)
    other = [PAGE | {"etag": '"def"'}]
    session.execute(text("UPDATE provider_sync SET validators = '[]'"))  # to see what is written
    for hour, validators, expected in ((1, [PAGE], []), (2, other, other), (3, [], [])):
        repeat = RepeatedSync(provider.id, known, {}, validators)
        assert record_repeats(session, [repeat], token=locks.token, now=hours_later(hour))
        assert sync_state.get(session, provider.id).validators == expected


def test_a_repeat_of_what_is_not_the_last_accepted_listing_any_more_is_refused(session, provider, locks):
    assert not _repeat(session, provider, 0, SyncState(), locks.token)
    _succeed(session, provider, 0, basis="a" * 64)
    before = sync_state.get(session, provider.id)
    _succeed(session, provider, 1, basis="b" * 64)
    assert not _repeat(session, provider, 2, before, locks.token)
    before = sync_state.get(session, provider.id)
    _fail(session, provider, 2)
    assert not _repeat(session, provider, 3, before, locks.token)
    assert sync_state.get(session, provider.id).last_success_at == hours_later(1)


def test_the_etag_of_the_first_page_is_a_column_of_its_own(session, provider):
    _succeed(session, provider, 0, validators=[PAGE])
    assert session.scalar(text("SELECT etag FROM provider_sync")) == '"abc"'
