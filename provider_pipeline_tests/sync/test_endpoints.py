"""Several endpoints and model details, from real HTTP into a real PostgreSQL."""

from typing import Any
from urllib.parse import quote

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from provider_pipeline import ModelSyncer, ModelSyncerError, RuleValidationError, catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.sync.plan import StoredResponse, stored_rule
from provider_pipeline.sync.repair.candidates import ListingPlace, active_places
from provider_pipeline.sync.repair.generate import GeneratedRule, fetch_sample, generate_rule
from provider_pipeline.sync.repair.worker import answer_tasks, improve_rule
from provider_pipeline_tests.fleet import Fleet, listing

PATIENCE = FetchLimits(retries=0, read_timeout=5)

NAMES = {"data": [{"id": name, "display_name": name.title(), "owned_by": "acme"} for name in ("gpt-4.1", "gpt-4o")]}
PRICES = {
    "models": [
        {"id": "gpt-4o", "display_name": "other", "context_length": 128_000, "pricing": {"prompt": "0.0000025"}},
        {"id": "text-embedding-3-small", "context_length": 8192, "pricing": {"prompt": "0.00000002"}},
    ]
}
TWO = (ListingPlace("/v1/models"), ListingPlace("/v1/priced-models"))
DETAILED = (ListingPlace("/v1/models", Detail(path="/v1/models/{id}", concurrency=2)),)


def learn(fleet: Fleet, *places: ListingPlace, slug: str = "acme") -> GeneratedRule:
    """Generates and stores a rule from the provider's present responses."""
    with fleet.database.session() as session:
        samples, sample_id = fetch_sample(session, slug, places, client=ListingClient(PATIENCE))
        generated = generate_rule(session, slug, samples, sample_id=sample_id)
        session.commit()
    return generated


def sync(fleet: Fleet, slug: str = "acme") -> dict[str, Any]:
    with fleet.database.session() as session:
        return ModelSyncer(session, client=ListingClient(PATIENCE)).sync_provider_models(slug)


def table(fleet: Fleet) -> dict[str, Any]:
    """The provider's rows by model id."""
    columns = "model_id, display_name, context_length, input_price, capabilities, metadata_json, meta_hash, xmin::text"
    with fleet.database.session() as session:
        found = session.execute(text(f"SELECT {columns} FROM provider_model")).mappings().all()
    return {row["model_id"]: dict(row) for row in found}


@pytest.fixture
def two(fleet: Fleet) -> Fleet:
    """A provider with two endpoints and its rule."""
    fleet.register("acme")
    fleet.serve("acme", NAMES)
    fleet.serve("acme", PRICES, at="/v1/priced-models")
    learned = learn(fleet, *TWO)
    assert (learned.version, learned.activated, learned.models) == (1, True, 3)
    return fleet


def test_a_model_of_two_endpoints_is_one_row_with_what_both_say(two: Fleet):
    result = sync(two)
    assert (result["models_synced"], result["models_created"], result["issues"]) == (3, 3, [])
    rows = table(two)
    assert set(rows) == {"gpt-4.1", "gpt-4o", "text-embedding-3-small"}
    merged = rows["gpt-4o"]
    assert (merged["display_name"], merged["context_length"], merged["input_price"]) == ("Gpt-4O", 128_000, 2.5)
    assert merged["metadata_json"] == {"owned_by": "acme"}
    assert rows["text-embedding-3-small"]["capabilities"]["embedding"] is True

    again = sync(two)
    assert (again["models_unchanged"], again["models_updated"]) == (3, 0)
    assert table(two) == rows


@pytest.mark.parametrize("at", ["/v1/models", "/v1/priced-models"])
def test_one_endpoint_that_fails_fails_the_listing_and_nothing_is_written(two: Fleet, at: str):
    sync(two)
    before = table(two)
    two.answer("acme", "down", status=503, at=at)
    with pytest.raises(ModelSyncerError, match=r"acme.*503"):
        sync(two)
    assert table(two) == before


