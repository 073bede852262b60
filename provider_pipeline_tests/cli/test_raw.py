"""`provider-pipeline raw`: stored responses."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.catalog.builders import wait_for_a_lock
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved
from provider_pipeline_tests.sync.test_archive import store


def _sync(fleet: Fleet) -> int:
    with fleet.database.session() as session:
        outcome = attempt_sync(session, "acme", client=ListingClient())
    assert outcome.raw_response_id
    return outcome.raw_response_id


def test_responses_are_listed_and_shown_down_to_their_bytes(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    raw = _sync(fleet)
    listed = run("raw", "list", "acme", "--json").json
    assert (listed[0]["id"], listed[0]["accepted"], listed[0]["complete"]) == (raw, True, True)
    assert "last accepted" in run("raw", "list").out
    shown = run("raw", "show", str(raw), "--json").json
    assert (shown["provider"], shown["pages"][0]["status"], shown["pages"][0]["page"]) == ("acme", 200, 1)
    assert "/acme/v1/models" in run("raw", "show", str(raw)).out
    assert run("raw", "show", str(raw), "--body").json == listing(*CHAT_MODELS)
    missing = run("raw", "show", str(raw), "--page", "7")
    assert (missing.code, "no page 7" in missing.err) == (1, True)


def test_a_response_goes_from_one_provider_to_another_by_file(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    fleet.add("twin")
    file = tmp_path / "response.json"
    raw = _sync(fleet)
    assert run("raw", "export", str(raw), str(file)).code == 0
    taken = run("raw", "import", "twin", str(file), "--json").json
    assert (taken["is_new"], taken["page_count"]) == (True, 1)
    replayed = run("raw", "replay", str(taken["id"]), "--json")
    assert (replayed.code, replayed.json["provider"], replayed.json["difference"]["created"]) == (0, "twin", 5)
    nothing = tmp_path / "nothing.json"
    assert run("raw", "export", "4711", str(nothing)).code == 2
    assert not nothing.exists()


def test_a_replay_that_does_not_fit_exits_1_and_says_why(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    file = tmp_path / "moved.json"
    file.write_text(json.dumps(moved(*CHAT_MODELS)))
    raw = run("raw", "import", "acme", str(file), "--json").json["id"]
    replayed = run("raw", "replay", str(raw))
    assert replayed.code == 1
    assert "does not fit: 0 models" in replayed.out
    assert "error: the selector" in replayed.out
    file.write_text(json.dumps(listing("gpt-4o", "gpt-5")))
    raw = run("raw", "import", "acme", str(file), "--json").json["id"]
    replayed = run("raw", "replay", str(raw))
    assert (replayed.code, "it would add 2 models" in replayed.out, "added gpt-5" in replayed.out) == (0, True, True)


def test_several_responses_are_replayed_together_and_all_must_fit(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    ids = []
    for document in (listing("gpt-4o"), listing("gpt-4o", "gpt-5"), moved("gpt-4o")):
        file = tmp_path / "response.json"
        file.write_text(json.dumps(document))
        ids.append(str(run("raw", "import", "acme", str(file), "--json").json["id"]))
    fitting = run("raw", "replay", *ids[:2], "--json")
    assert (fitting.code, [each["models"] for each in fitting.json]) == (0, [1, 2])
    replayed = run("raw", "replay", *ids)
    assert replayed.code == 1
    assert [f"on raw response {each}" in replayed.out for each in ids] == [True] * 3


def test_responses_are_pruned_to_the_providers_limits(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    for number in range(4):
        fleet.serve("acme", listing(*CHAT_MODELS, f"gpt-5-{number}"))
        _sync(fleet)
    add = ("providers", "add", "acme", "--base-url", fleet.server.url_for("/acme"))
    assert run(*add, "--keep-responses", "2", "--keep-days", "30").code == 0
    shown = run("providers", "show", "acme", "--json").json
    assert (shown["keep_responses"], shown["keep_days"]) == (2, 30)
    assert run("raw", "prune", "acme", "--json").json == {"acme": 2}
    assert "0 responses of 1 providers deleted" in run("raw", "prune").out
    assert [each["complete"] for each in run("raw", "list", "--json").json] == [True, True, False]


def test_pruning_spares_what_a_concurrent_sync_may_refer_to(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    for number in range(4):
        fleet.serve("acme", listing(*CHAT_MODELS, f"gpt-5-{number}"))
        _sync(fleet)
    with fleet.database.session() as session, ThreadPoolExecutor(1) as beside:
        session.execute(text("UPDATE provider SET raw_keep_count = 1"))
        session.commit()
        catalog.providers.lock(session, catalog.providers.get(session, "acme").id)
        pruning = beside.submit(run, "raw", "prune", "acme", "--json")
        wait_for_a_lock(fleet.database)
        assert len(catalog.raw_responses.list_raw_responses(session, "acme")) == 5
        session.commit()
    assert pruning.result().json == {"acme": 3}


def test_keys_that_an_earlier_version_stored_are_masked_by_one_command(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    fleet.add("twin")
    raw = store(fleet, "acme", b'{"data": [{"id": "a", "apiKey": "abc"}]}')
    assert run("raw", "mask", "twin").out == "0 responses of 1 providers masked\n"
    assert run("raw", "mask", "--json").json == {"acme": [raw], "twin": []}
    assert run("raw", "show", str(raw), "--body").json == {"data": [{"id": "a", "apiKey": "***"}]}
    assert run("raw", "mask").out == "0 responses of 2 providers masked\n"
