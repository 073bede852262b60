import json
import os

import pytest

from provider_pipeline.catalog import (
    StoredPage,
    add_rule_version,
    load_raw_response,
    open_rule_gen_task,
    prune_raw_responses,
    recent_raw_response_ids,
    record_success,
    store_raw_response,
)
from provider_pipeline.errors import CatalogError
from provider_pipeline_tests.catalog.builders import NOON, register

PAGES = [
    StoredPage(0, 1, "https://x.example/v1/models", b'{"data": []}'),
    StoredPage(0, 2, "https://x.example/v1/models?after=2", bytes(range(256))),
    StoredPage(1, 1, "https://x.example/v1/voices", b""),
]


def _store(session, provider, *contents: bytes, complete: bool = True):
    pages = (StoredPage(0, number, "https://x.example", content) for number, content in enumerate(contents))
    return store_raw_response(session, provider.id, pages, complete=complete)


def test_a_listing_is_loaded_as_it_was_stored(session, provider):
    stored = store_raw_response(session, provider.id, iter(PAGES), complete=True)
    assert (stored.byte_count, stored.page_count, stored.is_new) == (12 + 256, 3, True)
    assert load_raw_response(session, stored.id) == PAGES


def test_the_same_content_is_found_again_and_nothing_is_written(session, provider, row_versions):
    first = _store(session, provider, b"a", b"b")
    session.commit()
    before = row_versions("raw_response"), row_versions("raw_response_page")
    again = _store(session, provider, b"a", b"b")
    session.commit()
    assert (again.id, again.sha256, again.is_new) == (first.id, first.sha256, False)
    assert (row_versions("raw_response"), row_versions("raw_response_page")) == before


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


def test_a_listing_beyond_the_memory_for_it_passes_over_the_disk(session, provider):
    noise = os.urandom(9 * 2**20)
    stored = _store(session, provider, noise, noise[::-1])
    assert [
        page.content == content
        for page, content in zip(load_raw_response(session, stored.id), (noise, noise[::-1]), strict=True)
    ] == [True, True]


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
        load_raw_response(session, 4711)


def test_pruning_keeps_the_newest_and_every_one_something_refers_to(session, provider):
    other = register(session, "anthropic")
    foreign = _store(session, other, b"foreign").id
    sample, failed, accepted, *rest = [_store(session, provider, str(number).encode()).id for number in range(10)]
    add_rule_version(
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
    assert prune_raw_responses(session, provider.id, keep=3) == 4
    assert recent_raw_response_ids(session, provider.id, limit=20) == [*reversed(rest[-3:]), accepted, failed, sample]
    assert load_raw_response(session, foreign)
    assert session.connection().exec_driver_sql("SELECT count(*) FROM raw_response_page").scalar() == 7
    assert prune_raw_responses(session, provider.id, keep=3) == 0
