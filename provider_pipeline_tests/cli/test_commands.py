"""Each command, as a person or a script calls it."""

import json
from pathlib import Path

import pytest

from provider_pipeline import catalog
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


def test_a_provider_goes_from_nothing_to_a_table_by_commands_alone(run: CommandLine, fleet: Fleet):
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


def test_a_blocked_provider_exits_1_and_shows_its_task(run: CommandLine, fleet: Fleet):
    fleet.add("good")
    fleet.add("acme")
    fleet.serve("acme", {"moved": True})
    result = run("sync", "--all", "--json")
    assert result.code == 1
    assert {each["provider"]: each["status"] for each in result.json} == {"good": "synced", "acme": "blocked"}
    (task,) = run("tasks", "--json").json
    assert (task["provider"], task["status"]) == ("acme", "PENDING")
    assert "acme" in run("tasks").out


def test_a_person_looks_at_a_task_and_has_it_tried_again_or_closes_it(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    fleet.serve("acme", {"moved": True})
    assert run("sync", "acme").code == 1
    (task,) = run("tasks", "list", "--json").json
    number = str(task["id"])
    with fleet.database.session() as session:
        differences = [{"kind": "list_moved", "text": "`data` became `moved`"}]
        catalog.tasks.add_evidence(session, task["id"], {"differences": differences, "items": 312})
        session.commit()
    shown = run("tasks", "show", number)
    assert shown.code == 0
    for told in ("acme", "PENDING", task["config"]["issues"][0]["message"][:40], "`data` became `moved`", "312"):
        assert told in shown.out
    assert run("tasks", "cancel", number, "--reason", "they are moving house", "--by", "7").code == 0
    assert run("tasks", "--json").json == []
    (closed,) = run("tasks", "list", "--all", "--json").json
    assert closed["status"] == "CANCELLED"
    assert closed["result"] == {"reason": "they are moving house", "created_by_id": 7}
    assert "is CANCELLED already" in run("tasks", "cancel", number, "--reason", "again").err
    assert "PENDING" in run("tasks", "retry", number, "--reason", "they have moved").out
    assert run("tasks", "show", number, "--json").json["result"]["retried"]["reason"] == "they have moved"
    refused = run("tasks", "show", "4711")
    assert (refused.code, "no task 4711" in refused.err) == (1, True)
    assert run("tasks", "cancel", number).code == 2


def test_rule_versions_are_compared_activated_and_rolled_back(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.add("acme")
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(moved(*CHAT_MODELS)))
    assert run("rules", "generate", "acme", "--from", str(file), "--keep").code == 0
    assert [each["status"] for each in run("rules", "versions", "acme", "--json").json] == ["active", "candidate"]

    compared = run("rules", "diff", "acme", "1", "2")
    assert "selector: data[*] -> result.models[*]" in compared.out.splitlines()
    assert "| `selector` | changed | `data[*]` | `result.models[*]` |" in (
        run("rules", "diff", "acme", "1", "2", "--markdown").out
    )
    assert run("rules", "diff", "acme", "1", "1", "--json").json == []

    assert "version 2 is active" in run("rules", "activate", "acme", "2", "--reason", "they moved", "--by", "7").out
    assert run("rules", "rollback", "acme", "--reason", "they moved back", "--json").json["active"] == 1
    first, second = run("rules", "versions", "acme", "--json").json
    assert (first["status"], second["status"], second["parent_version"]) == ("active", "retired", 1)
    activated = next(event for event in second["events"] if event["status"] == "active")
    assert (activated["reason"], activated["created_by_id"]) == ("they moved", 7)
    drawn = run("rules", "versions", "acme").out
    assert "they moved back" in drawn
    refused = run("rules", "rollback", "acme", "--reason", "further")
    assert (refused.code, "no earlier rule version" in refused.err) == (1, True)
    assert run("rules", "activate", "acme", "9", "--reason", "x").code == 1


def test_progress_goes_to_standard_error_and_results_to_standard_output(run: CommandLine, fleet: Fleet):
    fleet.add("good")
    result = run("sync", "good")
    assert "good: 5 models, 5 created" in result.err
    assert "good" in result.out
    assert "\x1b[" not in result.out + result.err


def test_a_rule_can_be_looked_at_and_tried_without_touching_a_provider(run: CommandLine, fleet: Fleet, tmp_path: Path):
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(listing(*CHAT_MODELS)))
    assert run("rules", "generate", "--from", str(file)).json["metadata"]["sample_model_count"] == 5
    fleet.add("acme")
    assert run("rules", "check", "acme", str(file)).code == 0
    file.write_text('{"moved": true}')
    tried = run("rules", "check", "acme", str(file), "--json")
    assert (tried.code, tried.json["valid"]) == (1, False)


