"""`provider-pipeline tasks`: tasks are shown, closed and answered, by people and by programs."""

import json
from pathlib import Path

import pytest

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.cli.conftest import CommandLine, rule_file
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, moved


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


def test_the_built_in_agent_answers_and_its_report_is_read_by_people(fleet: Fleet, run: CommandLine):
    blocked(fleet, moved(*CHAT_MODELS))
    answered = run("tasks", "answer", "acme")
    assert answered.code == 0, answered.err
    assert "data became result.models" in answered.out
    assert "no task is due" in run("tasks", "answer", "acme").err


def test_a_held_rule_is_shown_approved_and_synced(fleet: Fleet, run: CommandLine):
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


def test_an_external_agent_claims_inspects_and_proposes(fleet: Fleet, run: CommandLine, tmp_path: Path):
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


def test_a_worse_proposal_is_held_with_a_report_and_nonsense_fails_in_one_line(
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


def test_a_claim_without_a_due_task_fails_in_one_line(run: CommandLine):
    nothing = run("tasks", "claim")
    assert (nothing.code, "no task is due" in nothing.err) == (1, True)


def test_a_task_is_shown_cancelled_and_retried(run: CommandLine, fleet: Fleet):
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
    assert (refused.code, "no task 4711" in refused.err) == (2, True)
    assert run("tasks", "cancel", number).code == 2
