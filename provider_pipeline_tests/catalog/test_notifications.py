"""The outbox of notifications, and the ends of models ahead."""

from datetime import date, timedelta

import pytest

from provider_pipeline.catalog import notifications, providers
from provider_pipeline.catalog.database import Database
from provider_pipeline.catalog.notifications import MAX_ATTEMPTS, mark_delivered, mark_failed, pause_after, retirements
from provider_pipeline_tests.catalog.builders import NOON, enqueue_notification, hours_later, model


@pytest.fixture
def tell(session, provider):
    def run(*keys, now=NOON):
        told = [
            enqueue_notification(session, key, "change_digest", {"key": key}, now=now, provider_id=provider.id)
            for key in keys
        ]
        session.commit()
        return told

    return run


def _claim(session, now=NOON, **options):
    claimed = notifications.claim_due(session, now=now, **options)
    session.commit()
    return claimed


def test_an_event_is_taken_in_once(session, tell):
    assert tell("a", "b", "a") == [True, True, False]
    assert tell("a") == [False]
    assert [each.payload for each in notifications.find(session)] == [{"key": "b"}, {"key": "a"}]


def test_a_notification_of_a_transaction_that_is_rolled_back_does_not_exist(session, provider):
    enqueue_notification(session, "a", "change_digest", {}, now=NOON)
    session.rollback()
    assert notifications.find(session) == []


def test_no_other_worker_gets_a_claimed_notification_until_its_lease_ends(session, tell):
    tell("a")
    (first,) = _claim(session, lease=timedelta(hours=1))
    assert (first.event_key, first.attempts) == ("a", 1)
    assert _claim(session, hours_later(0.9)) == []
    (second,) = _claim(session, hours_later(1))
    assert second.attempts == 2


def test_two_workers_at_once_never_take_the_same(database: Database, tell, session):
    tell("a", "b", "c")
    with database.session() as one, database.session() as other:
        first = notifications.claim_due(one, now=NOON, limit=2)
        second = notifications.claim_due(other, now=NOON, limit=2)
        one.commit()
        other.commit()
    assert [[each.event_key for each in claimed] for claimed in (first, second)] == [["a", "b"], ["c"]]


def test_a_delivered_notification_is_never_due_again(session, tell):
    tell("a")
    (claimed,) = _claim(session)
    mark_delivered(session, claimed.id, now=hours_later(1))
    assert _claim(session, hours_later(1000)) == []
    (stored,) = notifications.find(session)
    assert (stored.delivered_at, stored.next_attempt_at) == (hours_later(1), None)
    assert notifications.find(session, undelivered_only=True) == []


def test_a_failed_notification_is_tried_again_later_each_time_and_given_up_in_the_end(session, tell):
    tell("a")
    now = NOON
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (claimed,) = _claim(session, now)
        again = mark_failed(session, claimed, "refused\nwith status 500", now=now)
        assert again is (attempt < MAX_ATTEMPTS)
        assert _claim(session, now + pause_after(attempt) - timedelta(seconds=1)) == []
        now += pause_after(attempt)
    assert _claim(session, hours_later(10_000)) == []
    (stored,) = notifications.find(session, undelivered_only=True)
    assert (stored.attempts, stored.last_error) == (MAX_ATTEMPTS, "refused with status 500")


def test_the_pauses_double_up_to_six_hours():
    assert [pause_after(n) for n in (1, 2, 3)] == [timedelta(minutes=n) for n in (1, 2, 4)]
    assert pause_after(1000) == timedelta(hours=6)


def test_a_notification_whose_workers_all_die_is_given_up_too(session, tell):
    tell("a")
    for hour in range(MAX_ATTEMPTS):
        assert len(_claim(session, hours_later(hour))) == 1
    assert _claim(session, hours_later(1000)) == []
    (stored,) = notifications.find(session)
    assert (stored.next_attempt_at, stored.last_error) == (None, "no attempt ever ended")


def test_a_worker_whose_lease_ran_out_cannot_undo_what_the_next_one_does(session, tell):
    tell("a")
    (late,) = _claim(session)
    (current,) = _claim(session, hours_later(1))
    mark_failed(session, late, "too slow", now=hours_later(1))
    assert notifications.find(session)[0].last_error is None
    mark_delivered(session, current.id, now=hours_later(1))
    mark_failed(session, current, "after all", now=hours_later(1))
    assert notifications.find(session)[0].delivered_at == hours_later(1)


ENDS = {"soon": "2026-11-20", "later": "2027-03-01", "past": "2026-10-01"}


def names(session, **limits) -> list[str]:
    return [each.model_id for each in retirements(session, **limits)]


def test_ends_are_listed_by_date_within_their_limits(session, write):
    write([*(model(name, retires_on=day) for name, day in ENDS.items()), model("endless")])
    assert names(session, until=date(2027, 3, 1)) == ["past", "soon", "later"]
    assert names(session, until=date(2027, 2, 28), after=date(2026, 11, 1)) == ["soon"]
    assert names(session, until=date(2027, 3, 1), slugs=["another"]) == []


def test_a_model_that_is_no_longer_listed_or_whose_provider_is_off_has_no_end_ahead(session, write, provider):
    write([model(name, retires_on=day) for name, day in ENDS.items()])
    write([model("soon", retires_on=ENDS["soon"])], now=hours_later(1))
    assert names(session, until=date(2028, 1, 1)) == ["soon"]
    providers.set_enabled(session, provider.slug, False)
    assert names(session, until=date(2028, 1, 1)) == []
