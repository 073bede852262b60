"""`provider-pipeline rules versions|diff|activate|rollback|trial`."""

import json
from pathlib import Path

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.cli.conftest import CommandLine, rule_file
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


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
    assert run("rules", "activate", "acme", "9", "--reason", "x").code == 2


def test_a_trial_is_started_watched_and_stopped(fleet: Fleet, run: CommandLine, tmp_path: Path):
    fleet.add("acme")
    rule = RuleGenerator().analyze_sample(listing(*CHAT_MODELS))
    rule["fields"]["name"] = "id"
    started = run(
        "rules", "trial", "start", "acme", "--rule", rule_file(tmp_path, rule), "--syncs", "5", "--reason", "names"
    )
    assert "rule version 2 is on trial (trial 1)" in started.out, started.err
    assert run("sync", "acme").code == 0
    (watched,) = run("rules", "trial", "status", "acme", "--json").json
    assert (watched["syncs"], watched["passed"], watched["status"]) == (1, True, "running")
    assert "passes every gate" in run("rules", "trial", "status").out
    assert "stopped" in run("rules", "trial", "stop", "1", "--reason", "seen enough").out
    assert run("rules", "trial", "stop", "9", "--reason", "x").code == 2


@pytest.mark.parametrize(
    "arguments",
    [("--version", "1"), ("--syncs", "2"), ("--version", "1", "--rule", "RULE", "--syncs", "2")],
    ids=["no end", "no rule", "two rules"],
)
def test_a_trial_without_an_end_or_a_rule_is_a_usage_error(run: CommandLine, tmp_path: Path, arguments):
    file = rule_file(tmp_path, {})
    wanted = [file if each == "RULE" else each for each in arguments]
    assert run("rules", "trial", "start", "acme", "--reason", "x", *wanted).code == 2
