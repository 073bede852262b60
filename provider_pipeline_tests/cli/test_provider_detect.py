"""`provider-pipeline providers detect`."""

import re
from pathlib import Path

import yaml

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_a_gateway_is_found_and_its_file_is_ready_to_be_kept(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.server.expect_request("/v1/models", headers={"x-key": "sk-acme"}).respond_with_json(listing(*CHAT_MODELS))
    fleet.server.expect_request(re.compile(".*")).respond_with_data("nope", status=404)
    url = fleet.server.url_for("")
    options = ("--key-env", "ACME_API_KEY", "--key-header", "x-key", "--allow-private", "--as", "acme")
    detected = run("providers", "detect", url, *options, ACME_API_KEY="sk-acme")
    assert detected.code == 0, detected.err
    assert yaml.safe_load(detected.out) == {
        "slug": "acme",
        "name": "Acme",
        "kind": "self_hosted",
        "request": {"allow_private": True},
        "base_url": url.rstrip("/"),
        "auth": {"type": "header", "name": "x-key", "env": "ACME_API_KEY"},
        "endpoints": [{"path": "/v1/models"}],
    }
    for told in ("OpenAI-compatible", "data[*]", "confidence", "claude-sonnet-4-5", "128,000", "--add"):
        assert told in detected.err
    assert detected.err.count("GET ") == 1
    assert "other paths: nothing there" in detected.err
    assert "sk-acme" not in detected.out + detected.err
    assert run("providers", "list", "--json").json == []

    file = tmp_path / "acme.yaml"
    file.write_text(detected.out)
    assert "acme: added" in run("providers", "add", "--file", str(file)).out


def test_what_is_found_is_registered_on_request_and_syncs_at_once(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models").respond_with_json(listing(*CHAT_MODELS))
    url = fleet.server.url_for("")
    found = run("providers", "detect", url, "--allow-private", "--as", "acme", "--add", "--json").json
    assert (found["found"], found["kind"], found["models"]) == (True, "openai-compatible", len(CHAT_MODELS))
    assert [each["action"] for each in found["added"]] == ["add"]
    assert {row["model_id"] for row in found["first_models"]} == set(CHAT_MODELS)
    (synced,) = run("sync", "acme", "--json").json
    assert (synced["status"], synced["created"]) == ("synced", len(CHAT_MODELS))

    fleet.add("other")
    taken = run("providers", "detect", url, "--allow-private", "--as", "other", "--add")
    assert (taken.code, "other is already another provider" in taken.err) == (1, True)


def test_a_doubtful_rule_is_added_for_review(run: CommandLine, fleet: Fleet):
    model = {"context_length": 8192, "pricing": {"prompt": "0.000001"}}
    by_kind = {
        "chat": {"acme": {"gpt-4o": model, "o3": model}, "zeta": {"claude-3": model}},
        "embedding": {"acme": {"bge-m3": model, "text-embedding-3-small": model}},
    }
    fleet.server.expect_request("/v1/models").respond_with_json(by_kind)
    url = fleet.server.url_for("")
    added = run("providers", "detect", url, "--allow-private", "--as", "acme", "--add")
    assert (added.code, "its rule needs review" in added.err) == (1, True)
    synced = run("sync", "acme")
    assert (synced.code, "version 1 needs review" in synced.out + synced.err) == (1, True)


def test_a_unit_that_is_read_from_each_item_is_shown(run: CommandLine, fleet: Fleet):
    models = [
        {"id": "gpt-4o", "cost": {"input": 300, "unit": "cents_per_mtok"}},
        {"id": "gpt-5", "cost": {"input": 2, "unit": "usd_per_mtok"}},
    ]
    fleet.server.expect_request("/v1/models").respond_with_json({"data": models})
    found = run("providers", "detect", fleet.server.url_for("/v1/models"), "--allow-private", "--as", "acme")
    assert found.code == 0, found.err
    assert 'cost.input ({"by": "cost.unit"' in found.err


def test_what_is_none_is_said_to_be_none_and_nothing_is_added(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models").respond_with_data("slow down", status=429)
    refused = run("providers", "detect", fleet.server.url_for(""), "--allow-private", "--add")
    assert (refused.code, refused.out) == (1, "")
    assert "error: no model API found at http://localhost" in refused.err
    drawn = run("providers", "detect", fleet.server.url_for(""), "--allow-private", "--json")
    assert (drawn.code, drawn.json["found"], len(drawn.json["requests"])) == (1, False, 1)
    private = run("providers", "detect", fleet.server.url_for(""))
    assert (private.code, "--allow-private" in private.err) == (1, True)
    assert run("providers", "list", "--json").json == []


def test_further_headers_are_sent_and_kept_and_a_secret_in_one_is_refused(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models", headers={"X-Team": "search"}).respond_with_json(listing(*CHAT_MODELS))
    url = fleet.server.url_for("/v1/models")
    found = run("providers", "detect", url, "--allow-private", "--header", "X-Team=search", "--as", "acme")
    assert found.code == 0, found.err
    assert yaml.safe_load(found.out)["auth"] == {"type": "none", "headers": {"X-Team": "search"}}
    for header in ("X-Team=Vq3nX8mK2pL5wR7tY9zB4cD6", "Authorization=Bearer one-two", "sk-hunter2hunter2hunter2"):
        refused = run("providers", "detect", url, "--allow-private", "--header", header)
        assert refused.code in (1, 2)
        assert header.rpartition("=")[2] not in refused.out + refused.err


def test_an_empty_listing_that_was_given_is_registered_without_a_rule(run: CommandLine, fleet: Fleet):
    fleet.server.expect_request("/v1/models").respond_with_json({"object": "list", "data": []})
    given = ("providers", "detect", fleet.server.url_for("/v1/models"), "--allow-private", "--as", "acme")
    found = run(*given, "--json").json
    assert (found["found"], found["models"], found["rule"]) == (True, 0, None)
    added = run(*given, "--add")
    assert added.code == 0, added.err
    assert "no rule yet" in added.err
    assert "next: provider-pipeline rules generate acme --endpoint '/v1/models'" in added.out
