"""Commands together: from nothing to a table, usage errors, and errors in one line."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from provider_pipeline.api.app import create_app
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.cli.console import EXIT_CODES
from provider_pipeline_tests.api.conftest import Client
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.database_trouble import no_connection_left, ordinary_role, read_only
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_commands_alone_take_a_provider_from_nothing_to_a_table(run: CommandLine, fleet: Fleet):
    fleet.serve("acme", listing(*CHAT_MODELS))
    url = fleet.server.url_for("/acme")
    added = run("providers", "add", "acme", "--base-url", url, "--name", "Acme", "--allow-private")
    assert (added.code, "rules generate acme" in added.out) == (0, True)
    generated = run("rules", "generate", "acme", "--json").json
    assert (generated["version"], generated["activated"], generated["models"]) == (1, True, 5)

    dry = run("sync", "acme", "--dry-run")
    assert dry.code == 0
    assert "added gpt-4o" in dry.out
    (synced,) = run("sync", "acme", "--json").json
    assert (synced["created"], synced["status"]) == (5, "synced")
    (again,) = run("sync", "--all", "--json").json
    assert (again["created"], again["unchanged"]) == (0, 5)

    shown = run("providers", "show", "acme", "--json").json
    assert {model["model_id"] for model in shown["models"]} == set(CHAT_MODELS)
    assert "gpt-4o" in run("providers", "show", "acme").out
    assert run("rules", "show", "acme", "--json").json["model_list_config"]["endpoint"] == "/v1/models"
    assert "acme" in run("rules", "show", "acme").out

    assert run("providers", "disable", "acme").code == 0
    (listed,) = run("providers", "list", "--json").json
    assert (listed["slug"], listed["enabled"], listed["active_models"]) == ("acme", False, 5)
    assert run("sync", "--all", "--json").json == []
    assert run("providers", "enable", "acme").code == 0


def test_the_schema_is_upgraded_once(run: CommandLine, empty_database_url: str):
    first = run("db", "upgrade", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert (first.code, "applied" in first.out) == (0, True)
    second = run("db", "upgrade", "--json", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert second.json["applied"] == []


USAGE = {
    "no provider named": (["sync"], "--all"),
    "providers and --all": (["sync", "acme", "--all"], "not both"),
    "an unknown slug": (["sync", "nobody"], "nobody"),
    "a threshold without a number": (
        ["providers", "add", "acme", "--base-url", "http://127.0.0.1:9", "--threshold", "min_models"],
        "NAME=NUMBER",
    ),
    "an unknown command": (["sing"], "sing"),
    "a key header without a variable": (
        ["providers", "add", "acme", "--base-url", "http://127.0.0.1:9", "--key-header", "x-api-key"],
        "--key-env",
    ),
    "a variable and a file": (
        ["providers", "add", "acme", "--base-url", "http://127.0.0.1:9", "--key-env", "K", "--key-file", "k"],
        "not both",
    ),
    "a document beside the options it replaces": (
        ["providers", "add", "acme", "--base-url", "http://127.0.0.1:9", "--auth", "{}", "--key-env", "K"],
        "not both",
    ),
    "a sample that is not there": (["rules", "generate", "acme", "--from", "nowhere.json"], "nowhere.json"),
}


@pytest.mark.parametrize(("arguments", "named"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_exits_2_and_says_what_was_expected(run: CommandLine, arguments: list[str], named: str):
    result = run(*arguments)
    assert result.code == 2
    assert named in result.err
    assert "Traceback" not in result.err


def test_an_error_is_one_line_and_the_traceback_comes_only_with_debug(run: CommandLine, fleet: Fleet, tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text("<html></html>")
    fleet.add("acme")
    result = run.process("rules", "generate", "acme", "--from", str(page))
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "Traceback" in run.process("--debug", "rules", "generate", "acme", "--from", str(page)).err


def test_a_database_that_does_not_answer_is_named_without_its_password(run: CommandLine):
    url = "postgresql://somebody:hunter2@127.0.0.1:9/catalog"
    result = run("sync", "--all", PROVIDER_PIPELINE_DATABASE_URL=url)
    assert result.code == 1
    assert "127.0.0.1:9" in result.err
    assert "hunter2" not in result.err + result.out
    assert result.err.count("\n") == 1


def test_a_database_without_the_schema_names_the_command_that_creates_it(run: CommandLine, empty_database_url: str):
    result = run("providers", "list", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert result.code == 1
    assert "provider-pipeline db upgrade" in result.err


def test_writing_to_a_read_only_database_fails_in_one_line(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    with read_only(fleet.database):
        assert run("providers", "list").code == 0
        result = run("providers", "disable", "acme")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "takes no writes" in result.err


def test_a_command_that_gets_no_connection_fails_in_one_line(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    with ordinary_role(fleet.database) as url, no_connection_left(fleet.database):
        result = run.process("sync", "acme", PROVIDER_PIPELINE_DATABASE_URL=url)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "has no connection left" in result.err


def test_the_version_is_the_installed_packages(run: CommandLine):
    shown = run("--version")
    assert (shown.code, shown.out) == (0, f"provider-pipeline {version('provider-pipeline')}\n")


def test_help_shows_what_one_does_first_at_the_top_and_the_exit_codes_at_the_end(run: CommandLine):
    shown = run("--help").out
    places = [
        shown.index(f"\u2502 {name} ") for name in ("demo", "providers", "sync", "models", "overrides", "api", "db")
    ]
    assert places == sorted(places)
    assert "Start here" in shown
    told = " ".join(shown.split())
    assert all(f"{code}: {meaning}" in told for code, meaning in EXIT_CODES.items())


def test_the_page_states_the_exit_codes():
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d) \| (.+) \|$", page, flags=re.MULTILINE) == [
        (str(code), meaning) for code, meaning in EXIT_CODES.items()
    ]


def test_a_name_that_does_not_exist_ends_every_command_alike(run: CommandLine, acme: Fleet):
    for command in (
        ("providers", "show", "nobody"),
        ("providers", "add", "nopreset"),
        ("models", "show", "acme", "nothing"),
        ("models", "list", "--capability", "visoin"),
        ("overrides", "set", "acme", "nothing", "family", "x", "--reason", "x"),
        ("overrides", "set", "acme", "gpt-4o", "colour", "x", "--reason", "x"),
        ("changes", "--model", "nothing"),
        ("tasks", "show", "4711"),
        ("raw", "show", "4711"),
        ("export", "litelm"),
        ("sync", "acme", "--accept", "prizes", "--reason", "x"),
        ("rules", "explain", "nowhere/listing.json"),
        ("providers", "add", "bolt", "--base-url", "https://bolt.example", "--threshold", "min_model=3"),
    ):
        ended = run(*command)
        assert (ended.code, ended.out) == (2, ""), command


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("providers", "list"), "there are no providers yet; next: provider-pipeline providers add"),
        (("providers", "acceptances"), "no held listing was accepted"),
        (("providers", "check", "--all"), "no provider is enabled; add one with: provider-pipeline providers add"),
        (("sync", "--all"), "no provider is enabled; add one with: provider-pipeline providers add"),
        (("tasks",), "no RULE_GEN task is open"),
        (("tasks", "list", "--all"), "there are no RULE_GEN tasks yet"),
        (("rules", "trial", "status"), "there are no trials yet"),
        (("raw", "list"), "no response is stored"),
        (("tokens", "list"), "there are no tokens yet; next: provider-pipeline tokens create NAME"),
        (("notifications",), "there are no notifications yet"),
        (("notifications", "--undelivered"), "no notification is undelivered"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_an_empty_list_is_one_line_and_no_table_without_rows(run: CommandLine, command: tuple[str, ...], told: str):
    shown = run(*command)
    assert (shown.code, shown.out, shown.err) == (0, "", f"{told}\n")


def test_a_key_in_place_of_its_variables_name_is_explained_and_not_repeated(run: CommandLine):
    key = "sk-" + "aB3dE5fG7h" * 3
    refused = run("providers", "add", "bolt", "--base-url", "https://bolt.example", "--key-env", key)
    assert refused.code == 1
    assert "bearer.env: expected the name of an environment variable, never the key itself" in refused.err
    assert key not in refused.err


def test_a_thing_has_one_name_in_the_command_line_and_the_api(run: CommandLine, acme: Fleet):
    assert run("overrides", "set", "acme", "gpt-4o", "family", "x", "--reason", "x").code == 0
    with Client(create_app(acme.database, ApiSettings(needs_token=False))) as client:
        for command, path, member in (
            (("changes",), "/api/changes", "changes"),
            (("overrides", "list"), "/api/overrides", None),
            (("models", "list"), "/api/models", "models"),
            (("tasks", "list", "--all"), "/api/tasks", None),
            (("rules", "versions", "acme"), "/api/providers/acme/rules", None),
            (("raw", "list"), "/api/providers/acme/raw-responses", None),
            (("models", "show", "acme", "gpt-4o"), "/api/providers/acme/models/gpt-4o", None),
        ):
            document = client.get(path).json()
            theirs = document if member is None else document[member]
            ours = run(*command, "--json").json
            if isinstance(ours, dict):
                assert ours.keys() == theirs.keys()
                ours, theirs = [ours["model"]], [theirs["model"]]
            for mine, other in zip(ours, theirs, strict=True):
                assert not other.keys() - mine.keys(), (path, other.keys() ^ mine.keys())
                assert "slug" not in mine
