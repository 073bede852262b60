"""One model over HTTP: facts with their sources, prices with their history, overrides and changes."""

from urllib.parse import quote

import pytest

from provider_pipeline_tests.api.conftest import WHY, Api, problem
from provider_pipeline_tests.fleet import listing

GATEWAY = ("openai/gpt-4o:free", "meta/llama 3?", "mistral-large-2411")


@pytest.fixture
def details(api: Api) -> dict:
    """A model whose price was set, and whose listing changed."""
    api.fleet.add("acme", listing(*GATEWAY))
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    for field, value in (("output_price", 8), ("capabilities.vision", True)):
        body = {"model_id": GATEWAY[0], "field": field, "value": value, **WHY}
        assert api("PUT", "/api/providers/acme/overrides", json=body).status_code == 200
    api.fleet.serve("acme", listing(*GATEWAY, price="0.0000025"))
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    return api.get(f"/api/providers/acme/models/{GATEWAY[0]}")


def test_a_models_facts_have_their_values_and_sources(details: dict):
    model, sources = details["model"], details["sources"]
    assert (model["provider"], model["model_id"], model["sample"]) == ("acme", GATEWAY[0], False)
    assert sources["context_length"] == {"source": "listing", "read_from": ["context_length"]}
    assert sources["prices.input"]["read_from"] == sources["input_price"]["read_from"] == ["pricing.prompt"]
    assert sources["prices.output"] == sources["output_price"] == {"source": "override", "read_from": []}
    assert sources["capabilities.vision"]["source"] == "override"
    assert "display_name" not in sources
    assert {each["field"]: each["reason"] for each in details["overrides"]} == dict.fromkeys(
        ("capabilities.vision", "output_price"), WHY["reason"]
    )


def test_a_models_prices_have_their_history(details: dict):
    prices = {each["component"]: (each["amount"], each["unit"], each["is_overridden"]) for each in details["prices"]}
    assert prices == {
        "input": (2.5, "million_tokens", False),
        "output": (8, "million_tokens", True),
    }
    spans = [
        (each["amount"], each["valid_to"] is None) for each in details["price_history"] if each["component"] == "input"
    ]
    assert spans == [(2.0, False), (2.5, True)]


def test_a_models_changes_show_each_price_once(details: dict):
    updated = next(each for each in details["changes"] if each["kind"] == "updated")
    assert (updated["changed"]["input_price"], updated["changed"]["output_price"]) == ([2.0, 2.5], [2.0, 8])
    assert not [name for name in updated["changed"] if name.startswith("prices")]


def test_ids_with_slashes_colons_and_other_signs_are_found(details: dict, api: Api):
    for model_id in GATEWAY:
        for path in {quote(model_id), quote(model_id, safe="")}:
            assert api.get(f"/api/providers/acme/models/{path}")["model"]["model_id"] == model_id


def test_an_unknown_model_is_not_found(details: dict, api: Api):
    missing = problem(api("GET", "/api/providers/acme/models/openai/gpt"), 404, "no-such-entry")
    assert "acme has no model 'openai/gpt'" in missing["detail"]
    problem(api("GET", "/api/providers/nobody/models/x"), 404, "unknown-provider")
