"""The API on the demo's catalogue: sample providers, and their models, say what they are."""

from provider_pipeline.samples.registration import register_sample
from provider_pipeline.samples.server import SampleServer
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline_tests.api.conftest import Api, problem


def test_a_sample_provider_and_its_models_are_marked_and_stay_so(api: Api):
    with SampleServer() as server, api.fleet.database.session() as session:
        sample = next(each for each in server.providers if each.slug == "mistral")
        register_sample(session, sample, base_url=server.base_url("mistral"))
        generate_rule(session, "mistral", sample.endpoints)
        session.commit()
        assert api("POST", "/api/providers/mistral/sync-models").status_code == 200
    (listed,) = api.get("/api/providers")
    assert listed["sample"] is True
    for path in ("/api/models", "/api/providers/mistral/models"):
        assert {model["sample"] for model in api.get(path)["models"]} == {True}

    changed = api("PATCH", "/api/providers/mistral", json={"name": "Another name"})
    assert (changed.status_code, changed.json()["sample"]) == (200, True)
    document = problem(
        api("POST", "/api/providers", json={"slug": "acme", "base_url": "https://api.example.com"}),
        422,
        "configuration",
    )
    assert "takes sample providers only" in document["detail"]


def test_any_other_provider_is_none(api: Api):
    api.fleet.add("acme")
    assert api("POST", "/api/providers/acme/sync-models").status_code == 200
    assert api.get("/api/providers/acme")["sample"] is False
    assert {model["sample"] for model in api.get("/api/models")["models"]} == {False}
