"""Tasks answered and rules tried from the command line, by people and by programs."""

import json
from pathlib import Path

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved


def blocked(fleet: Fleet, document) -> catalog.tasks.Task:
    fleet.add("acme")
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        fleet.serve("acme", document)
        with pytest.raises(RuleValidationError):
            ModelSyncer(session).sync_provider_models("acme")
    (task,) = fleet.tasks("acme")
    return task


def without_context() -> dict:
    after = moved(*CHAT_MODELS)
    for item in after["result"]["models"]:
        del item["max_context"]
    return after


def rule_file(folder: Path, document) -> str:
    file = folder / "rule.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_the_built_in_agent_answers_and_its_report_is_read_by_people(fleet: Fleet, run: CommandLine):
    blocked(fleet, moved(*CHAT_MODELS))
    answered = run("tasks", "answer", "acme")
    assert answered.code == 0, answered.err
    assert "data became result.models" in answered.out
    assert "no task is due" in run("tasks", "answer", "acme").err


def test_what_needs_a_person_is_shown_approved_and_synced(fleet: Fleet, run: CommandLine):
    task = blocked(fleet, without_context())
    held = run("tasks", "answer", "acme", "--json")
    assert (held.code, held.json[0]["status"]) == (1, "needs_review")
    shown = run("tasks", "show", str(task.id))
    assert "context_length vanished from all 5 items" in " ".join(shown.out.split())
    refused = run("tasks", "approve", str(task.id))
    assert refused.code == 2  # a reason is needed
    another = run("tasks", "approve", str(task.id), "--version", "1", "--reason", "they announced it")
    assert (another.code, "does not propose rule version 1 any more, but 2" in another.err) == (1, True)
    approved = run("tasks", "approve", str(task.id), "--version", "2", "--reason", "they announced it", "--by", "7")
    assert (approved.code, "rule version 2 is active" in approved.out) == (0, True)
    assert "SUCCEEDED" in run("tasks", "list", "--all").out
    assert run("sync", "acme").code == 1  # history still holds what vanished
    accepted = run("sync", "acme", "--accept", "fields", "--reason", "they announced it")
    assert accepted.code == 0, accepted.out
    (acceptance,) = run("providers", "acceptances", "acme", "--json").json
    assert (acceptance["kinds"], acceptance["reason"]) == (["fields"], "they announced it")
    assert acceptance["used_at"]
    assert "they announced it" in run("providers", "acceptances").out
    assert run("providers", "acceptances", "nobody").code == 2


def test_a_rejected_rule_waits_for_another(fleet: Fleet, run: CommandLine):
    task = blocked(fleet, without_context())
    run("tasks", "answer", "acme")
    rejected = run("tasks", "reject", str(task.id), "--reason", "no", "--json")
    assert (rejected.code, rejected.json["status"]) == (0, "NEEDS_REVIEW")
    assert "rejected" in run("rules", "versions", "acme").out


def test_an_agent_from_outside_claims_looks_and_proposes(fleet: Fleet, run: CommandLine, tmp_path: Path):
    task = blocked(fleet, moved(*CHAT_MODELS))
    claimed = run("tasks", "claim", "--worker", "my-agent")
    assert claimed.json["id"] == task.id
    assert claimed.json["config"]["issues"]
    again = run("tasks", "claim", str(task.id))
    assert (again.code, "is with my-agent" in again.err) == (1, True)
    exported = tmp_path / "response.json"
    assert run("raw", "export", str(task.raw_response_id), str(exported)).code == 0
    page = json.loads(exported.read_text())["pages"][0]["body"]
    rule = rule_file(tmp_path, RuleGenerator().analyze_sample(page))
    stolen = run("tasks", "propose", str(task.id), "--rule", rule, "--worker", "another")
    assert (stolen.code, "is with my-agent" in stolen.err) == (1, True)
    proposed = run(
        "tasks", "propose", str(task.id), "--rule", rule, "--worker", "my-agent", "--author", "agent", "--json"
    )
    assert (proposed.code, proposed.json["status"]) == (0, "activated"), proposed.err


def test_a_worse_proposal_is_held_with_its_report_and_nonsense_in_one_line(
    fleet: Fleet, run: CommandLine, tmp_path: Path
):
    task = blocked(fleet, moved(*CHAT_MODELS))
    good = RuleGenerator().analyze_sample(moved(*CHAT_MODELS))
    worse = run("tasks", "propose", str(task.id), "--rule", rule_file(tmp_path, good | {"fields": {"id": "model"}}))
    assert (worse.code, "no known field is lost" in worse.out) == (1, True)
    for nonsense in ([], {"selector": "x"}, {"jmespath_rule": "["}):
        wrong = run("tasks", "propose", str(task.id), "--rule", rule_file(tmp_path, nonsense))
        assert wrong.code == 1
        assert len(wrong.err.strip().splitlines()) == 1, wrong.err


def test_nothing_to_claim_is_said_in_one_line(run: CommandLine):
    nothing = run("tasks", "claim")
    assert (nothing.code, "no task is due" in nothing.err) == (1, True)


def test_a_rule_is_tried_watched_and_stopped(fleet: Fleet, run: CommandLine, tmp_path: Path):
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
    assert run("rules", "trial", "stop", "9", "--reason", "x").code == 1


@pytest.mark.parametrize(
    "arguments",
    [("--version", "1"), ("--syncs", "2"), ("--version", "1", "--rule", "RULE", "--syncs", "2")],
    ids=["no end", "no rule", "two rules"],
)
def test_a_trial_without_an_end_or_a_rule_is_a_usage_error(run: CommandLine, tmp_path: Path, arguments):
    file = rule_file(tmp_path, {})
    wanted = [file if each == "RULE" else each for each in arguments]
    assert run("rules", "trial", "start", "acme", "--reason", "x", *wanted).code == 2
