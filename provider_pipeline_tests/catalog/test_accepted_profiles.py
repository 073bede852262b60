"""Profiles of accepted listings are kept for the comparison window, also after an upgrade."""

from datetime import datetime, timedelta

from provider_pipeline.catalog import sync_state
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.rules.rows import Profile
from provider_pipeline_tests.catalog.builders import NOON, model, record_success, upgrade_to, write_models

BEFORE = """
INSERT INTO provider (slug, name) VALUES ('openai', 'OpenAI');
INSERT INTO rule_version (provider_id, version, model_list_config, endpoints_config, digest, origin)
VALUES (1, 1, '{}', '{}', repeat('1', 64), 'generated');
INSERT INTO provider_model (
    provider_id, model_id, meta_hash, status, missing_count, first_seen_at, last_seen_at, rule_version
)
VALUES
    (1, 'a', repeat('a', 64), 'active', 0, now(), now(), 1),
    (1, 'b', repeat('a', 64), 'active', 0, now(), now(), 1);
INSERT INTO provider_sync (provider_id, last_checked_at, last_success_at, profile, rule_version)
VALUES (1, now(), now(), '{"count": 1, "sketch": [1], "medians": {"input_price": 2}, "covered": 1}', 1);
"""


def test_a_profile_of_before_says_how_many_models_were_listed_and_holds_no_estimates(empty_database_url: str):
    with open_database(empty_database_url) as database:
        upgrade_to(database.engine, "0014")
        with database.engine.begin() as connection:
            connection.exec_driver_sql(BEFORE)
        upgrade(database.engine)
        with database.session() as session:
            state = sync_state.get(session, 1)
    assert state.profile == {"count": 1, "covered": 1, "listed": 2}
    assert state.window == []


def test_a_profile_that_does_not_say_how_many_models_were_listed_is_read_all_the_same():
    assert Profile.from_json({"count": 3, "sketch": [1, 2, 3]}) == Profile(count=3, listed=3)


def test_a_profile_is_kept_when_the_next_listing_is_accepted_and_forgotten_when_a_window_begins(session, provider):
    write_models(session, provider.id, [model("a")], now=NOON, rule_version=1)

    def accepted(day: float, **options) -> list[tuple[datetime, int]]:
        options = {"rule_version": 1, "result": {}, "profile": {"count": round(day * 10)}, "window_days": 7} | options
        record_success(session, provider.id, now=NOON + timedelta(days=day), **options)
        window = sync_state.get(session, provider.id).window
        return [(datetime.fromisoformat(each["replaced_at"]), each["profile"]["count"]) for each in window]

    def days(*kept: tuple[float, int]) -> list[tuple[datetime, int]]:
        return [(NOON + timedelta(days=day), count) for day, count in kept]

    assert accepted(0) == []
    assert accepted(0.5) == days((0.5, 0))
    assert accepted(1) == days((0.5, 0))  # one was kept not long ago
    assert accepted(2) == days((0.5, 0), (2, 10))
    assert accepted(8) == days((2, 10), (8, 20))
    assert accepted(8.1, begins_window=True) == []
    assert accepted(8.2) == days((8.2, 81))
    assert accepted(8.3, window_days=0) == days((8.3, 82))