def test_one_endpoint_that_moved_blocks_the_listing_and_its_rule_alone_is_renewed(two: Fleet):
    sync(two)
    before = table(two)
    moved = {"result": {"entries": [{**each, "tier": "x"} for each in PRICES["models"]]}}
    two.serve("acme", moved, at="/v1/priced-models")
    with pytest.raises(RuleValidationError):
        sync(two)
    assert table(two) == before
    two.answer("acme", "down", status=503)  # the repair needs no network

    with two.database.session() as session:
        (generated,) = answer_tasks(session, "acme")
        assert (generated.activated, generated.models, len(generated.rule.endpoints)) == (True, 3, 2)
        old = stored_rule(session, catalog.rule_versions.get(session, catalog.providers.get(session, "acme").id, 1))
    assert generated.rule.endpoints[0] == old.endpoints[0]
    assert [endpoint.selector for endpoint in generated.rule.endpoints] == ["data[*]", "result.entries[*]"]

    two.serve("acme", NAMES)
    assert sync(two)["models_unchanged"] == 3


def test_the_gates_compare_merged_rows_with_known_models(two: Fleet):
    sync(two)
    two.serve("acme", {"result": {"entries": PRICES["models"]}}, at="/v1/priced-models")
    with pytest.raises(RuleValidationError):
        sync(two)
    with two.database.session() as session:
        (repair,) = answer_tasks(session, "acme")
    assert [gate.name for gate in repair.gates if not gate.passed] == []
    assert (repair.status, repair.models) == ("activated", 3)
    assert sync(two)["models_unchanged"] == 3


def test_the_rule_of_several_endpoints_is_learnt_again_without_naming_them(two: Fleet):
    with two.database.session() as session:
        places = active_places(session, "acme")
    assert places == TWO
    again = learn(two, *places)
    assert (again.version, again.activated) == (1, False)


def test_a_provider_of_one_endpoint_gets_a_second_one_when_that_fills_more(fleet: Fleet):
    fleet.register("acme")
    fleet.serve("acme", NAMES)
    learn(fleet, TWO[0])
    sync(fleet)
    fleet.serve("acme", PRICES, at="/v1/priced-models")
    learned = learn(fleet, *TWO)
    assert (learned.version, learned.activated) == (2, True)
    assert sync(fleet)["models_created"] == 1
    assert table(fleet)["gpt-4o"]["input_price"] == 2.5


def test_a_stored_response_from_before_the_second_endpoint_asks_for_a_new_sample(fleet: Fleet):
    fleet.register("acme")
    fleet.serve("acme", NAMES)
    learn(fleet, TWO[0])
    sync(fleet)
    fleet.serve("acme", PRICES, at="/v1/priced-models")
    learn(fleet, *TWO)
    with (
        fleet.database.session() as session,
        pytest.raises(ModelSyncerError, match=r"no page of /v1/priced-models.*rules generate acme"),
    ):
        improve_rule(session, "acme")


IDS = ("gpt-4.1", "acme/gpt-4o", "text-embedding-3-small")


def one(model_id: str, context_length: int = 8192) -> dict[str, Any]:
    """A model's details."""
    return {"id": model_id, "limits": {"context_length": context_length}, "pricing": {"prompt": "0.000002"}}


@pytest.fixture
def detailed(fleet: Fleet) -> Fleet:
    """A provider whose list has only ids, with a rule that reads each model's details."""
    fleet.register("acme")
    fleet.serve("acme", {"object": "list", "data": [{"id": model_id} for model_id in IDS]})
    for model_id in IDS:
        fleet.serve("acme", one(model_id), at=f"/v1/models/{model_id}")
    learned = learn(fleet, *DETAILED)
    assert (learned.activated, learned.models) == (True, 3)
    assert learned.rule.endpoints[0].fields["context_length"] == "detail.limits.context_length"
    return fleet


