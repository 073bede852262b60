"""No rule sends a provider's key to another place unless a person agrees."""

import json

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.plan import store_rule, stored_rule
from provider_pipeline.sync.repair.generate import generate_rule, store_sample
from provider_pipeline.sync.repair.review import approve_task, propose_rule
from provider_pipeline.sync.repair.worker import Repair, answer_tasks, improve_rule
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

KEY = "sk-live-7f3a9c1e5b"
KEYS = "/v1/organization/admin_api_keys"
GOOD = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))
READING = {"selector": GOOD["jmespath_rule"], **{part: GOOD[part] for part in ("fields", "units", "expect")}}


def rule(*endpoints: dict) -> dict:
    """The right rule for the moved listing, with these endpoints."""
    capabilities = {each["capability"]: {"patterns": each["patterns"]} for each in GOOD["capability_rules"]}
    return {
        "model_list_config": {
            "endpoint": [{**READING, **endpoint} for endpoint in endpoints],
            "pattern_set": GOOD["pattern_set"],
        },
        "endpoints_config": capabilities,
    }


def sync(fleet: Fleet) -> dict:
    with fleet.database.session() as session:
        client = ListingClient(environ={"ACME_KEY": KEY})
        return ModelSyncer(session, client=client).sync_provider_models("acme")


def asked(server: HTTPServer) -> set[str]:
    """The requests that the provider received, with or without its key."""
    return {request.environ["REQUEST_URI"] for request, _ in server.log}


def test_a_rule_that_only_asks_otherwise_for_pages_that_are_read_waits_for_nobody(fleet: Fleet):
    page = {**listing(*CHAT_MODELS), "has_more": False, "last_id": CHAT_MODELS[-1]}
    fleet.add("acme", page)
    sync(fleet)
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        active = stored_rule(session, catalog.rule_versions.active(session, provider.id))
        pagination = active.endpoints[0].pagination
        assert pagination is not None
        other = {**pagination, "also": ["starting_after"]}
        endpoints = (active.endpoints[0].model_copy(update={"pagination": other}),)
        rule = active.model_copy(update={"endpoints": endpoints})
        version = store_rule(session, provider.id, rule, origin="manual", activate=True)
        session.commit()
        repair = improve_rule(session, "acme")
        assert (repair.status, repair.version, repair.fits) == ("kept", version, True)
        assert len(catalog.rule_versions.list_rule_versions(session, provider.id)) == 2


@pytest.fixture
def task(fleet: Fleet) -> catalog.tasks.Task:
    """The task of a provider whose listing moved, on a host that also serves keys to its own key only."""
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_KEY"})
    fleet.serve("acme", {"data": [{"id": "sk-admin-0001"}, {"id": "sk-admin-0002"}]}, at=KEYS)
    sync(fleet)
    fleet.serve("acme", moved(*CHAT_MODELS))
    with pytest.raises(RuleValidationError):
        sync(fleet)
    (found,) = fleet.tasks("acme")
    return found


def proposed(fleet: Fleet, task: catalog.tasks.Task, document: dict) -> Repair:
    with fleet.database.session() as session:
        return propose_rule(session, task.id, document, author="agent")


def failed(repair: Repair) -> list[str]:
    return [gate.name for gate in repair.gates if not gate.passed]


ELSEWHERE = {
    "one endpoint more": [
        {"endpoint": "/v1/models"},
        {"endpoint": KEYS, "selector": "data[*]", "fields": {"id": "id"}},
    ],
    "another endpoint": [{"endpoint": KEYS}],
    "a query": [{"endpoint": "/v1/models?delete=all&role=admin"}],
    "the base URL": [{"endpoint": ""}],
    "each model's own answer": [{"endpoint": "/v1/models", "detail": {"path": "/v1/keys/{id}"}}],
    "a literal token": [
        {"endpoint": "/v1/models", "pagination": {"type": "page_token", "param": "account", "token": "'victim'"}}
    ],
    "an address as a literal": [{"endpoint": "/v1/models", "pagination": {"type": "next_url", "token": f"'{KEYS}'"}}],
}


