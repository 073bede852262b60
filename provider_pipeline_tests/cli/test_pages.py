"""The commands of the tutorial and of the how-to pages, run as written."""

import re
from pathlib import Path

import pytest
import typer.main

from provider_pipeline.cli.app import app
from provider_pipeline.presets.library import find_preset, preset_sample
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.cli.pages import ROOT, commands_with, text_of
from provider_pipeline_tests.cli.test_readme import GATEWAY, move_here, succeed
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

KEYS = {"OPENAI_API_KEY": "sk-demo", "OPENROUTER_API_KEY": "sk-demo", "ACME_API_KEY": "sk-demo"}


def test_the_tutorial_works_in_order(run: CommandLine, fleet: Fleet):
    for slug, body in {"openrouter": preset_sample("openrouter"), "openai": listing("gpt-4o", "gpt-4.1")}.items():
        path = find_preset(slug).endpoints[0].path.partition("?")[0]
        fleet.server.expect_request(f"/{slug}{path}").respond_with_json(body)
        first, *others = commands_with("docs/tutorial.md", f"providers add {slug}")
        succeed(run, [first], **KEYS)
        move_here(fleet, slug)
        succeed(run, others, **KEYS)
    assert "price list" in succeed(run, commands_with("docs/tutorial.md", "overrides set"), **KEYS)[-1]
    (offers,) = succeed(run, commands_with("docs/tutorial.md", "offers gpt-4o"))
    assert "openai" in offers


def test_the_commands_for_gateways_work(
    run: CommandLine, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fleet.server.expect_request("/v1/models").respond_with_json(listing(*CHAT_MODELS))
    detect, sync = commands_with("docs/gateways.md", "providers detect")
    succeed(run, [[fleet.server.url_for("") if each == GATEWAY else each for each in detect], sync], **KEYS)
    assert len(succeed(run, commands_with("docs/gateways.md", "providers add litellm"), LITELLM_MASTER_KEY="k")) == 3
    monkeypatch.chdir(tmp_path)
    succeed(run, commands_with("docs/gateways.md", "export litellm-proxy"))
    assert "gpt-4o" in (tmp_path / "config.yaml").read_text(encoding="utf-8")


def test_the_commands_for_a_repository_work_in_order(
    run: CommandLine, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fleet.add("acme")
    file = f"slug: acme\nname: Acme\nbase_url: {fleet.server.url_for('/acme')}\nrequest: {{allow_private: true}}\n"
    override = "provider: acme\nreason: Acme's price list\noverrides: [{model: gpt-4o, set: {prices.input: 2.5}}]\n"
    for name, text in {"providers": file + "endpoints: [{path: /v1/models}]\n", "prices": override}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "acme.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("sync", "--all").code == 0
    succeed(run, commands_with("docs/gitops.md", "providers apply"))
    succeed(run, commands_with("docs/providers.md", "providers apply"))
    assert "2.5" in run("models", "show", "acme", "gpt-4o").out


def test_the_commands_that_connect_work_in_order(run: CommandLine, acme: Fleet):
    try:
        for command in commands_with("docs/sql.md", "db grant-read"):
            finished = run.process(*command)
            assert finished.code == 0, f"{command}: {finished.err}"
        assert "acme" in finished.out
    finally:
        with acme.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY analyst")
            connection.exec_driver_sql("DROP ROLE analyst")


def test_every_command_of_every_page_exists_with_its_options():
    root = typer.main.get_command(app)
    pages = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
    lines = [
        (page, line)
        for page in pages
        for line in re.findall(r"(?:^|`)provider-pipeline ([^`\n]+)", text_of(page), re.MULTILINE)
    ]
    assert len(lines) > 80
    for page, line in lines:
        command, words = root, line.replace("[", "").replace("]", "").split()
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not root or words[0].startswith("--"), (page, line)
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        stated = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
        assert stated <= options | {"--help", "--install-completion", "--version"}, (page, line)
