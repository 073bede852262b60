"""A missing model is removed after enough listings and enough time."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from provider_pipeline.catalog import models, tables
from provider_pipeline_tests.catalog.builders import NOON, counts, hours_later, model, record_success

KEPT = [model("kept")]
BOTH = [model("kept"), model("gone")]


def _gone(session, provider) -> dict:
    return {row["model_id"]: row for row in models.load(session, provider.id)}["gone"]


def test_three_misses_and_a_day_are_the_defaults(session, provider):
    row = session.execute(
        select(tables.provider.c.removal_after, tables.provider.c.removal_age).where(
            tables.provider.c.id == provider.id
        )
    ).one()
    assert tuple(row) == (3, timedelta(hours=24))


def test_misses_alone_do_not_remove_a_model_before_its_time_has_passed(session, provider, write):
    write(BOTH)
    for hour in range(1, 24):
        write(KEPT, hour=hour, removal_hours=24)
    assert (_gone(session, provider)["status"], _gone(session, provider)["missing_count"]) == ("missing", 23)
    assert counts(write(KEPT, hour=24, removal_hours=24)) == {"unchanged": 1, "removed": 1}
    gone = _gone(session, provider)
    assert (gone["missing_since"], gone["last_seen_at"], gone["removed_at"]) == (hours_later(1), NOON, hours_later(24))


def test_time_alone_does_not_remove_a_model_before_enough_listings_left_it_out(write):
    write(BOTH)
    seen = [counts(write(KEPT, hour=hour, removal_hours=24)) for hour in (100, 200, 300)]
    assert seen == [{"unchanged": 1, "missing": 1}, {"unchanged": 1}, {"unchanged": 1, "removed": 1}]


def test_the_time_counts_from_the_last_listing_with_the_model_not_from_when_its_row_was_written(
    session, provider, write
):
    write(BOTH)
    record_success(
        session, provider.id, now=hours_later(50), profile=None, raw_response_id=None, rule_version=1, result={}
    )
    assert counts(write(KEPT, hour=60, removal_after=1, removal_hours=24)) == {"unchanged": 1, "missing": 1}
    assert _gone(session, provider)["last_seen_at"] == hours_later(50)
    assert counts(write(KEPT, hour=74, removal_after=1, removal_hours=24)) == {"unchanged": 1, "removed": 1}


def test_a_model_that_comes_back_is_missing_since_nothing_and_counts_anew(session, provider, write):
    write(BOTH)
    write(KEPT, hour=1)
    write(BOTH, hour=2)
    assert (_gone(session, provider)["missing_since"], _gone(session, provider)["missing_count"]) == (None, 0)
    write(KEPT, hour=3)
    assert _gone(session, provider)["missing_since"] == hours_later(3)


@pytest.mark.parametrize("columns", [{"removal_after": 0}, {"removal_age": timedelta(seconds=-1)}])
def test_a_provider_cannot_be_set_to_remove_what_is_listed(session, provider, columns):
    with pytest.raises(Exception, match="provider_removal_"):
        session.execute(tables.provider.update().values(**columns))
    session.rollback()
