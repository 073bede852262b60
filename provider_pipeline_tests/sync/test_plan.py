"""Unchanged listings: what is skipped, and what invalidates the skip."""

import json

import pytest
from sqlalchemy import text
from werkzeug import Response

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import AcceptedGuards
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

PATIENCE = FetchLimits(retries=0, read_timeout=5)


def attempt(fleet: Fleet, **options) -> SyncOutcome:
    with fleet.database.session() as session:
        return attempt_sync(session, "acme", client=ListingClient(PATIENCE), **options)


def execute(fleet: Fleet, statement: str) -> None:
    with fleet.database.session() as session:
        session.execute(text(statement))
        session.commit()


def row_versions(fleet: Fleet) -> dict[str, list]:
    """The transaction that wrote each row, in every table but those of sync times."""
    found = {}
    with fleet.database.engine.connect() as connection:
        for table in catalog.tables.metadata.tables:
            if table not in ("provider_sync", "provider_sync_lease"):
                rows = connection.exec_driver_sql(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1")
                found[table] = [tuple(row) for row in rows]
    return found


def state(fleet: Fleet) -> catalog.sync_state.SyncState:
    with fleet.database.session() as session:
        return catalog.sync_state.get(session, catalog.providers.get(session, "acme").id)


def test_an_unchanged_listing_only_updates_the_sync_time(fleet: Fleet):
    fleet.add("acme")
    first = attempt(fleet)
    before, was = row_versions(fleet), state(fleet)
    again = attempt(fleet)
    assert (first.not_modified, again.not_modified) == (False, True)
    assert row_versions(fleet) == before
    now = state(fleet)
    assert now.last_success_at == again.last_success_at > was.last_success_at
    assert now.last_checked_at > was.last_checked_at
    assert (now.profile, now.raw_response_id, now.basis) == (was.profile, was.raw_response_id, was.basis)


def test_its_outcome_repeats_the_earlier_findings_without_changes(fleet: Fleet):
    sample = listing(*CHAT_MODELS, *(f"zorb-{number}" for number in range(60)))
    fleet.add("acme", sample)
    sample["data"][3]["context_length"] = -5
    fleet.serve("acme", sample)
    first, second, third = (attempt(fleet) for _ in range(3))
    assert first.issues
    for again in (second, third):
        assert again.not_modified
        assert (again.status, again.models, again.rejected) == ("synced", first.models, 0)
        assert (again.created, again.unchanged, again.total_changes) == (0, first.created, 0)
        assert list(again.issues) == json.loads(json.dumps(first.issues))
        assert again.capability_coverage == first.capability_coverage
        assert (again.page_count, again.byte_count) == (first.page_count, first.byte_count)
        assert again.raw_response_id == first.raw_response_id
        assert (again.listing_changed, again.recovered, again.rule_changed) == (False, False, False)
    assert state(fleet).last_result["unchanged"] == first.models


def test_another_order_of_keys_is_the_same_listing(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    sample = listing(*CHAT_MODELS)
    sample["data"] = [dict(reversed(model.items())) for model in sample["data"]]
    fleet.answer("acme", json.dumps(sample, indent=2), content_type="application/json")
    assert attempt(fleet).not_modified


def test_another_order_of_models_is_validated_and_changes_no_model(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    before = fleet.rows("acme")
    fleet.serve("acme", listing(*reversed(CHAT_MODELS)))
    again = attempt(fleet)
    assert (again.not_modified, again.listing_changed, again.unchanged) == (False, True, 5)
    assert fleet.rows("acme") == before


NEWS = {
    "a threshold": "UPDATE provider SET thresholds = '{\"min_models\": 2}'",
    "an override": "INSERT INTO provider_model_override (provider_id, model_id, field, override_value, reason) "
    "SELECT id, 'gpt-4o', 'context_length', '64000', 'measured' FROM provider",
    "credentials": 'UPDATE provider_metadata SET auth_config = \'{"type": "none", "headers": {"x-team": "two"}}\'',
    "a policy": 'UPDATE provider_metadata SET request_config = \'{"allow_private": true, "concurrency": 2}\'',
    "a reading by other code": "UPDATE provider_sync SET basis = repeat('0', 64)",
}


@pytest.mark.parametrize("statement", NEWS.values(), ids=NEWS.keys())
def test_a_change_of_settings_invalidates_the_skip(fleet: Fleet, statement: str):
    fleet.add("acme")
    attempt(fleet)
    execute(fleet, statement)
    assert [attempt(fleet).not_modified for _ in range(2)] == [False, True]


def test_a_removed_override_invalidates_the_skip(fleet: Fleet):
    fleet.add("acme")
    execute(fleet, NEWS["an override"])
    attempt(fleet)
    assert fleet.rows("acme")["gpt-4o"][2] == 64_000
    execute(fleet, "DELETE FROM provider_model_override")
    again = attempt(fleet)
    assert (again.not_modified, again.updated) == (False, 1)
    assert fleet.rows("acme")["gpt-4o"][2] == 128_000


def test_a_new_rule_invalidates_the_skip(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    sample = listing(*CHAT_MODELS)
    for model in sample["data"]:
        model["top"] = {"max_completion_tokens": 9}
    with fleet.database.session() as session:
        generate_rule(session, "acme", [EndpointSample(sample, "/v1/models")], activate=True)
        session.commit()
    assert [attempt(fleet).not_modified for _ in range(2)] == [False, True]


def test_an_unchanged_listing_without_a_model_still_counts_towards_its_removal(fleet: Fleet):
    fleet.add("acme")
    fleet.removes_after("acme", misses=3, hours=0)
    attempt(fleet)
    fleet.serve("acme", listing(*CHAT_MODELS[:4]))
    assert [attempt(fleet).not_modified for _ in range(4)] == [False, False, False, True]
    assert fleet.rows("acme")[CHAT_MODELS[4]][1] == "removed"


def test_after_a_failure_the_unchanged_listing_is_validated_and_the_provider_recovers(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    fleet.answer("acme", "oops", status=404)
    assert attempt(fleet).status == "failed"
    fleet.serve("acme", listing(*CHAT_MODELS))
    back = attempt(fleet)
    assert (back.recovered, back.not_modified) == (True, False)
    assert attempt(fleet).not_modified


def test_accepted_guards_make_an_unchanged_listing_be_validated(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    assert not attempt(fleet, accept=AcceptedGuards(frozenset({"shrink"}), "looked at it")).not_modified


@pytest.mark.parametrize("keep", ["raw", "nothing"])
def test_an_unchanged_listing_writes_nothing_in_a_dry_run(fleet: Fleet, keep):
    fleet.add("acme")
    first = attempt(fleet)
    before, was = row_versions(fleet), state(fleet)
    again = attempt(fleet, keep=keep)
    assert (again.status, again.not_modified, again.models, again.dry_run) == ("synced", True, 5, keep == "nothing")
    assert again.raw_response_id == (None if keep == "nothing" else first.raw_response_id)
    assert (row_versions(fleet), state(fleet)) == (before, was)


def test_a_sync_that_ends_during_the_fetch_makes_the_listing_be_validated(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    body = json.dumps(listing(*CHAT_MODELS))

    def meanwhile(_request):
        execute(fleet, "UPDATE provider_sync SET raw_response_id = NULL")

        return Response(body, content_type="application/json")

    fleet.server.clear()
    fleet.server.expect_request("/acme/v1/models").respond_with_handler(meanwhile)
    again = attempt(fleet)
    assert (again.status, again.not_modified, again.unchanged) == ("synced", False, 5)
    assert state(fleet).raw_response_id == again.raw_response_id


def test_a_listing_that_is_blocked_again_and_again_is_pruned_too(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    execute(fleet, "UPDATE provider SET raw_keep_count = 2")
    for number in range(5):
        fleet.serve("acme", {"moved": number})
        assert attempt(fleet).status == "blocked"
    with fleet.database.session() as session:
        stored = catalog.raw_responses.list_raw_responses(session, "acme")
    assert [each.accepted for each in stored if each.complete] == [False, False, True]


class Versioned:
    """A provider whose pages have validators and that answers conditional requests with 304."""

    def __init__(self, fleet: Fleet, *pages: dict, by: str = "ETag") -> None:
        self.pages = list(pages)
        self.asked: list[str] = []
        self._by = by
        fleet.server.clear()
        fleet.server.expect_request("/acme/v1/models").respond_with_handler(self._answer)
        self.meanwhile = lambda: None

    def _answer(self, request) -> Response:
        self.meanwhile()
        number = int(request.args.get("after_id", "0").removeprefix("m"))
        body = json.dumps(self.pages[number])
        version = f'"{abs(hash(body))}"' if self._by == "ETag" else "Sun, 01 Nov 2026 12:00:00 GMT"
        known = request.headers.get("If-None-Match" if self._by == "ETag" else "If-Modified-Since")
        self.asked.append("new" if known is None else "same" if known == version else "changed")
        if known == version:
            return Response(status=304, headers={self._by: version})
        return Response(body, content_type="application/json", headers={self._by: version})


def paged(*names: str, models: int = 3) -> list[dict]:
    """A listing paginated by cursor, one page per name."""
    return [
        {
            "data": [{"id": f"{name}-{n}", "type": "model"} for n in range(models)],
            "has_more": number < len(names),
            "last_id": f"m{number}",
        }
        for number, name in enumerate(names, start=1)
    ]


@pytest.mark.parametrize("by", ["ETag", "Last-Modified"])
def test_a_listing_that_the_provider_reports_unchanged_is_not_even_loaded(fleet: Fleet, by):
    fleet.add("acme")
    server = Versioned(fleet, listing(*CHAT_MODELS), by=by)
    first = attempt(fleet)
    execute(fleet, "DELETE FROM raw_response_page")
    before, was = row_versions(fleet), state(fleet)
    again = attempt(fleet)
    assert server.asked == ["new", "same"]
    assert (again.status, again.not_modified, again.models, again.unchanged) == ("synced", True, 5, 5)
    assert (again.page_count, again.byte_count) == (first.page_count, first.byte_count)
    assert row_versions(fleet) == before
    assert state(fleet).last_success_at == again.last_success_at > was.last_success_at
    assert state(fleet).validators == was.validators
    assert attempt(fleet).not_modified


def test_no_transaction_is_open_between_two_pages(fleet: Fleet):
    fleet.add("acme", paged("a", "b", "c")[0])
    server = Versioned(fleet, *paged("a", "b", "c"))
    attempt(fleet)
    states: list[str] = []

    def look() -> None:
        with catalog.database.open_database(fleet.database.url) as other, other.engine.connect() as connection:
            query = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            states.extend(connection.exec_driver_sql(query).scalars())

    server.meanwhile = look
    accepted = attempt(fleet, accept=AcceptedGuards(frozenset({"shrink"}), "looked at it"))
    assert (accepted.status, accepted.page_count) == ("synced", 3)
    assert states
    assert set(states) == {"idle"}


def test_unchanged_pages_are_validated_together_with_changed_ones(fleet: Fleet):
    fleet.add("acme", paged("a", "b")[0])
    server = Versioned(fleet, *paged("a", "b"))
    assert attempt(fleet).created == 6
    assert attempt(fleet).not_modified
    server.pages[1]["data"].append({"id": "c-0", "type": "model"})
    third = attempt(fleet)
    assert server.asked == ["new", "new", "same", "same", "same", "changed"]
    assert (third.not_modified, third.created, third.unchanged, third.missing) == (False, 1, 6, 0)
    with fleet.database.session() as session:
        stored = list(catalog.raw_responses.stored_pages(session, third.raw_response_id))
    assert [json.loads(page.content) for page in stored] == server.pages
    assert [page.status for page in stored] == [200, 200]
    assert attempt(fleet).not_modified


def test_pages_after_a_changed_one_are_requested_unconditionally(fleet: Fleet):
    fleet.add("acme", paged("a", "b", "c")[0])
    server = Versioned(fleet, *paged("a", "b", "c"))
    attempt(fleet)
    server.pages[1]["data"].pop()
    server.asked.clear()
    assert attempt(fleet).missing == 1
    assert server.asked == ["same", "changed", "new"]


@pytest.mark.parametrize("statement", NEWS.values(), ids=NEWS.keys())
def test_no_request_is_conditional_if_the_listing_must_be_validated(fleet: Fleet, statement: str):
    fleet.add("acme")
    server = Versioned(fleet, listing(*CHAT_MODELS))
    attempt(fleet)
    execute(fleet, statement)
    attempt(fleet)
    attempt(fleet)
    assert server.asked == ["new", "new", "same"]


def test_after_a_failure_the_complete_listing_is_requested(fleet: Fleet):
    fleet.add("acme")
    attempt(fleet)
    fleet.answer("acme", "oops", status=404)
    attempt(fleet)
    server = Versioned(fleet, listing(*CHAT_MODELS))
    assert attempt(fleet).recovered
    assert server.asked == ["new"]


def test_an_unchanged_listing_is_validated_if_another_sync_ended_meanwhile(fleet: Fleet):
    fleet.add("acme")
    server = Versioned(fleet, listing(*CHAT_MODELS))
    first = attempt(fleet)
    server.meanwhile = lambda: execute(fleet, "UPDATE provider_sync SET basis = NULL")
    again = attempt(fleet)
    assert server.asked == ["new", "same"]
    assert (again.status, again.not_modified, again.unchanged) == ("synced", False, 5)
    assert again.raw_response_id == first.raw_response_id


def test_the_validators_of_an_accepted_listing_are_kept_with_its_pages(fleet: Fleet):
    fleet.add("acme")
    Versioned(fleet, listing(*CHAT_MODELS))
    first = attempt(fleet)
    (known,) = state(fleet).validators
    assert (known["endpoint"], known["number"], known["last_modified"]) == (0, 1, None)
    assert known["url"].endswith("/acme/v1/models")
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, first.raw_response_id)
        assert session.scalar(text("SELECT etag FROM provider_sync")) == known["etag"] == page.headers["etag"]
