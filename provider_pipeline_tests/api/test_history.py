"""Changes and digests over HTTP."""

from provider_pipeline_tests.api.conftest import Api, problem
from provider_pipeline_tests.fleet import CHAT_MODELS, listing


def test_changes_are_listed_newest_first_in_pages(synced: Api):
    changed = listing(*CHAT_MODELS)
    changed["data"][2]["context_length"] = 256_000
    synced.fleet.serve("acme", changed)
    synced("POST", "/api/providers/acme/sync-models")
    whole = synced.get("/api/changes")
    assert whole["next_cursor"] is None
    assert [each["kind"] for each in whole["changes"]] == ["updated", *["added"] * 5]
    assert whole["changes"][0]["changed"] == {"context_length": [128_000, 256_000]}
    pages, cursor = [], None
    while True:
        page = synced.get("/api/changes?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        pages += page["changes"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert pages == whole["changes"]
    only = synced.get("/api/changes?kind=updated&cause=provider&provider=acme")["changes"]
    assert [each["model_id"] for each in only] == ["gpt-4o"]
    (one,) = synced.get("/api/changes?model_id=gpt-4o&field=context_length")["changes"]
    assert one["kind"] == "updated"
    problem(synced("GET", "/api/changes?model_id=zzz"), 404, "no-such-entry")
    problem(synced("GET", "/api/changes?field=zzz"), 422, "unknown-value")
    problem(synced("GET", "/api/changes?modelid=gpt-4o"), 422, "unknown-parameter")
    problem(synced("GET", "/api/changes?provider=nobody"), 404, "unknown-provider")
    digest = synced.get("/api/digest")
    assert (digest["counts"]["added"], digest["counts"]["limits"]) == (5, 1)
