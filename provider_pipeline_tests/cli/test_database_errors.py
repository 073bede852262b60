"""What a person at the command line is told while the database is in trouble: one line, and no traceback."""

import pytest

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.database_trouble import full, no_connection_left, ordinary_role, read_only
from provider_pipeline_tests.fleet import Fleet


@pytest.mark.parametrize(("trouble", "told"), [(read_only, "takes no writes"), (full, "no space left on its disk")])
def test_a_sync_names_the_trouble_as_the_reason_and_calls_it_no_crash(
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


def test_a_command_that_would_write_says_in_one_line_that_the_database_takes_no_writes(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    with read_only(fleet.database):
        assert run("providers", "list").code == 0
        result = run("providers", "disable", "acme")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "takes no writes" in result.err


def test_a_command_without_a_connection_left_says_so_in_one_line(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    with ordinary_role(fleet.database) as url, no_connection_left(fleet.database):
        result = run.process("sync", "acme", PROVIDER_PIPELINE_DATABASE_URL=url)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "has no connection left" in result.err
