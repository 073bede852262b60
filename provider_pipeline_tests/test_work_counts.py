"""How much work a sync is, counted and not timed: statements, connections, bytes parsed, events stored.

Each bound is what is done today. Work that is added on purpose raises a bound in the same change, and says why there;
work that was saved lowers it.
"""

import gc
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from types import CodeType, FrameType
from typing import Any

import dagster as dg
import pytest
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.utils import select_proxy
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool
from urllib3 import PoolManager
from werkzeug import Request, Response

from provider_pipeline.catalog import providers, raw_responses
from provider_pipeline.catalog.canonical import refresh
from provider_pipeline.catalog.model_writes import _send
from provider_pipeline.catalog.sync_state import SyncState
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.documents import parse_document
from provider_pipeline.listing.redaction import redact_body
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.lineage import item_paths
from provider_pipeline.rules.patterns import RegexSet, parse_pattern
from provider_pipeline.rules.plausibility import BaselineComparison
from provider_pipeline.sync.extract import extract_listing
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline.sync.load import load_listings
from provider_pipeline.sync.plan import SyncPlan, prepare
from provider_pipeline.sync.provider import attempt_sync, utc_now
from provider_pipeline.sync.replay import replay_responses
from provider_pipeline_tests.dagster_instance import definitions, run_fleet
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

MODELS = tuple(f"gpt-4.1-tune-{number}" for number in range(40))
ETAG = {"ETag": '"one"'}