@pytest.mark.parametrize("endpoints", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_proposed_rule_that_asks_elsewhere_waits_for_a_person(
    fleet: Fleet, task: catalog.tasks.Task, endpoints: list
):
    repair = proposed(fleet, task, rule(*endpoints))
    assert repair.status == "needs_review"
    assert "asks_the_same_places" in failed(repair)
    assert "asks the same places | **no**" in repair.report
    with pytest.raises(RuleValidationError):
        sync(fleet)
    assert asked(fleet.server) == {"/acme/v1/models"}
    assert set(fleet.rows("acme")) == set(CHAT_MODELS)


def test_a_proposed_rule_that_differs_only_in_its_endpoints_is_reported_and_can_be_approved(
    fleet: Fleet, task: catalog.tasks.Task
):
    repair = proposed(fleet, task, rule(*ELSEWHERE["a literal token"]))
    assert failed(repair) == ["asks_the_same_places"]
    assert "fails the gate asks_the_same_places: it asks /v1/models, paged by" in repair.reason
    with fleet.database.session() as session:
        assert approve_task(session, task.id, reason="they page by account now") == repair.version


@pytest.mark.parametrize("path", ["/../../../other-app/secret", "/v1/%2e%2e/keys", "//elsewhere.example/v1/models"])
def test_a_proposed_rule_that_could_leave_the_base_url_is_invalid(fleet: Fleet, task: catalog.tasks.Task, path: str):
    with pytest.raises(InvalidRuleError):
        proposed(fleet, task, rule({"endpoint": path}))
    assert fleet.tasks("acme") == [task]


@pytest.mark.parametrize("document", [GOOD, rule({}), rule({"endpoint": "/v1/models"})], ids=["open", "stored", "same"])
def test_a_proposed_rule_without_endpoints_uses_those_of_the_active_rule(
    fleet: Fleet, task: catalog.tasks.Task, document: dict
):
    repair = proposed(fleet, task, document)
    assert (repair.status, repair.rule.endpoints[0].path) == ("activated", "/v1/models")
    assert sync(fleet)["models_unchanged"] == 5
    assert asked(fleet.server) == {"/acme/v1/models"}


@pytest.mark.parametrize("document", [GOOD, rule({"endpoint": KEYS})], ids=["open", "elsewhere"])
def test_without_an_active_rule_a_person_names_the_endpoints(fleet: Fleet, document: dict):
    with fleet.database.session() as session:
        provider = catalog.providers.add(
            session,
            slug="acme",
            name="Acme",
            base_url=fleet.server.url_for("/acme"),
            auth_config={"type": "bearer", "env": "ACME_KEY"},
            request_config={"allow_private": True},
        )
        sample_id = store_sample(session, "acme", json.dumps(moved(*CHAT_MODELS)).encode(), url="sample:test")
        catalog.tasks.open_rule_gen_task(session, provider.id, raw_response_id=sample_id, issues=[{"type": "x"}])
        session.commit()
    (task,) = fleet.tasks("acme")
    with fleet.database.session() as session:
        (written,) = answer_tasks(session, "acme")
    for repair in (written, proposed(fleet, task, document)):
        assert (repair.status, failed(repair)) == ("needs_review", ["asks_the_same_places"])
    with fleet.database.session() as session:
        named = generate_rule(session, "acme", [EndpointSample(moved(*CHAT_MODELS), "/v1/models")])
    assert named.activated
    assert asked(fleet.server) == set()


def drifted(fleet: Fleet, envelope: dict) -> Repair:
    """The repair of a provider with `last_id` pagination whose listing moves and paginates in another way."""
    paged = {**listing(*CHAT_MODELS), "has_more": True, "last_id": CHAT_MODELS[-1]}
    fleet.add("acme", paged)
    fleet.serve("acme", {**paged, "has_more": False})
    sync(fleet)
    fleet.serve("acme", {**moved(*CHAT_MODELS), **envelope})
    with pytest.raises(RuleValidationError):
        sync(fleet)
    with fleet.database.session() as session:
        (repair,) = answer_tasks(session, "acme")
    return repair


@pytest.mark.parametrize("envelope", [{"next_page_token": ""}, {"meta": {"next_cursor": None}}])
def test_a_generated_rule_follows_a_provider_that_renames_its_page_token(fleet: Fleet, envelope: dict):
    repair = drifted(fleet, envelope)
    assert (repair.status, failed(repair)) == ("activated", [])
    assert repair.rule.endpoints[0].pagination["type"] == "page_token"
    assert sync(fleet)["models_unchanged"] == 5


def test_a_generated_rule_that_would_follow_next_urls_waits_for_a_person(fleet: Fleet):
    repair = drifted(fleet, {"next": None})
    assert (repair.status, failed(repair)) == ("needs_review", ["asks_the_same_places"])
    assert repair.rule.endpoints[0].pagination == {"type": "next_url", "token": "next"}


def test_a_better_rule_for_the_first_listing_keeps_the_endpoints(fleet: Fleet):
    fleet.add("acme")
    with fleet.database.session() as session:
        session.execute(text("ALTER TABLE rule_version DISABLE TRIGGER USER"))
        session.execute(text("UPDATE rule_version SET origin = 'sample'"))
        session.commit()
    richer = listing(*CHAT_MODELS)
    for item in richer["data"]:
        item["display_name"] = item["id"].title()
    fleet.serve("acme", {**richer, "next": None})
    sync(fleet)
    with fleet.database.session() as session:
        provider = catalog.providers.get(session, "acme")
        first, second = catalog.rule_versions.list_rule_versions(session, provider.id)
        assert (first.status, second.status) == ("active", "needs_review")
        assert "asks_the_same_places" in catalog.rule_versions.events(session, provider.id, version=2)[-1].reason
    fleet.serve("acme", richer)
    sync(fleet)
    with fleet.database.session() as session:
        assert improve_rule(session, "acme").status == "activated"


def test_a_proposed_rule_that_names_no_pattern_set_is_told_so(fleet: Fleet, task: catalog.tasks.Task):
    document = rule({"endpoint": "/v1/models"})
    del document["model_list_config"]["pattern_set"]
    document["endpoints_config"] = {"tools": {"patterns": {"regex": ["gpt-.*"]}}}
    repair = proposed(fleet, task, document)
    (gate,) = [each for each in repair.gates if each.name == "capabilities_agree"]
    assert not gate.passed
    assert gate.actual.endswith('names no pattern set, so add "pattern_set": "shipped" to keep what names imply')
