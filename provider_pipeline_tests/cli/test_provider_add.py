"""`provider-pipeline providers add`: presets, files, and any address."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from provider_pipeline.presets.library import find_preset, preset_sample
from provider_pipeline_tests.cli.conftest import CommandLine, at_a_terminal
from provider_pipeline_tests.presets.vendor import ACME, Vendor


@pytest.mark.parametrize("slug", ["openai", "anthropic", "gemini"])
def test_a_provider_is_added_and_synced_by_two_commands(
    run: CommandLine, httpserver: HTTPServer, tmp_path: Path, slug: str
):
    preset = find_preset(slug)
    vendor = Vendor(preset, preset_sample(slug), httpserver.url_for("").rstrip("/"))
    httpserver.expect_request(re.compile("/.*")).respond_with_handler(vendor.answer)
    here = preset.model_dump(mode="json", include={"slug", "name", "auth", "endpoints"})
    file = tmp_path / "provider.yaml"
    file.write_text(yaml.safe_dump({**here, "base_url": vendor.base_url, "request": {"allow_private": True}}))
    added = run("providers", "add", "--file", str(file), **vendor.environ())
    assert (added.code, added.out) == (0, f"{slug}: added; next: provider-pipeline sync {slug}\n")
    assert added.err == ""
    (synced,) = run("sync", slug, "--json", **vendor.environ()).json
    assert (synced["status"], synced["models"]) == ("synced", len(preset.sample_rows)), synced["reason"]


def test_a_preset_needs_only_its_name_and_says_what_is_missing(run: CommandLine):
    added = run("providers", "add", "openai")
    assert (added.code, added.out) == (0, "openai: added; next: provider-pipeline sync openai\n")
    for told in ("OPENAI_API_KEY", "which is not set", "https://platform.openai.com/api-keys"):
        assert told in added.err
    assert run("providers", "add", "OpenAI", OPENAI_API_KEY="sk").out.startswith("openai: unchanged")
    unknown = run("providers", "add", "openia")
    assert (unknown.code, "did you mean openai?" in unknown.err, "--base-url" in unknown.err) == (2, True, True)


def test_an_address_without_its_scheme_is_wrong_usage(run: CommandLine):
    refused = run("providers", "add", "acme", "--base-url", "localhost:4000")
    assert (refused.code, "lacks its http:// or https://" in " ".join(refused.err.split())) == (2, True)
    assert run("providers", "list", "--json").json == []


def test_a_preset_says_what_its_listing_leaves_out(run: CommandLine):
    note = find_preset("deepgram").note
    assert note
    assert f"deepgram: {note}" in " ".join(run("providers", "add", "deepgram").err.split())
    assert note not in " ".join(run("providers", "add", "deepgram").err.split())


def test_a_presets_placeholders_are_set_and_its_slug_can_be_changed(run: CommandLine):
    refused = run("providers", "add", "azure")
    assert (refused.code, "azure needs a value for resource" in refused.err) == (1, True)
    added = run("providers", "add", "azure", "--set", "resource=contoso", "--as", "azure-eu", "--json")
    (plan,) = added.json
    assert (plan["provider"], plan["action"], plan["next"]) == ("azure-eu", "add", None)
    assert plan["changes"]["base_url"]["new"] == "https://contoso.services.ai.azure.com"


def test_every_preset_whose_key_is_set_is_added(run: CommandLine):
    added = run("providers", "add", "--from-environment", GROQ_API_KEY="g", MISTRAL_API_KEY="m", DATABRICKS_TOKEN="d")
    assert added.code == 0
    assert [line.split(":")[0] for line in added.out.splitlines()] == ["groq", "mistral"]
    assert "databricks needs a value for host" in added.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("openai", "--key-env", "X"),
        ("--base-url", "https://a.example"),
        ("openai", "--file", "a.yaml"),
        ("--from-environment", "openai"),
        ("acme", "--base-url", "https://a.example", "--from-environment"),
        ("azure", "--set", "resource"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(run: CommandLine, arguments: tuple[str, ...]):
    assert run("providers", "add", *arguments).code == 2


def test_at_a_terminal_presets_are_searched_and_placeholders_asked_for(run: CommandLine):
    shown = at_a_terminal(run, "providers", "add", types="zzz\nazur\ncontoso\n")
    assert "Hugging Face" in shown
    assert "no preset has 'zzz' in its name" in shown
    assert "the name of the resource (such as contoso-foundry)" in shown
    assert "azure: added" in shown
    shown = at_a_terminal(run, "providers", "add", types="moonshot a\n1\n")
    assert re.search(r"1 │ moonshot ", shown)
    assert "moonshot: added" in shown


def test_a_key_goes_to_another_host_only_with_new_host(run: CommandLine, tmp_path: Path):
    add = ("providers", "add", "acme", "--key-env", "ACME_API_KEY", "--base-url")
    assert run(*add, "https://api.acme.example").code == 0
    refused = run(*add, "https://evil.example")
    assert (refused.code, "would go to evil.example" in refused.err) == (1, True)
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://api.acme.example"
    assert run(*add, "https://evil.example", "--new-host", "evil.example").code == 0
    (tmp_path / "thief.yaml").write_text(ACME.replace("slug: acme", "slug: thief").replace("api.acme", "thief"))
    from_file = ("providers", "add", "--file", str(tmp_path / "thief.yaml"))
    refused = run(*from_file)
    assert (refused.code, "--new-host thief.example" in refused.err) == (1, True)
    (plan,) = run(*from_file, "--new-host", "thief.example", "--json").json
    assert plan["new_hosts"] == [
        {"key": "ACME_API_KEY", "host": "thief.example", "known": ["api.acme.example", "evil.example"]}
    ]


def test_a_preset_at_another_address_keeps_its_authentication_paths_and_rule(run: CommandLine, httpserver: HTTPServer):
    preset = find_preset("litellm")
    sample = preset_sample("litellm")
    httpserver.expect_request("/model/info", headers={"Authorization": "Bearer sk-own"}).respond_with_json(sample)
    there = ("--base-url", httpserver.url_for("").rstrip("/"))
    added = run("providers", "add", "litellm", *there, LITELLM_MASTER_KEY="sk-own")
    assert (added.code, added.out) == (0, "litellm: added; next: provider-pipeline sync litellm\n"), added.err
    (synced,) = run("sync", "litellm", "--json", LITELLM_MASTER_KEY="sk-own").json
    assert (synced["status"], synced["models"]) == ("synced", len(preset.sample_rows)), synced["reason"]

    own = ("--as", "litellm-eu", "--key-env", "EU_KEY", "--header", "X-Team=search", "--keep-responses", "3")
    added = run("providers", "add", "litellm", *there, *own, "--threshold", "min_models=2")
    assert added.code == 0, added.err
    shown = run("providers", "show", "litellm-eu", "--json").json
    assert shown["auth"] == {"type": "bearer", "env": "EU_KEY", "headers": {"X-Team": "search"}}
    assert (shown["requests"], shown["thresholds"]) == ({"allow_private": True}, {"min_models": 2})
    (synced,) = run("sync", "litellm-eu", "--json", EU_KEY="sk-own").json
    assert synced["status"] == "synced", synced["reason"]


def test_a_preset_at_another_address_needs_no_value_for_its_old_one_and_moves_no_key_unasked(run: CommandLine):
    azure = run("providers", "add", "azure", "--base-url", "https://models.acme.example", "--json")
    assert azure.code == 0, azure.err
    assert azure.json[0]["changes"]["base_url"]["new"] == "https://models.acme.example"
    assert run("providers", "add", "openai").code == 0
    moved = run("providers", "add", "openai", "--base-url", "https://evil.example", "--as", "mine")
    assert (moved.code, "--new-host evil.example" in moved.err) == (1, True)
    assert run("providers", "add", "acme", "--base-url", "https://a.example", "--as", "other").code == 2


@pytest.mark.parametrize(
    "header", ["X-PAT=ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2", "X-Session=Vq3nX8mK2pL5wR7tY9zB4cD6"]
)
def test_a_key_in_an_option_is_refused_and_not_repeated(run: CommandLine, header: str):
    refused = run("providers", "add", "acme", "--base-url", "https://api.acme.example", "--header", header)
    assert (refused.code, "environment variable" in refused.err) == (1, True)
    assert header.partition("=")[2] not in refused.err
    key = header.partition("=")[2]
    refused = run("providers", "add", "acme", "--base-url", f"https://api.acme.example/{key}/v1")
    assert (refused.code, key in refused.err) == (1, False)
    assert run("providers", "list", "--json").json == []


def test_thresholds_are_set_by_name(run: CommandLine):
    add = ("providers", "add", "acme", "--base-url", "https://models.invalid")
    assert run(*add, "--threshold", "min_models=3").code == 0
    assert run("providers", "show", "acme", "--json").json["thresholds"] == {"min_models": 3}
    refused = run(*add, "--threshold", "no_such=1")
    assert refused.code == 2
    assert "min_models" in refused.err


def test_request_limits_are_set_by_option(run: CommandLine):
    add = ("providers", "add", "acme", "--base-url", "http://127.0.0.1:9")
    assert run(*add, "--allow-private", "--requests-per-second", "2.5", "--deadline", "30").code == 0
    settings = {"allow_private": True, "requests_per_second": 2.5, "deadline": 30}
    assert run("providers", "show", "acme", "--json").json["requests"] == settings
    assert run(*add, "--key-env", "ACME_KEY").code == 0
    assert run("providers", "show", "acme", "--json").json["requests"] == settings
    refused = run(*add, "--no-allow-private")
    assert refused.code == 1
    assert "127.0.0.1 is a loopback address (if the provider really is" in refused.err
    assert "--allow-private" in refused.err
    assert run(*add[:-1], "https://models.invalid", "--no-allow-private").code == 0
    assert run("providers", "show", "acme", "--json").json["requests"] == {}
    refused = run(*add, "--deadline", "0")
    assert refused.code == 1
    assert "deadline" in refused.err


def test_any_kind_of_authentication_is_given_as_a_document(run: CommandLine, tmp_path: Path):
    add = ("providers", "add", "acme", "--base-url", "https://models.invalid")
    basic = {"type": "basic", "username": {"value": "me"}, "password": {"env": "ACME_PASSWORD"}}
    assert run(*add, "--auth", json.dumps(basic)).code == 0
    assert run("providers", "show", "acme", "--json").json["auth"] == basic
    (tmp_path / "key").symlink_to("nowhere")
    assert run(*add, "--key-file", str(tmp_path / "key"), "--key-header", "x-api-key").code == 0
    stored = {"type": "header", "name": "x-api-key", "file": str(tmp_path / "key")}
    assert run("providers", "show", "acme", "--json").json["auth"] == stored
    refused = run(*add, "--auth", '{"type": "kerberos", "env": "hunter2"}')
    assert (refused.code, "'aws_sigv4'" in refused.err) == (1, True)
    refused = run(*add, "--auth", "sk-hunter2")
    assert (refused.code, "is not a JSON object" in refused.err) == (2, True)
    assert "hunter2" not in refused.err