@contextmanager
def counted(fleet: Fleet) -> Iterator[Counter[str]]:
    """Counts what reaches the database: statements by their first words, commits and new connections."""
    engine, count = fleet.database.engine, Counter[str]()

    def executed(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        count["statements"] += 1
        count[" ".join(text.split())] += 1

    def committed(_connection: Any) -> None:
        count["commits"] += 1

    def connected(*_: Any) -> None:
        count["connections"] += 1

    hooks = (("before_cursor_execute", executed), ("commit", committed), ("connect", connected))
    for name, hook in hooks:
        event.listen(engine, name, hook)
    try:
        yield count
    finally:
        for name, hook in hooks:
            event.remove(engine, name, hook)


@contextmanager
def bytes_parsed() -> Iterator[Counter[str]]:
    """Counts the bytes of every body that is parsed as a listing's page, in this thread."""
    count = Counter[str]()

    def on_call(frame: FrameType, kind: str, _argument: object) -> None:
        if kind == "call" and frame.f_code is parse_document.__code__:
            count["bytes"] += len(frame.f_locals["content"])

    before = sys.getprofile()
    sys.setprofile(on_call)
    try:
        yield count
    finally:
        sys.setprofile(before)


def calls_of_judging(predicates: int, models: int) -> int:
    """How many Python functions a judge calls for models that say the same, by a rule with so many predicates."""
    evidence = [f"contains(tags, 'number-{number}')" for number in range(predicates)]
    rule = ExtractionRule.parse(
        {
            "jmespath_rule": "[*]",
            "capability_rules": [{"capability": "tools", "patterns": {"counter_evidence": evidence}}],
        }
    )
    page = [{"id": f"model-{number}", "tags": ["other"]} for number in range(models)]
    judge = ListingJudge(rule)
    return calls(lambda: judge.add_page(page)).total()


def calls(action: Callable[[], object]) -> Counter[CodeType]:
    """How often each Python function is called in an action."""
    count, before = Counter[CodeType](), sys.getprofile()
    gc.disable()  # what earlier tests left behind would call its finalizers here
    sys.setprofile(lambda frame, kind, _argument: count.update((frame.f_code,) if kind == "call" else ()))
    try:
        action()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def sync(fleet: Fleet, slug: str = "acme") -> None:
    with fleet.database.session() as session:
        assert attempt_sync(session, slug, client=ListingClient()).status == "synced"


def with_a_tenth_changed(models: tuple[str, ...]) -> dict[str, Any]:
    document = listing(*models)
    for item in document["data"][::10]:
        item["context_length"] += 1
    return document


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    """A catalogue with one provider, whose connections are open already."""
    fleet.add("acme", listing(*MODELS))
    fleet.add("other", listing(*MODELS))
    sync(fleet, "other")
    return fleet


def test_a_first_sync_is_so_many_statements_and_commits(acme: Fleet):
    with counted(acme) as count:
        sync(acme)
    # One of them makes sure that the rule is still the active one when the rows are written, and one reads the hashes
    # of the rows in the table, so that only rows that differ are sent. There are none: nothing is staged.
    assert count["statements"] <= 17
    assert not [text for text in count if "listing_row" in text]
    assert count["commits"] <= 3  # of the write, and of taking and giving back the lease
    assert count["connections"] == 0


def test_a_sync_of_an_unchanged_listing_is_so_many_statements(acme: Fleet):
    sync(acme)
    with counted(acme) as count:
        sync(acme)
    assert count["statements"] <= 7
    assert count["commits"] <= 3
    assert not [text for text in count if "raw_response_page" in text or "listing_row" in text]


def test_a_sync_of_an_unchanged_listing_searches_no_body_for_secrets(acme: Fleet):
    assert calls(lambda: sync(acme))[redact_body.__code__] == 1
    assert calls(lambda: sync(acme))[redact_body.__code__] == 0


def test_a_sync_of_an_unchanged_listing_parses_no_profile(acme: Fleet):
    profile = SyncState.__dict__["profile"].func.__code__
    sync(acme)
    assert calls(lambda: sync(acme))[profile] == 0
    acme.serve("acme", with_a_tenth_changed(MODELS))
    assert calls(lambda: sync(acme))[profile] == 1


def test_a_request_without_cookies_and_proxies_prepares_for_none(acme: Fleet):
    count = calls(lambda: sync(acme))
    assert count[HTTPAdapter.send.__code__] == 1
    for unneeded in (
        PreparedRequest.prepare_cookies,
        extract_cookies_to_jar,
        select_proxy,
        PoolManager.connection_from_host,
    ):
        assert count[unneeded.__code__] == 0


def test_a_sync_that_changes_a_tenth_of_the_models_is_no_more_statements_than_a_first_one(acme: Fleet):
    sync(acme)
    acme.serve("acme", with_a_tenth_changed(MODELS))
    with counted(acme) as count:
        sync(acme)
    assert count["statements"] <= 21


def test_replays_of_ten_responses_are_as_many_statements_as_of_two(acme: Fleet):
    sync(acme)
    with acme.database.session() as session:
        provider_id = providers.get(session, "acme").id
        ids = []
        for number in range(10):
            body = json.dumps(listing(*MODELS[number:])).encode()
            pages = [raw_responses.StoredPage(0, 1, "file:x", body)]
            ids.append(raw_responses.store(session, provider_id, pages, complete=True).id)
        session.commit()
    counts = []
    for wanted in (ids[:2], ids):
        with counted(acme) as count, acme.database.session() as session:
            assert [replayed.models for replayed in replay_responses(session, wanted)][-1] == len(MODELS) - len(
                wanted
            ) + 1
        counts.append(count["statements"])
    assert counts[0] == counts[1] <= 15


def test_of_models_that_did_not_change_a_changed_sync_sends_nothing(acme: Fleet):
    sync(acme)
    acme.serve("acme", with_a_tenth_changed(MODELS))
    assert calls(lambda: sync(acme))[_send.__code__] == len(MODELS) // 10


def test_of_models_that_did_not_change_none_is_compared_with_what_it_was(acme: Fleet):
    sync(acme)
    acme.serve("acme", with_a_tenth_changed(MODELS))
    assert calls(lambda: sync(acme))[BaselineComparison.add.__code__] == len(MODELS) // 10


def test_a_refresh_is_so_many_statements_and_writes_only_identities_of_rows_that_changed(acme: Fleet):
    sync(acme)
    with counted(acme) as first, acme.database.session() as session:
        assert refresh(session).offers_assigned == 2 * len(MODELS)
        session.commit()
    acme.serve("acme", with_a_tenth_changed(MODELS))
    sync(acme)
    with counted(acme) as changed, acme.database.session() as session:
        assert refresh(session).offers_assigned == len(MODELS) // 10
        session.commit()
    with counted(acme) as unchanged, acme.database.session() as session:
        assert refresh(session).offers_assigned == 0
    # Lock, overrides, whether there are identities, changed offers; then outdated identities, all offers of the models,
    # the models as they were, and the outdated ones.
    assert unchanged["statements"] <= 4
    assert first["statements"] <= 4
    assert changed["statements"] <= 8


def test_a_changed_listing_whose_items_have_the_same_fields_is_parsed_once_and_searched_for_no_new_ones(acme: Fleet):
    sync(acme)
    changed = with_a_tenth_changed(MODELS)
    acme.serve("acme", changed)
    with bytes_parsed() as parsed:
        sync(acme)
    assert parsed["bytes"] == len(json.dumps(changed))
    for item in changed["data"]:
        item["price_of_images"] = 1
    acme.serve("acme", changed)
    assert calls(lambda: sync(acme))[shape_of.__code__] > 0
    changed["data"][0]["context_length"] += 1
    acme.serve("acme", changed)
    assert calls(lambda: sync(acme))[shape_of.__code__] == 0


def test_the_number_of_models_changes_no_number_of_statements_but_that_many_are_analyzed(acme: Fleet):
    sync(acme)
    acme.serve("acme", with_a_tenth_changed(MODELS))
    with counted(acme) as few:
        sync(acme)
    large = tuple(f"gpt-4.1-tune-{number}" for number in range(1010))
    acme.add("large", listing(*large))
    sync(acme, "large")
    acme.serve("large", with_a_tenth_changed(large))
    with counted(acme) as many:
        sync(acme, "large")
    assert many["statements"] - few["statements"] == 1
    assert sum(text.startswith("ANALYZE pg_temp.listing_row") for text in many) == 1


def test_each_byte_of_a_listing_is_parsed_once_and_not_even_that_where_the_same_bytes_came_last_time(acme: Fleet):
    with bytes_parsed() as first:
        sync(acme)
    with bytes_parsed() as second:
        sync(acme)
    acme.answer("acme", json.dumps(listing(*MODELS), indent=2))
    with bytes_parsed() as spaced:
        sync(acme)
    assert 0 < first["bytes"] < spaced["bytes"]
    assert second["bytes"] == 0


def test_a_listing_that_is_too_large_to_stay_parsed_is_judged_as_it_comes(
    acme: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider_pipeline.sync.extract._MAX_PAGE_BYTES_IN_MEMORY", 1)
    with bytes_parsed() as first:
        sync(acme)
    assert first["bytes"] == len(json.dumps(listing(*MODELS)))


def test_what_many_providers_need_to_begin_is_read_in_as_many_statements_as_what_one_needs(fleet: Fleet):
    slugs = several(fleet)
    with counted(fleet) as one, fleet.database.session() as session:
        prepare(session, slugs[:1], accept=None, now=utc_now())
    with counted(fleet) as many, fleet.database.session() as session:
        assert len(prepare(session, slugs, accept=None, now=utc_now())) == len(slugs)
    assert many["statements"] <= one["statements"] <= 3


def test_many_providers_are_compared_and_written_in_as_many_statements_as_one(fleet: Fleet):
    slugs = several(fleet)
    assert written(fleet, slugs) <= 10
    assert written(fleet, slugs) <= 2  # nothing has changed
    for slug in slugs:
        fleet.serve(slug, with_a_tenth_changed(MODELS))
    assert written(fleet, slugs) <= 13


def several(fleet: Fleet) -> list[str]:
    slugs = [f"acme-{number}" for number in range(12)]
    for slug in slugs:
        fleet.add(slug, listing(*MODELS))
    return slugs


def written(fleet: Fleet, slugs: list[str]) -> int:
    """Statements that judging and writing these providers together takes."""
    locks = fleet.database.locks
    with fleet.database.session() as session, ExitStack() as stack:
        assert locks.take(slugs) == {}
        stack.callback(locks.release, slugs)
        targets = prepare(session, slugs, accept=None, now=utc_now())
        readings = []
        with counted(fleet) as count:
            for target in targets.values():
                assert isinstance(target, SyncPlan)
                readings.append(stack.enter_context(closing(extract_listing(session, target, ListingClient()))))
            settled = load_listings(session, readings, locks=locks, keep="all", clock=utc_now)
    assert {each.outcome.status for each in settled} == {"synced"}
    assert count["commits"] == 1
    return count["statements"]


def test_what_a_rule_asks_of_models_that_say_the_same_is_asked_once():
    calls_of_judging(1, 100)  # names that are met for the first time are looked at closer
    more = calls_of_judging(101, 100) - calls_of_judging(1, 100)
    assert more == 4 * 100  # once for each of the hundred predicates more, and not for each of the hundred models


def test_another_rule_is_written_without_compiling_the_shipped_patterns_again():
    RuleGenerator().analyze_sample(listing("gpt-4o", "acme-small-2"))
    count = calls(lambda: RuleGenerator().analyze_sample(listing(*MODELS)))
    assert count[RegexSet.__init__.__code__] == 0
    assert count[parse_pattern.__code__] <= 12  # those that the rule shows


def test_no_byte_of_a_listing_is_parsed_that_the_server_says_has_not_changed(acme: Fleet):
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == ETAG["ETag"]:
            return Response(status=304, headers=ETAG)
        return Response(json.dumps(listing(*MODELS)), headers=ETAG, content_type="application/json")

    acme.server.handlers.clear()
    acme.server.expect_request("/acme/v1/models").respond_with_handler(answer)
    sync(acme)
    with bytes_parsed() as parsed, counted(acme) as count:
        sync(acme)
    assert parsed["bytes"] == 0
    assert not [text for text in count if "raw_response_page" in text]


def test_a_fleet_sync_opens_no_connection_that_workers_and_locks_do_not_need(fleet: Fleet):
    slugs = [f"acme-{number}" for number in range(12)]
    for slug in slugs:
        fleet.add(slug)
    fleet.database.engine.dispose()
    with counted(fleet) as count:
        outcomes = list(attempt_many(fleet.database.session, slugs, client=ListingClient(), max_workers=3))
    assert {outcome.status for outcome in outcomes} == {"synced"}
    assert count["connections"] <= 3 + 1


def test_a_fleet_run_stores_nine_events_for_a_new_provider_eight_for_a_changed_one_and_none_without_news(
    fleet: Fleet, instance: dg.DagsterInstance
):
    defs = definitions(fleet.database.url)

    def stored() -> int:
        return len(instance.all_logs(run_fleet(defs, instance).run_id))

    for slug in ("one", "two", "three"):
        fleet.add(slug)
    first = stored()
    nothing_new = stored()
    fleet.serve("two", listing(*CHAT_MODELS, "gpt-5"))
    one_changed = stored()

    assert nothing_new <= 30  # whatever the number of providers
    assert first - nothing_new <= 3 * 9
    assert one_changed - nothing_new <= 8


@contextmanager
def counted_in_dagster(target: Any, name: str, place: int) -> Iterator[Counter[str]]:
    """Counts an event of SQLAlchemy in Dagster's storage, by whichever engine: it alone is reached through psycopg2.

    Args:
        place: The position of the driver's object among the event's arguments.
    """
    count = Counter[str]()

    def happened(*arguments: Any) -> None:
        if type(arguments[place]).__module__.startswith("psycopg2"):
            count[name] += 1

    event.listen(target, name, happened)
    try:
        yield count
    finally:
        event.remove(target, name, happened)


def test_each_event_of_a_changed_provider_is_one_statement_and_all_are_within_bounds(
    fleet: Fleet, instance: dg.DagsterInstance
):
    defs = definitions(fleet.database.url)
    for slug in ("one", "two", "three"):
        fleet.add(slug)
    run_fleet(defs, instance)  # fills caches
    with counted_in_dagster(Engine, "before_cursor_execute", 1) as nothing_new:
        run_fleet(defs, instance)
    for slug in ("one", "two"):
        fleet.serve(slug, listing(*CHAT_MODELS, "gpt-5"))
    with counted_in_dagster(Engine, "before_cursor_execute", 1) as two_changed:
        run = run_fleet(defs, instance)
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    size = sum(len(dg.serialize_value(each)) for each in instance.all_logs(run.run_id, of_type=kinds))
    assert two_changed.total() - nothing_new.total() <= 2 * 8
    assert size <= 48_500  # 8 events of each, and that of the table as a whole


def test_what_a_rule_reads_is_looked_up_once_and_not_with_each_event(fleet: Fleet, instance: dg.DagsterInstance):
    defs = definitions(fleet.database.url)
    fleet.add("one")
    run_fleet(defs, instance)
    fleet.serve("one", listing(*CHAT_MODELS, "gpt-5"))
    assert calls(lambda: run_fleet(defs, instance))[item_paths.__wrapped__.__code__] == 0


def test_a_fleet_run_connects_to_dagsters_storage_no_more_often_for_more_events(
    fleet: Fleet, instance: dg.DagsterInstance
):
    defs = definitions(fleet.database.url)

    def connections_of_a_run() -> int:
        with counted_in_dagster(Pool, "connect", 0) as count:
            assert run_fleet(defs, instance).success
        return count.total()

    fleet.add("one")
    connections_of_a_run()  # makes what later runs find made
    nothing_new = connections_of_a_run()
    for number in range(6):
        fleet.add(f"more-{number}")
    assert 0 < connections_of_a_run() <= nothing_new
