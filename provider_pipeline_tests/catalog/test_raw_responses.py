import json

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import raw_responses
from provider_pipeline.catalog.raw_responses import StoredPage, list_raw_responses, stored_pages
from provider_pipeline.errors import CatalogError
from provider_pipeline.rules.rows import content_digest
from provider_pipeline_tests.catalog.builders import NOON, hours_later, record_success, register

PAGES = [
    StoredPage(0, 1, "https://x.example/v1/models", b'{"data": []}', headers={"etag": '"1"'}),
    StoredPage(0, 2, "https://x.example/v1/models?after=2", bytes(range(256))),
    StoredPage(1, 1, "https://x.example/v1/voices", b"", status=203),
]


def _store(session, provider, *contents: bytes, complete: bool = True, **options):
    pages = [StoredPage(0, number, "https://x.example", content) for number, content in enumerate(contents)]
    return raw_responses.store(session, provider.id, pages, complete=complete, **options)


def test_a_listing_is_loaded_as_it_was_stored(session, provider):
    stored = raw_responses.store(session, provider.id, PAGES, complete=True)
    assert (stored.byte_count, stored.page_count, stored.is_new) == (12 + 256, 3, True)
    assert list(stored_pages(session, stored.id)) == PAGES


def test_the_same_content_is_found_again_and_only_noted_to_have_come_again(session, provider, row_versions):
    first = _store(session, provider, b"a", b"b", fetched_at=NOON)
    session.commit()
    before = row_versions("raw_response_page")
    again = _store(session, provider, b"a", b"b", fetched_at=hours_later(3))
    earlier = _store(session, provider, b"a", b"b", fetched_at=hours_later(-1))
    session.commit()
    assert (again.id, again.sha256, again.is_new, earlier.id) == (first.id, first.sha256, False, first.id)
    assert row_versions("raw_response_page") == before
    stored = raw_responses.get(session, first.id)
    assert (stored.fetched_at, stored.last_fetched_at) == (hours_later(-1), hours_later(3))


SAME_JSON = {
    "whitespace": (b'{"a": 1, "b": [1, 2]}', b'{ "a":1,\n"b":[1,2] }'),
    "the order of keys": (b'{"a": {"x": 1, "y": 2}, "b": 3}', b'{"b": 3, "a": {"y": 2, "x": 1}}'),
    "escapes": ('{"a": "\u00e9"}'.encode(), b'{"a": "\\u00e9"}'),
    "a byte order mark": (b"\xef\xbb\xbf[1]", b"[1]"),
    "integers of any size": (
        b'{"b": 1, "a": 123456789012345678901234567890}',
        b'{"a":123456789012345678901234567890,"b":1}',
    ),
    "halves of surrogate pairs": (b'{"b": 1, "a": "\\ud800"}', b'{"a":"\\ud800","b":1}'),
}


@pytest.mark.parametrize(("one", "other"), SAME_JSON.values(), ids=SAME_JSON.keys())
def test_what_json_does_not_tell_apart_is_no_new_content(session, provider, one, other):
    assert _store(session, provider, other).id == _store(session, provider, one).id


OTHER_JSON = {
    "the order of a list": (b"[1, 2]", b"[2, 1]"),
    "a number and its text": (b"[1]", b'["1"]'),
    "a whole number and a fraction": (b"[1]", b"[1.0]"),
    "neighbours beyond 64 bits": (b"[123456789012345678901234567890]", b"[123456789012345678901234567891]"),
    "not a number, and null": (b"[NaN]", b"[null]"),
    "beyond every number, and null": (b"[1e999]", b"[null]"),
}


@pytest.mark.parametrize(("one", "other"), OTHER_JSON.values(), ids=OTHER_JSON.keys())
def test_what_json_tells_apart_is_new_content(session, provider, one, other):
    assert _store(session, provider, other).id != _store(session, provider, one).id


def test_a_digest_that_is_known_already_is_the_one_that_would_be_computed(session, provider):
    known = StoredPage(0, 0, "https://x.example", b'{"b": 1, "a": 2}', digest=content_digest({"a": 2, "b": 1}))
    assert raw_responses.store(session, provider.id, [known], complete=True).id == (
        _store(session, provider, b'{"a": 2, "b": 1}').id
    )


def test_different_content_is_stored_apart(session, provider):
    other = register(session, "anthropic")
    stored = [
        _store(session, provider, b"a", b"b"),
        _store(session, provider, b"ab"),
        _store(session, provider, b"ab", b""),
        _store(session, provider, b"b", b"a"),
        _store(session, provider, b"a", b"b", complete=False),
        _store(session, other, b"a", b"b"),
    ]
    assert len({reference.id for reference in stored}) == 6
    assert all(reference.is_new for reference in stored)


def test_the_pages_of_a_stored_listing_are_read_one_at_a_time(session, provider):
    stored = raw_responses.store(session, provider.id, PAGES, complete=True)
    reading = stored_pages(session, stored.id)
    assert next(reading) == PAGES[0]
    session.execute(text("DELETE FROM raw_response_page WHERE number = 2"))
    with pytest.raises(CatalogError, match="is not stored"):
        next(reading)


def test_json_is_stored_in_a_fraction_of_its_size(session, provider):
    content = json.dumps([{"id": f"model-{number}", "object": "model"} for number in range(2000)]).encode()
    _store(session, provider, content)
    assert (
        session.connection().exec_driver_sql("SELECT sum(length(content)) FROM raw_response_page").scalar()
        < len(content) / 5
    )


def test_a_listing_without_a_page_cannot_be_stored(session, provider):
    with pytest.raises(CatalogError, match="without a page"):
        _store(session, provider)


def test_a_listing_that_is_not_stored_is_reported(session, provider):
    with pytest.raises(CatalogError, match="raw response 4711 is not stored"):
        list(stored_pages(session, 4711))


def test_what_is_stored_is_listed_with_the_latest_first(session, provider):
    other = register(session, "anthropic")
    old = _store(session, provider, b"old", fetched_at=NOON)
    new = _store(session, provider, b"new", fetched_at=hours_later(1), complete=False)
    foreign = _store(session, other, b"foreign", fetched_at=hours_later(2))
    assert [each.id for each in list_raw_responses(session)] == [foreign.id, new.id, old.id]
    assert [(each.id, each.complete) for each in list_raw_responses(session, "openai")] == [
        (new.id, False),
        (old.id, True),
    ]


def test_the_last_accepted_listing_came_whenever_the_provider_was_last_synced_well(session, provider):
    accepted = _store(session, provider, b"a", fetched_at=NOON)
    record_success(
        session,
        provider.id,
        now=hours_later(9),
        profile=None,
        raw_response_id=accepted.id,
        rule_version=1,
        result={},
    )
    stored = raw_responses.get(session, accepted.id)
    assert (stored.accepted, stored.fetched_at, stored.last_fetched_at) == (True, NOON, hours_later(9))


def test_the_response_that_came_last_is_the_newest_though_it_was_stored_first(session, provider):
    first = _store(session, provider, b"a", fetched_at=NOON)
    second = _store(session, provider, b"b", fetched_at=hours_later(1))
    assert raw_responses.recent_ids(session, provider.id, limit=5) == [second.id, first.id]
    _store(session, provider, b"a", fetched_at=hours_later(2))
    assert raw_responses.recent_ids(session, provider.id, limit=5) == [first.id, second.id]
