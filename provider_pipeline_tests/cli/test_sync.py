"""`provider-pipeline sync`: results, progress and exit codes."""

import pytest

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.database_trouble import full, read_only
from provider_pipeline_tests.fleet import Fleet


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


def test_progress_goes_to_standard_error_and_results_to_standard_output(run: CommandLine, fleet: Fleet):
    fleet.add("good")
    result = run("sync", "good")
    assert "good: 5 models, 5 created" in result.err
    assert "good" in result.out
    assert "\x1b[" not in result.out + result.err


def test_a_missing_key_variable_is_named(run: CommandLine, fleet: Fleet):
    fleet.add("acme", auth={"type": "header", "name": "x-api-key", "env": "ACME_KEY_NOBODY_SET"})
    result = run("sync", "acme")
    assert result.code == 1
    assert "ACME_KEY_NOBODY_SET" in result.out


def test_a_failure_is_told_once(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    fleet.serve("acme", {"moved": True})
    result = run("sync", "acme")
    (outcome,) = run("sync", "acme", "--json").json
    assert (result.out + result.err).count(outcome["reason"]) == 1
    assert "acme: blocked" in result.err


@pytest.mark.parametrize(("trouble", "told"), [(read_only, "takes no writes"), (full, "no space left on its disk")])
def test_a_database_in_trouble_is_the_outcomes_reason_and_not_a_crash(
    run: CommandLine, fleet: Fleet, trouble, told: str
):
    fleet.add("acme")
    with trouble(fleet.database):
        result = run("sync", "acme", "--json")
    assert result.code == 1
    (outcome,) = result.json
    assert (outcome["status"], outcome["models"]) == ("failed", 0)
    assert told in outcome["reason"]
    assert "crashed" not in outcome["reason"]
    assert "Traceback" not in result.err
    assert run("sync", "acme").code == 0
