"""`providers add` and `providers apply`, as a person or a script calls them."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from provider_pipeline.presets.library import find_preset, preset_sample
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.presets.vendor import Vendor

ACME = """\
slug: acme
name: Acme
base_url: https://api.acme.example
auth: {type: bearer, env: ACME_API_KEY}
endpoints:
  - path: /v1/models
"""


def at_a_terminal(run: CommandLine, *arguments: str, types: str) -> str:
    """What a command shows to a person who types this."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("provider-pipeline"), *arguments],
        env={**run.environment, "TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    os.write(ours, types.encode())
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # the terminal ends with its last process
        pass
    os.close(ours)
    assert (process.wait(timeout=60), shown.decode()) == (0, shown.decode())
    return shown.decode()


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


def test_a_preset_needs_its_name_alone_and_says_what_it_still_needs(run: CommandLine):
    added = run("providers", "add", "openai")
    assert (added.code, added.out) == (0, "openai: added; next: provider-pipeline sync openai\n")
    for told in ("OPENAI_API_KEY", "which is not set", "https://platform.openai.com/api-keys"):
        assert told in added.err
    assert run("providers", "add", "OpenAI", OPENAI_API_KEY="sk").out.startswith("openai: unchanged")
    unknown = run("providers", "add", "openia")
    assert (unknown.code, "did you mean openai?" in unknown.err, "--base-url" in unknown.err) == (1, True, True)


def test_what_a_preset_leaves_open_is_set_and_a_slug_can_be_another(run: CommandLine):
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


def test_a_person_searches_and_is_asked_for_what_is_open(run: CommandLine):
    shown = at_a_terminal(run, "providers", "add", types="zzz\nazur\ncontoso\n")
    assert "Hugging Face" in shown
    assert "no preset has 'zzz' in its name" in shown
    assert "the name of the resource (such as contoso-foundry)" in shown
    assert "azure: added" in shown
    shown = at_a_terminal(run, "providers", "add", types="moonshot a\n1\n")
    assert re.search(r"1 │ moonshot ", shown)
    assert "moonshot: added" in shown


def test_a_folder_is_applied_after_its_plan_was_shown(run: CommandLine, tmp_path: Path):
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "acme.yaml").write_text(ACME)
    asked = run("providers", "apply", str(folder), ACME_API_KEY="sk")
    assert (asked.code, "https://api.acme.example" in asked.out, "give --yes" in asked.err) == (2, True, True)
    assert run("providers", "list", "--json").json == []

    done = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert done.code == 0
    assert "acme: added; next: provider-pipeline rules generate acme --endpoint '/v1/models'" in done.out
    again = run("providers", "apply", str(folder), "--json", ACME_API_KEY="sk")
    assert (again.code, again.json["applied"]) == (0, True)
    assert [each["action"] for each in again.json["providers"]] == ["unchanged"]

    (folder / "acme.yaml").write_text(ACME.replace("api.acme", "eu.acme"))
    asked = run("providers", "apply", str(folder), "--yes", ACME_API_KEY="sk")
    assert (asked.code, "KEY GOES TO" in asked.out) == (2, True)
    assert "acme: the key in ACME_API_KEY went to api.acme.example, and would go to eu.acme.example" in asked.err
    assert "give --yes --new-host eu.acme.example" in asked.err
    shown = at_a_terminal(run, "providers", "apply", str(folder), types="y\ny\n")
    assert "Send it to eu.acme.example?" in shown
    assert "Do it?" in shown
    (acme,) = run("providers", "list", "--json").json
    assert acme["base_url"] == "https://eu.acme.example"

    (folder / "acme.yaml").write_text(ACME + "basurl: x\n")
    broken = run("providers", "apply", str(folder), "--yes")
    assert (broken.code, "acme.yaml:7: basurl" in broken.err) == (1, True)


def test_shells_complete_preset_names_and_slugs(run: CommandLine):
    def proposed(words: str) -> list[str]:
        number = len(words.split(" ")) - 1
        completing = {"_PROVIDER_PIPELINE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return run.process(**completing).out.split()

    assert proposed("provider-pipeline providers add openr") == ["openrouter"]
    assert proposed("provider-pipeline providers show ac") == []
    assert run("providers", "add", "acme", "--base-url", "https://api.acme.example").code == 0
    for command in ("providers check", "sync", "rules explain"):
        assert proposed(f"provider-pipeline {command} ac") == ["acme"], command


def test_a_key_follows_its_provider_to_another_host_only_with_a_word_for_it(run: CommandLine, tmp_path: Path):
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


def test_a_folder_that_sends_a_key_elsewhere_is_applied_without_questions_only_with_a_flag_of_its_own(
    run: CommandLine, tmp_path: Path
):
    (tmp_path / "acme.yaml").write_text(ACME)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    (tmp_path / "acme.yaml").write_text(ACME.replace("api.acme", "evil.acme") + "check_every: 6h\n")
    for flags in (("--yes",), ("--yes", "--new-host", "api.acme.example"), ("--new-host", "evil.acme.example")):
        refused = run("providers", "apply", str(tmp_path), *flags, "--json")
        assert (refused.code, refused.json["applied"]) == (2, False), flags
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://api.acme.example"
    done = run("providers", "apply", str(tmp_path), "--yes", "--new-host", "evil.acme.example")
    assert done.code == 0, done.err
    assert run("providers", "list", "--json").json[0]["base_url"] == "https://evil.acme.example"


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
