"""ModelSyncer, against real HTTP and a real PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug import Response

from provider_pipeline import ModelSyncer, ModelSyncerError, RuleValidationError, catalog
from provider_pipeline.errors import (
    ConfigurationError,
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    MissingCredentialError,
    RuleMissingError,
    RuleReplacedError,
    UnknownProviderError,
    UnknownValueError,
)
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.plan import AcceptedGuards
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

PATIENCE = FetchLimits(retries=0, read_timeout=5)


def sync(fleet: Fleet, slug: str, **options):
    with fleet.database.session() as session:
        return ModelSyncer(session, client=ListingClient(PATIENCE)).sync_provider_models(slug, **options)


def test_a_first_sync_creates_every_model(fleet: Fleet):
    fleet.add("acme")
    result = sync(fleet, "acme")
    assert result["success"] is True
    assert (result["models_synced"], result["models_created"], result["models_updated"]) == (5, 5, 0)
    assert set(fleet.rows("acme")) == set(CHAT_MODELS)


def test_the_same_listing_again_touches_no_row(fleet: Fleet):
    fleet.add("acme")
    sync(fleet, "acme")
    before = fleet.rows("acme")
    result = sync(fleet, "acme")
    assert (result["models_unchanged"], result["models_created"], result["models_updated"]) == (5, 0, 0)
    assert fleet.rows("acme") == before


def test_only_the_changed_row_is_written(fleet: Fleet):
    fleet.add("acme")
    sync(fleet, "acme")
    before = fleet.rows("acme")
    changed = listing(*CHAT_MODELS)
    changed["data"][2]["context_length"] = 256_000
    fleet.serve("acme", changed)
    result = sync(fleet, "acme")
    assert (result["models_updated"], result["models_unchanged"]) == (1, 4)
    assert result["changes"] == [
        {
            "model_id": "gpt-4o",
            "kind": "updated",
            "changed": {"context_length": [128_000, 256_000]},
            "cause": "provider",
        }
    ]
    after = fleet.rows("acme")
    assert {model for model in before if before[model] != after[model]} == {"gpt-4o"}


def test_the_time_of_the_request_in_every_model_is_no_change(fleet: Fleet):
    """The rule was written from a sample in which the times differed, so they looked like facts."""

    def at(*moments: datetime) -> dict[str, Any]:
        listed = listing(*CHAT_MODELS)
        for model, moment in zip(listed["data"], moments, strict=True):
            model["created_at"] = moment.isoformat()
        return listed

    fleet.add("acme", at(*(datetime(2025, month, 3, 4, 5, tzinfo=UTC) for month in range(1, 6))))
    sync(fleet, "acme")
    now = datetime.now(UTC)
    fleet.serve("acme", at(*[now] * 5))
    result = sync(fleet, "acme")
    assert [change["changed"]["metadata_json"][1] for change in result["changes"]] == [{"owned_by": "acme"}] * 5
    assert "request_time" in [issue["type"] for issue in result["issues"]]
    before = fleet.rows("acme")
    fleet.serve("acme", at(*[now + timedelta(seconds=5)] * 5))
    result = sync(fleet, "acme")
    assert (result["models_updated"], result["models_unchanged"]) == (0, 5)
    assert fleet.rows("acme") == before


def test_a_dry_run_reports_changes_and_makes_none(fleet: Fleet):
    fleet.add("acme")
    result = sync(fleet, "acme", dry_run=True)
    assert (result["dry_run"], result["models_created"]) == (True, 5)
    assert fleet.rows("acme") == {}
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        assert catalog.sync_state.get(session, provider_id) == catalog.sync_state.SyncState()
        assert catalog.raw_responses.recent_ids(session, provider_id, limit=5) == []


def test_a_model_is_removed_only_after_three_listings_without_it_and_restored_when_it_is_back(fleet: Fleet):
    fleet.add("acme")
    fleet.removes_after("acme", misses=3, hours=0)
    sync(fleet, "acme")
    fleet.serve("acme", listing(*CHAT_MODELS[:4]))
    statuses = []
    for _ in range(3):
        sync(fleet, "acme")
        statuses.append(fleet.rows("acme")[CHAT_MODELS[4]][1])
    assert statuses == ["missing", "missing", "removed"]
    fleet.serve("acme", listing(*CHAT_MODELS))
    assert sync(fleet, "acme")["models_restored"] == 1
    assert fleet.rows("acme")[CHAT_MODELS[4]][1] == "active"


BROKEN_LISTINGS = {
    "null": "null",
    "an empty object": "{}",
    "an empty list": '{"object": "list", "data": []}',
    "a list of strings": '{"object": "list", "data": ["gpt-4.1", "gpt-4.1-mini"]}',
    "ids under another key": '{"object": "list", "data": [{"name_v2": "gpt-4.1"}, {"name_v2": "gpt-4o"}]}',
}


@pytest.mark.parametrize("body", BROKEN_LISTINGS.values(), ids=BROKEN_LISTINGS.keys())
def test_a_listing_that_does_not_fit_is_blocked_and_opens_one_task(fleet: Fleet, body: str):
    fleet.add("acme")
    sync(fleet, "acme")
    before = fleet.rows("acme")
    fleet.answer("acme", body, content_type="application/json")
    for _ in range(2):
        with pytest.raises(RuleValidationError) as raised:
            sync(fleet, "acme", created_by_id=7)
        assert raised.value.reason.startswith("acme: ")
        assert [issue for issue in raised.value.issues if issue["severity"] == "error"]
    assert fleet.rows("acme") == before
    (task,) = fleet.tasks("acme")
    assert (task.type, task.status) == ("RULE_GEN", "PENDING")
    assert task.config["issues"] == raised.value.issues
    with fleet.database.session() as session:
        (page,) = catalog.raw_responses.stored_pages(session, task.config["raw_response_id"])
    assert page.content.decode() == body


def test_an_error_with_a_success_status_opens_no_task(fleet: Fleet):
    fleet.add("acme")
    sync(fleet, "acme")
    before = fleet.rows("acme")
    fleet.serve("acme", {"error": {"message": "rate limited"}})
    with pytest.raises(ListingRefusedError, match="rate limited"):
        sync(fleet, "acme")
    assert fleet.rows("acme") == before
    assert fleet.tasks("acme") == []


def test_a_dry_run_of_a_broken_listing_opens_no_task(fleet: Fleet):
    fleet.add("acme")
    fleet.serve("acme", {})
    with pytest.raises(RuleValidationError):
        sync(fleet, "acme", dry_run=True)
    assert fleet.tasks("acme") == []


def test_a_listing_that_shrank_to_a_tenth_is_held(fleet: Fleet):
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(40)))
    fleet.add("acme", many)
    sync(fleet, "acme")
    before = fleet.rows("acme")
    fleet.serve("acme", {**many, "data": many["data"][:4]})
    with pytest.raises(RuleValidationError):
        sync(fleet, "acme")
    assert fleet.rows("acme") == before


SHRUNK = AcceptedGuards(frozenset({"shrink", "turnover"}), "they announced it", "ada", 7)


def held(fleet: Fleet) -> None:
    """A provider that lists a tenth of its models."""
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(40)))
    fleet.add("acme", many)
    sync(fleet, "acme")
    fleet.serve("acme", {**many, "data": many["data"][:4]})
    with pytest.raises(RuleValidationError):
        sync(fleet, "acme")


def test_a_person_can_accept_a_listing_that_was_held_and_its_task_is_closed(fleet: Fleet):
    held(fleet)
    with fleet.database.session() as session:
        outcome = attempt_sync(session, "acme", client=ListingClient(PATIENCE), accept=SHRUNK)
        (acceptance,) = catalog.acceptances.find(session, slug="acme")
    assert (outcome.status, outcome.unchanged, outcome.missing) == ("synced", 4, 36)
    assert [task.status for task in fleet.tasks("acme")] == ["CANCELLED"]
    assert (acceptance.kinds, acceptance.reason, acceptance.author, acceptance.created_by_id) == (
        ["shrink", "turnover"],
        "they announced it",
        "ada",
        7,
    )
    assert acceptance.raw_response_id == outcome.raw_response_id


@pytest.mark.parametrize("guards", [{"prices"}, {"limits", "fields"}])
def test_accepting_one_guard_does_not_open_another(fleet: Fleet, guards: set[str]):
    held(fleet)
    before = fleet.rows("acme")
    accept = AcceptedGuards(frozenset(guards), "the wrong one")
    with fleet.database.session() as session:
        assert attempt_sync(session, "acme", client=ListingClient(PATIENCE), accept=accept).status == "blocked"
        assert catalog.acceptances.find(session) == []
    assert fleet.rows("acme") == before


def test_the_python_api_accepts_with_a_reason_only(fleet: Fleet):
    held(fleet)
    with fleet.database.session() as session:
        syncer = ModelSyncer(session)
        with pytest.raises(ConfigurationError, match="needs a reason"):
            syncer.sync_provider_models("acme", accept=["shrink"])
        with pytest.raises(ConfigurationError, match="'shrunk' is not a guard"):
            syncer.sync_provider_models("acme", accept=["shrunk"], reason="x")
        assert syncer.sync_provider_models("acme", accept=["all"], reason="x", created_by_id=3)["models_missing"] == 36


def causes(fleet: Fleet) -> dict[tuple[str, str], str]:
    with fleet.database.session() as session:
        found = session.execute(text("SELECT model_id, kind, cause, changed FROM provider_model_change ORDER BY id"))
        return {(row.model_id, ",".join(sorted(row.changed)) or row.kind): row.cause for row in found}


def test_changes_by_a_new_rule_are_not_attributed_to_the_provider(fleet: Fleet):
    fleet.add("acme", listing("gpt-4.1", "gpt-4o"))
    sync(fleet, "acme")
    richer = RuleGenerator().analyze_sample(listing("gpt-4.1", "gpt-4o"))
    richer |= {"endpoint": "/v1/models", "fields": {**richer["fields"], "name": "id"}}
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        catalog.rule_versions.activate_rule(
            session, provider.id, store_for_trial(session, provider.id, richer, reason="x"), reason="x"
        )
        session.commit()
    after = listing("gpt-4.1", "gpt-4o", "gpt-5")
    after["data"][1]["context_length"] = 64_000
    fleet.serve("acme", after)
    result = sync(fleet, "acme")
    assert (result["models_updated"], result["models_created"], result["models_unchanged"]) == (2, 1, 0)
    found = causes(fleet)
    assert found["gpt-4.1", "display_name"] == found["gpt-4o", "display_name"] == "rule"
    assert found["gpt-4o", "context_length"] == found["gpt-5", "added"] == "provider"


def test_a_new_rule_that_does_not_fit_the_old_listing_is_the_cause_of_all_changes(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    sync(fleet, "acme")
    fleet.serve("acme", moved(*CHAT_MODELS))
    with fleet.database.session() as session:
        generate_rule(session, "acme", [EndpointSample(moved(*CHAT_MODELS), "/v1/models")], activate=True)
        session.commit()
    sync(fleet, "acme")
    assert set(causes(fleet).values()) <= {"rule", "provider"}
    assert {cause for (_, kind), cause in causes(fleet).items() if kind != "added"} <= {"rule"}


def test_a_new_rule_does_not_count_a_missing_model_twice(fleet: Fleet):
    fleet.add("acme", listing("a-1", "a-2", "a-3", "a-4", "a-5"))
    sync(fleet, "acme")
    fleet.serve("acme", listing("a-1", "a-2", "a-3", "a-4"))
    sync(fleet, "acme")
    richer = RuleGenerator().analyze_sample(listing("a-1", "a-2", "a-3", "a-4"))
    richer |= {"endpoint": "/v1/models", "fields": {**richer["fields"], "name": "id"}}
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        catalog.rule_versions.activate_rule(
            session, provider.id, store_for_trial(session, provider.id, richer, reason="x"), reason="x"
        )
        session.commit()
    sync(fleet, "acme")
    with fleet.database.session() as session:
        counts = (
            session.execute(text("SELECT missing_count FROM provider_model WHERE model_id = 'a-5'")).scalars().all()
        )
    assert counts == [2]


UNREADABLE = {
    "html": ("<html><title>502 Bad Gateway</title></html>", 200, ListingUnreadableError),
    "nothing": ("", 200, ListingUnreadableError),
    "half a document": ('{"object": "list", "data": [{"id": "gpt', 200, ListingUnreadableError),
    "status 500": ("oops", 500, ListingRefusedError),
    "status 401": ("no", 401, ListingRefusedError),
    "status 404": ("no", 404, ListingRefusedError),
}


@pytest.mark.parametrize(("body", "status", "error"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_failed_fetch_changes_no_row_and_says_why_in_one_line(fleet: Fleet, body: str, status: int, error: type):
    fleet.add("acme")
    sync(fleet, "acme")
    before = fleet.rows("acme")
    fleet.answer("acme", body, status=status)
    with pytest.raises(ModelSyncerError) as raised:
        sync(fleet, "acme")
    assert type(raised.value) is error
    assert "acme" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert fleet.rows("acme") == before
    assert fleet.tasks("acme") == []
    with fleet.database.session() as session:
        state = catalog.sync_state.get(session, catalog.providers.get(session, "acme").id)
    assert (state.consecutive_failures, state.last_result["status"]) == (1, "failed")


def test_an_unreachable_host_is_distinguished_from_a_response(fleet: Fleet):
    fleet.add("acme")
    fleet.server.stop()
    try:
        with pytest.raises(ListingUnreachableError):
            sync(fleet, "acme")
    finally:
        fleet.server.start()
    assert fleet.rows("acme") == {}


def test_a_missing_key_names_the_provider_and_its_variable(fleet: Fleet):
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_TEST_KEY_THAT_IS_NOT_SET"})
    with pytest.raises(MissingCredentialError, match=r"acme.*ACME_TEST_KEY_THAT_IS_NOT_SET"):
        sync(fleet, "acme")


def test_an_unknown_slug_and_a_missing_rule_have_their_own_errors(fleet: Fleet):
    with pytest.raises(UnknownProviderError, match="nobody"):
        sync(fleet, "nobody")
    with fleet.database.session() as session:
        catalog.providers.add(session, slug="new", name="new", base_url="http://127.0.0.1:9", auth_config={})
        session.commit()
    with pytest.raises(RuleMissingError, match="rules generate new"):
        sync(fleet, "new")


def test_a_model_keeps_its_row_without_a_limit_that_cannot_be_true(fleet: Fleet):
    many = listing(*(f"gpt-4.1-tune-{number}" for number in range(60)))
    fleet.add("acme", many)
    sync(fleet, "acme")
    before = fleet.rows("acme")
    many["data"][7]["context_length"] = -5
    fleet.serve("acme", many)
    result = sync(fleet, "acme")
    assert (result["models_rejected"], result["models_missing"], result["models_updated"]) == (0, 0, 1)
    assert "negative_limit" in {issue["type"] for issue in result["issues"]}
    after = fleet.rows("acme")
    changed = [model_id for model_id in before if before[model_id] != after[model_id]]
    assert changed == ["gpt-4.1-tune-7"]
    assert after["gpt-4.1-tune-7"][1:] == ("active", None)


def test_an_unknown_threshold_is_named_and_a_known_one_is_used(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET thresholds = '{\"no_such\": 1}'"))
        session.commit()
    with pytest.raises(ConfigurationError, match=r"acme: no threshold no_such .*min_models"):
        sync(fleet, "acme")
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET thresholds = '{\"min_models\": 6}'"))
        session.commit()
    with pytest.raises(RuleValidationError, match="5 models"):
        sync(fleet, "acme")


def test_an_override_survives_every_sync(fleet: Fleet):
    fleet.add("acme")
    sync(fleet, "acme")
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        for field, value in {"context_length": 64_000, "capabilities.vision": False}.items():
            catalog.model_overrides.put(session, provider_id, "gpt-4o", field, value, reason="measured")
        session.commit()
    assert sync(fleet, "acme")["models_updated"] == 1
    changed = listing(*CHAT_MODELS, context_length=200_000)
    fleet.serve("acme", changed)
    sync(fleet, "acme")
    assert fleet.rows("acme")["gpt-4o"][2] == 64_000
    assert fleet.rows("acme")["gpt-4.1"][2] == 200_000
    with fleet.database.session() as session:
        row = catalog.models.previous_rows(session, provider_id, ["gpt-4o"])["gpt-4o"]
    assert row["capabilities"]["vision"] is False
    assert row["capability_sources"]["vision"] == "override"


def test_a_listing_of_several_pages_is_synced_entirely_or_not_at_all(fleet: Fleet):
    sample = {
        "data": [{"id": f"claude-{n}", "type": "model"} for n in range(5)],
        "has_more": True,
        "last_id": "claude-4",
    }
    fleet.add("acme", sample)
    rest = {"data": [{"id": "claude-9", "type": "model"}], "has_more": False, "last_id": "claude-9"}
    path = "/acme/v1/models"
    fleet.server.expect_oneshot_request(path, query_string={"after_id": "claude-4"}).respond_with_data("", status=500)
    with pytest.raises(ListingRefusedError):
        sync(fleet, "acme")
    assert fleet.rows("acme") == {}
    fleet.server.expect_oneshot_request(path, query_string={"after_id": "claude-4"}).respond_with_json(rest)
    assert sync(fleet, "acme")["models_created"] == 6


def test_a_rule_replaced_during_the_fetch_writes_no_row(fleet: Fleet):
    fleet.add("acme")
    sync(fleet, "acme")
    with fleet.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        other = store_for_trial(
            session, provider_id, RuleGenerator().analyze_sample(moved(*CHAT_MODELS)), reason="other"
        )
        session.commit()

    def meanwhile(_request) -> Response:
        with fleet.database.session() as person:
            catalog.rule_versions.activate_rule(person, provider_id, other, reason="it is better")
            person.commit()
        return Response(json.dumps(listing(*CHAT_MODELS, "gpt-5")), content_type="application/json")

    before = fleet.rows("acme")
    fleet.server.clear()
    fleet.server.expect_request("/acme/v1/models").respond_with_handler(meanwhile)
    with pytest.raises(RuleReplacedError, match="rule version 2 became active meanwhile, in place of 1"):
        sync(fleet, "acme")
    assert fleet.rows("acme") == before
    with fleet.database.session() as session:
        assert catalog.sync_state.get(session, provider_id).last_error_kind == "RuleReplacedError"


def test_an_invalid_threshold_counts_as_a_failure(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(text("UPDATE provider SET thresholds = '{\"nonsense\": 1}'"))
        session.commit()
        outcome = attempt_sync(session, "acme", client=ListingClient(PATIENCE))
        assert (outcome.status, type(outcome.error)) == ("failed", UnknownValueError)
        assert catalog.sync_state.get(session, catalog.providers.get(session, "acme").id).consecutive_failures == 1