def test_a_rule_is_explained_with_the_alternatives_it_rejected(run: CommandLine, fleet: Fleet, tmp_path: Path):
    sample = listing(*CHAT_MODELS)
    for model in sample["data"]:
        model["top_provider"] = {"context_length": 32_000}
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(sample))
    explained = run("rules", "explain", str(file), "--json").json
    (context,) = [each for each in explained["fields"] if each["field"] == "context_length"]
    assert context["expression"] == "context_length"
    assert "top_provider.context_length" in [each["expression"] for each in context["alternatives"]]
    drawn = run("rules", "explain", str(file)).out
    for shown in ("data[*]", "top_provider.context_length", "chosen", "usd_per_token", "capabilities"):
        assert shown in drawn
    fleet.add("acme", sample)
    assert "top_provider.context_length" in run("rules", "explain", "acme").out


def test_the_schema_is_upgraded_once(run: CommandLine, empty_database_url: str):
    first = run("db", "upgrade", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert (first.code, "applied" in first.out) == (0, True)
    second = run("db", "upgrade", "--json", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert second.json["applied"] == []


def test_patterns_are_learnt_from_what_listings_state_and_not_from_names(run: CommandLine, fleet: Fleet):
    seers = [f"zorb-seer-{number}b" for number in range(1, 17)]
    talkers = [f"zorb-talk-{number}b" for number in range(1, 17)]
    sample = listing(*seers, *talkers)
    for model in sample["data"]:
        model["supports_vision"] = model["id"] in seers
    fleet.add("acme", sample)
    assert run("sync", "acme").code == 0
    proposals = run("rules", "learn", "--json").json
    assert {each["capability"] for each in proposals} == {"vision"}
    told = {(each["has"], example.split("-")[1]) for each in proposals for example in each["examples"]}
    assert told == {(True, "seer"), (False, "talk")}
    assert "seer" in run("rules", "learn").out


def test_thresholds_are_set_by_name(run: CommandLine):
    add = ("providers", "add", "acme", "--base-url", "https://models.invalid")
    assert run(*add, "--threshold", "min_models=3").code == 0
    assert run("providers", "show", "acme", "--json").json["thresholds"] == {"min_models": 3}
    refused = run(*add, "--threshold", "no_such=1")
    assert refused.code == 1
    assert "min_models" in refused.err


def test_what_requests_may_do_is_set_by_option(run: CommandLine):
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


def test_an_error_is_one_line_and_its_traceback_only_comes_with_debug(run: CommandLine, fleet: Fleet, tmp_path: Path):
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


def test_a_database_without_the_schema_says_which_command_makes_it(run: CommandLine, empty_database_url: str):
    result = run("providers", "list", PROVIDER_PIPELINE_DATABASE_URL=empty_database_url)
    assert result.code == 1
    assert "provider-pipeline db upgrade" in result.err


def test_a_missing_key_variable_is_named(run: CommandLine, fleet: Fleet):
    fleet.add("acme", auth={"type": "header", "name": "x-api-key", "env": "ACME_KEY_NOBODY_SET"})
    result = run("sync", "acme")
    assert result.code == 1
    assert "ACME_KEY_NOBODY_SET" in result.err
