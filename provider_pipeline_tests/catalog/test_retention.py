from datetime import UTC, datetime, timedelta

from provider_pipeline.catalog import providers, raw_responses, rule_versions
from provider_pipeline.catalog.raw_responses import StoredPage, stored_pages
from provider_pipeline.catalog.tasks import open_rule_gen_task
from provider_pipeline_tests.catalog.builders import NOON, hours_later, record_success, register


def _store(session, provider, content: bytes, fetched_at: datetime) -> int:
    pages = [StoredPage(0, 1, "https://x.example", content)]
    return raw_responses.store(session, provider.id, pages, complete=True, fetched_at=fetched_at).id


def _keep(session, count: int | None = None, age: timedelta | None = None) -> None:
    providers.add(
        session,
        slug="openai",
        name="Openai",
        base_url="https://api.example.com",
        auth_config={"type": "none"},
        raw_keep_count=count,
        raw_keep_for=age,
    )


def test_pruning_keeps_the_newest_and_every_one_something_refers_to(session, provider):
    other = register(session, "anthropic")
    _keep(session, 3)
    foreign = _store(session, other, b"foreign", NOON)
    sample, failed, accepted, *rest = [_store(session, provider, b"%d" % n, hours_later(n)) for n in range(10)]
    rule_versions.add_version(
        session,
        provider.id,
        model_list_config={},
        endpoints_config={},
        metadata={},
        digest="2" * 64,
        sample_id=sample,
        origin="generated",
        activate=False,
    )
    open_rule_gen_task(session, provider.id, raw_response_id=failed, issues=[{"type": "x", "severity": "error"}])
    record_success(session, provider.id, now=NOON, profile=None, raw_response_id=accepted, rule_version=1, result={})
    assert raw_responses.prune(session, provider.id) == 4
    assert raw_responses.recent_ids(session, provider.id, limit=20) == [*reversed(rest[-3:]), accepted, failed, sample]
    assert list(stored_pages(session, foreign))
    assert session.connection().exec_driver_sql("SELECT count(*) FROM raw_response_page").scalar() == 7
    assert raw_responses.prune(session, provider.id) == 0


def test_twenty_listings_are_kept_unless_the_provider_says_otherwise(session, provider):
    for number in range(22):
        _store(session, provider, b"%d" % number, hours_later(number))
    assert raw_responses.prune(session, provider.id) == 2
    _keep(session, 5)
    assert raw_responses.prune(session, provider.id) == 15
    assert (providers.get(session, "openai").raw_keep_count, providers.get(session, "openai").raw_keep_for) == (5, None)


def test_listings_that_came_too_long_ago_are_forgotten_however_few_there_are(session, provider):
    now = datetime.now(UTC)
    old, again, new = (_store(session, provider, each, now - timedelta(days=9)) for each in (b"old", b"again", b"new"))
    _store(session, provider, b"again", now - timedelta(days=1))
    _store(session, provider, b"new", now)
    _keep(session, age=timedelta(days=7))
    assert raw_responses.prune(session, provider.id) == 1
    assert raw_responses.recent_ids(session, provider.id, limit=9) == [new, again]
    assert old not in (new, again)


def test_the_listing_that_came_again_counts_as_new(session, provider):
    first, second, third = (_store(session, provider, b"%d" % n, hours_later(n)) for n in range(3))
    _store(session, provider, b"0", hours_later(5))
    _keep(session, 2)
    assert raw_responses.prune(session, provider.id) == 1
    assert raw_responses.recent_ids(session, provider.id, limit=9) == [first, third]
    assert second not in (first, third)


def test_a_listing_that_is_stored_again_right_now_is_neither_forgotten_nor_waited_for(database, session, provider):
    _keep(session, 1)
    old, _ = [_store(session, provider, b"%d" % n, hours_later(n)) for n in range(2)]
    session.commit()
    with database.session() as other:
        assert _store(other, provider, b"0", hours_later(2)) == old
        assert raw_responses.prune(session, provider.id) == 0
        session.commit()
        other.commit()
    assert raw_responses.prune(session, provider.id) == 1
    assert raw_responses.recent_ids(session, provider.id, limit=9) == [old]
