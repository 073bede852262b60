"""Canonical models and their offers over HTTP."""

import pytest

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.rules.identity import canonical_of
from provider_pipeline_tests.api.conftest import Client, problem
from provider_pipeline_tests.catalog.builders import NOON, model, register, write_models

GPT_4O = canonical_of("gpt-4o").id
TOOLS = {"capabilities": {"tools": True}, "capability_sources": {"tools": "evidence"}}


@pytest.fixture(scope="module")
def client(shared_database):
    with shared_database.session() as session:
        for slug, price in (("dear", 3), ("cheap", 1)):
            rows = [model("gpt-4o", input_price=price, output_price=2 * price, **TOOLS), model(f"only-at-{slug}")]
            write_models(session, register(session, slug).id, rows, now=NOON, rule_version=1)
        catalog.canonical.refresh(session)
        session.commit()
    with Client(create_app(shared_database, ApiSettings(needs_token=False))) as opened:
        yield opened


def test_each_model_is_listed_once_with_who_is_cheapest(client):
    models = client.get("/api/canonical").json()["models"]
    assert [each["id"] for each in models] == sorted(
        [GPT_4O, *(canonical_of(f"only-at-{slug}").id for slug in ("cheap", "dear"))]
    )
    (found,) = client.get("/api/canonical", params={"search": ["4O"], "capability": "tools"}).json()["models"]
    assert (found["id"], found["offers"], found["prices"]["input"]["cheapest_slug"]) == (GPT_4O, 2, "cheap")


def test_pages_follow_each_other_and_a_cursor_of_another_list_is_refused(client):
    first = client.get("/api/canonical", params={"limit": 2}).json()
    second = client.get("/api/canonical", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [len(first["models"]), len(second["models"]), second["next_cursor"]] == [2, 1, None]
    assert problem(
        client.get("/api/canonical", params={"lab": "x", "cursor": first["next_cursor"]}), 400, "broken-cursor"
    )


@pytest.mark.parametrize("asked", [GPT_4O, "gpt-4o"])
def test_offers_are_ranked_by_the_cost_of_the_mix(client, asked):
    found = client.get(f"/api/canonical/{asked}/offers", params={"input": "2M", "output": "1_000_000"}).json()
    assert found["id"] == GPT_4O
    assert [(each["provider"], each["cost"]["amount"]) for each in found["ranked"]["USD"]] == [
        ("cheap", 4),
        ("dear", 12),
    ]
    assert found["mix"] == {"input": 2_000_000, "output": 1_000_000, "cached": 0, "requests": 1}


def test_an_unknown_capability_is_no_empty_list(client):
    problem(client.get("/api/canonical", params={"capability": "toolz"}), 422, "unknown-value")


def test_an_unknown_model_is_a_404_with_the_nearest(client):
    found = problem(client.get("/api/canonical/openai/gpt-4oo/offers"), 404, "no-such-entry")
    assert GPT_4O in found["hint"]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"input": "many"}, "bad-mix"),
        ({"input": "0", "output": "0"}, "bad-mix"),
        ({"capability": "toolz"}, "unknown-value"),
        ({"cached": 2}, "invalid-request"),
    ],
)
def test_an_invalid_question_is_refused(client, wrong, kind):
    assert problem(client.get(f"/api/canonical/{GPT_4O}/offers", params=wrong), 422, kind)