def test_rows_come_from_the_models_own_answers(detailed: Fleet):
    assert sync(detailed)["models_created"] == 3
    rows = table(detailed)
    assert {model_id: row["context_length"] for model_id, row in rows.items()} == dict.fromkeys(IDS, 8192)
    assert rows["acme/gpt-4o"]["input_price"] == 2.0
    asked = {request.environ["REQUEST_URI"] for request, _ in detailed.server.log}
    assert f"/acme/v1/models/{quote('acme/gpt-4o', safe='')}" in asked


def test_a_change_in_a_detail_alone_is_a_change_of_the_row(detailed: Fleet):
    sync(detailed)
    detailed.serve("acme", one("gpt-4.1", 16_384), at="/v1/models/gpt-4.1")
    assert sync(detailed)["changes"] == [
        {
            "model_id": "gpt-4.1",
            "kind": "updated",
            "changed": {"context_length": [8192, 16_384]},
            "cause": "provider",
        }
    ]


def test_a_model_whose_detail_is_gone_still_is_a_row_of_what_the_list_says(detailed: Fleet):
    detailed.answer("acme", "gone", status=404, at="/v1/models/text-embedding-3-small")
    assert sync(detailed)["models_created"] == 3
    row = table(detailed)["text-embedding-3-small"]
    assert (row["context_length"], row["input_price"]) == (None, None)
    assert row["capabilities"]["embedding"] is True


def test_a_detail_that_fails_fails_the_listing_with_provider_model_and_next_step(detailed: Fleet):
    sync(detailed)
    before = table(detailed)
    detailed.answer("acme", "oops", status=500, at="/v1/models/acme/gpt-4o")
    with pytest.raises(ModelSyncerError, match=r"^acme: the detail of 'acme/gpt-4o': .*500.*next scheduled"):
        sync(detailed)
    assert table(detailed) == before


@pytest.mark.parametrize("kind", ["two", "detailed"])
def test_the_stored_response_read_again_gives_the_same_rows(kind: str, request: pytest.FixtureRequest):
    fleet: Fleet = request.getfixturevalue(kind)
    raw_response_id = sync(fleet)["raw_response_id"]
    fleet.server.clear()
    with fleet.database.session() as session:
        judge = ListingJudge(
            stored_rule(session, catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id))
        )
        read = [
            row
            for endpoint, document in StoredResponse(session, raw_response_id)
            for row in judge.add_page(document, endpoint=endpoint)
        ]
    verdict = judge.verdict()
    assert verdict.valid
    rows = verdict.settled(read)
    assert {row["model_id"]: row["meta_hash"] for row in rows} == {
        model_id: row["meta_hash"] for model_id, row in table(fleet).items()
    }


def test_a_detail_whose_shape_moved_blocks_the_listing_and_its_rule_is_renewed(fleet: Fleet):
    fleet.register("acme")
    ids = [f"gpt-4.1-tune-{number}" for number in range(8)]
    fleet.serve("acme", {"data": [{"id": model_id} for model_id in ids]})
    for model_id in ids:
        fleet.serve("acme", one(model_id), at=f"/v1/models/{model_id}")
    learn(fleet, *DETAILED)
    sync(fleet)
    before = table(fleet)
    for model_id in ids:
        fleet.serve("acme", {"model": listing(model_id)["data"][0]}, at=f"/v1/models/{model_id}")
    with pytest.raises(RuleValidationError):
        sync(fleet)
    assert table(fleet) == before
    with fleet.database.session() as session:
        (generated,) = answer_tasks(session, "acme")
    (endpoint,) = generated.rule.endpoints
    assert endpoint.detail == DETAILED[0].detail
    assert endpoint.fields["context_length"] == "detail.model.context_length"


def test_a_provider_at_an_ipv6_address_below_a_path_is_synced(database: catalog.database.Database):
    try:
        server = HTTPServer(host="::1", port=0)
        server.start()
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    try:
        fleet = Fleet(database, server)
        fleet.add("acme")
        with database.session() as session:
            assert catalog.providers.get(session, "acme").base_url == f"http://[::1]:{server.port}/acme"
            assert ModelSyncer(session).sync_provider_models("acme")["models_created"] == 5
    finally:
        server.stop()
