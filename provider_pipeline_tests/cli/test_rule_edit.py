"""`provider-pipeline rules set` and `rules edit`."""

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from provider_pipeline import catalog
from provider_pipeline_tests.cli.conftest import CommandLine, at_a_terminal, sync_acme
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def limited(*model_ids: str) -> dict[str, Any]:
    """A listing whose output limits are under a name that says nothing."""
    sample = listing(*model_ids)
    for place, model in enumerate(sample["data"], start=1):
        model["caps"] = {"reply": 4_096 * place, "chunk": 1_024 * place}
        model["max_output_tokens"] = 100 * place
    return sample


@pytest.fixture
def wrong(fleet: Fleet) -> Fleet:
    """A synced provider whose output limits are read from the wrong field."""
    fleet.add("acme", limited(*CHAT_MODELS))
    sync_acme(fleet)
    return fleet


def fields(run: CommandLine) -> dict[str, str]:
    return run("rules", "show", "acme", "--json").json["model_list_config"]["fields"]


def outputs(run: CommandLine) -> list[int | None]:
    return [model["max_output_tokens"] for model in run("models", "list", "acme", "--json").json]


def test_a_wrong_field_is_corrected_with_one_command(run: CommandLine, wrong: Fleet):
    assert sorted(outputs(run)) == [100, 200, 300, 400, 500]
    done = run("rules", "set", "acme", "fields.max_output_tokens=caps.reply", "--yes")
    assert (done.code, done.err) == (0, "it passes every gate\n")
    assert "fields.max_output_tokens: max_output_tokens -> caps.reply" in done.out
    assert "gpt-4.1: 100 -> 4096" in done.out
    assert "rule version 2 is active" in done.out
    sync_acme(wrong)
    assert sorted(outputs(run)) == [4_096 * place for place in range(1, 6)]
    activated = run("rules", "versions", "acme", "--json").json[1]
    assert (activated["author"], activated["origin"]) == ("person", "edited")
    assert activated["events"][-1]["reason"] == (
        "set fields.max_output_tokens=caps.reply; the new rule passes every gate"
    )


def test_only_the_columns_that_change_are_shown_with_how_many_models(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "fields.max_output_tokens=caps.reply", "--dry-run", "--json").json
    (column,) = tried["differences"]["columns"]
    assert [column[name] for name in ("column", "differ", "gained", "lost")] == ["max_output_tokens", 5, 0, 0]
    assert column["examples"][0] == {"model": "gpt-4.1", "before": 100, "after": 4_096}
    assert (tried["applied"], tried["status"]) == (False, "activated")
    assert fields(run)["max_output_tokens"] == "max_output_tokens"


def test_a_field_is_left_out(run: CommandLine, wrong: Fleet):
    done = run("rules", "set", "acme", "fields.max_output_tokens=", "--yes")
    assert done.code == 0
    assert "max_output_tokens" not in fields(run)
    # Without the field, the next listing is one that lost it.
    command = "provider-pipeline sync acme --accept fields --reason"
    assert f"{command} WHY" in done.out
    assert run(*command.split()[1:], "it was never right").code == 0
    assert outputs(run) == [None] * 5


def test_a_price_loses_its_unit_with_its_field_and_gets_a_new_one(run: CommandLine, wrong: Fleet):
    def units() -> dict[str, str]:
        return run("rules", "show", "acme", "--json").json["model_list_config"]["units"]

    assert units() == {"input_price": "usd_per_token", "output_price": "usd_per_token"}
    assert run("rules", "set", "acme", "fields.output_price=", "--yes").code == 0
    assert units() == {"input_price": "usd_per_token"}
    changed = run("rules", "set", "acme", "units.input_price=cents_per_million_tokens", "--yes", "--json").json
    assert [each["column"] for each in changed["differences"]["columns"]] == ["input_price"]
    assert units() == {"input_price": "cents_per_million_tokens"}


def test_a_rule_that_finds_no_model_waits_for_a_person(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "selector=models[*]", "--yes")
    assert tried.code == 1
    assert "it fails the gate fits_the_failing_response" in tried.err
    assert "rules activate acme 2 --reason WHY" in tried.out
    assert [each["status"] for each in run("rules", "versions", "acme", "--json").json] == ["active", "needs_review"]


def test_a_field_that_no_model_has_is_not_activated(run: CommandLine, wrong: Fleet):
    """A misspelt expression would empty its column."""
    tried = run("rules", "set", "acme", "fields.max_output_tokens=caps.replies", "--yes")
    assert tried.code == 1
    assert tried.err.count("no model has what is stated of fields.max_output_tokens") == 1
    assert fields(run)["max_output_tokens"] == "max_output_tokens"


def test_a_rule_that_was_rejected_before_waits_for_a_person(run: CommandLine, wrong: Fleet):
    asked = ("rules", "set", "acme", "fields.max_output_tokens=caps.reply", "--yes")
    assert run(*asked).code == 0
    assert run("rules", "rollback", "acme", "--reason", "not sure").code == 0
    with wrong.database.session() as session:
        provider_id = catalog.providers.get(session, "acme").id
        catalog.rule_versions.set_status(session, provider_id, 2, "rejected", reason="it is wrong")
        session.commit()
    again = run(*asked)
    assert (again.code, "was rejected before" in again.err, "waits for review" in again.out) == (1, True, True)


def test_a_correction_that_changes_nothing_is_kept_as_stated(run: CommandLine, wrong: Fleet):
    done = run("rules", "set", "acme", "fields.context_length=context_length")
    assert (done.code, "generated rules will keep it" in done.out) == (0, True)
    assert run("rules", "show", "acme", "--json").json["stated"] == {"fields": {"context_length": "context_length"}}


def test_a_field_that_was_not_named_is_still_guarded(run: CommandLine, wrong: Fleet):
    """A selector that leaves models out changes more than a person has said."""
    tried = run(
        "rules", "set", "acme", "selector=data[?id != 'gpt-4o']", "fields.max_output_tokens=caps.reply", "--yes"
    )
    assert tried.code == 1
    assert "keeps_known_ids" in tried.err


def test_without_a_terminal_or_yes_nothing_is_done(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "fields.max_output_tokens=caps.reply")
    assert (tried.code, "give --yes" in tried.err) == (2, True)
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_a_change_that_fails_a_gate_says_that_yes_only_stores_it_for_review(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "fields.max_output_tokens=caps.absent")
    assert (tried.code, tried.err.splitlines()[-1]) == (
        1,
        "nothing was done; to store it for review without being asked, give --yes",
    )
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_a_change_that_alters_no_value_says_so(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "fields.colour=caps.absent")
    assert "no value would differ" in tried.err
    assert "gained" not in tried.out


def test_at_a_terminal_one_is_asked(run: CommandLine, wrong: Fleet):
    asked = ("rules", "set", "acme", "fields.max_output_tokens=caps.reply")
    shown = at_a_terminal(run, *asked, types="y\n", columns=80)
    assert "Activate it?" in shown
    assert "rule version 2 is active" in shown


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("fields.context_length", "expected PART=VALUE"),
        ("field.context_length=limits.in", "selector, fields.NAME, units.NAME, pagination.KEY"),
        ("fields=limits.in", "selector, fields.NAME, units.NAME, pagination.KEY"),
        ("fields.id=", "the id cannot be left out"),
        ("fields.context_length=limits[", "fields.context_length"),
        ("units.input_price=euros", "usd_per_token"),
        ("pagination.type=pages", "cursor"),
        ("selector=", "selector"),
    ],
)
def test_a_mistake_is_named_with_what_is_known(run: CommandLine, wrong: Fleet, assignment: str, says: str):
    tried = run("rules", "set", "acme", assignment, "--yes", COLUMNS="200")
    assert tried.code in (1, 2)
    assert says in " ".join(tried.err.replace("│", " ").split())
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_pagination_is_completed_from_the_active_rule(run: CommandLine, wrong: Fleet):
    assert run("rules", "set", "acme", "pagination.type=none", "pagination.whole=true", "--yes").code == 0
    config = run("rules", "show", "acme", "--json").json["model_list_config"]
    assert config["pagination"] == {"type": "none", "whole": True}
    tried = run("rules", "set", "acme", "pagination.total=count", "--yes")
    assert tried.code == 0, tried.err
    config = run("rules", "show", "acme", "--json").json["model_list_config"]
    assert config["pagination"] == {"type": "none", "whole": True, "total": "count"}


def test_a_name_that_is_no_column_is_pointed_out(run: CommandLine, wrong: Fleet):
    tried = run("rules", "set", "acme", "fields.max_output=caps.reply", "--dry-run")
    assert "max_output is not a column: its values go to metadata_json" in tried.err
    assert "metadata_json.max_output" in tried.out


def editor(folder: Path, old: str, new: str, *, then: str = "") -> str:
    """A program that edits its file as a person would."""
    program = folder / "editor"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys, time\nfile = pathlib.Path(sys.argv[-1])\n"
        f"text = file.read_text()\nassert {old!r} in text, text\nfile.write_text(text.replace({old!r}, {new!r}))\n"
        f"{then}"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_the_short_form_is_edited(run: CommandLine, wrong: Fleet, tmp_path: Path):
    old, new = "max_output_tokens: max_output_tokens", "max_output_tokens: caps.reply"
    edited = run("rules", "edit", "acme", "--yes", EDITOR=editor(tmp_path, old, new))
    assert (edited.code, edited.err) == (0, "it passes every gate\n")
    assert "gpt-4.1: 100 -> 4096" in edited.out
    assert fields(run)["max_output_tokens"] == "caps.reply"


def test_what_is_edited_holds_no_patterns(run: CommandLine, wrong: Fleet, tmp_path: Path):
    seen = tmp_path / "seen.yaml"
    run(
        "rules",
        "edit",
        "acme",
        EDITOR=editor(tmp_path, "selector", "selector", then=f"open({str(seen)!r}, 'w').write(text)"),
    )
    text = seen.read_text()
    assert "selector: data[*]" in text
    assert "regex" not in text
    assert len(text.splitlines()) < 30


def test_a_line_that_is_removed_leaves_its_field_out(run: CommandLine, wrong: Fleet, tmp_path: Path):
    line = "  max_output_tokens: max_output_tokens\n"
    assert run("rules", "edit", "acme", "--yes", EDITOR=editor(tmp_path, line, "")).code == 0
    assert "max_output_tokens" not in fields(run)


def test_saving_without_a_change_does_nothing(run: CommandLine, wrong: Fleet, tmp_path: Path):
    for old, new in (("selector", "selector"), ("# The rule", "# My rule"), ("data[*]", "'data[*]'")):
        edited = run("rules", "edit", "acme", "--yes", EDITOR=editor(tmp_path, old, new))
        assert (edited.code, "nothing was changed" in edited.err) == (0, True), edited
    assert len(run("rules", "versions", "acme", "--json").json) == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("selector: data[*]", "selector: 'data[*]", "acme:"),
        ("selector: data[*]", "selectors: data[*]", "selectors: not a part of a rule"),
        ("  id: id\n", "", "the id is missing"),
        ("data[*]", "data[", "selector"),
    ],
)
def test_a_mistake_in_the_short_form_is_an_error(run: CommandLine, wrong: Fleet, tmp_path: Path, old, new, says):
    edited = run("rules", "edit", "acme", "--yes", EDITOR=editor(tmp_path, old, new))
    assert (edited.code, says in edited.err) == (1, True), edited.err
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_an_editor_that_fails_changes_nothing(run: CommandLine, wrong: Fleet, tmp_path: Path):
    edited = run("rules", "edit", "acme", "--yes", EDITOR=editor(tmp_path, "data[*]", "data[0]", then="sys.exit(3)"))
    assert edited.code == 1
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_one_of_several_endpoints_is_corrected(run: CommandLine, fleet: Fleet):
    fleet.register("acme")
    fleet.serve("acme", limited(*CHAT_MODELS))
    fleet.serve("acme", {"models": [{"id": "text-embedding-3-small", "size": 8192}]}, at="/v1/embedding-models")
    places = ("--endpoint", "/v1/models", "--endpoint", "/v1/embedding-models")
    assert run("rules", "generate", "acme", *places).code == 0
    sync_acme(fleet)
    tried = run("rules", "set", "acme", "fields.context_length=size", "--yes")
    assert (tried.code, "say which one" in tried.err) == (1, True)
    chosen = ("--endpoint", "/v1/embedding-models")
    assert run("rules", "set", "acme", "fields.context_length=size", "--yes", *chosen).code == 0
    first, second = run("rules", "show", "acme", "--json").json["model_list_config"]["endpoint"]
    assert (first["fields"]["context_length"], second["fields"]["context_length"]) == ("context_length", "size")
    assert "no endpoint /v2" in run("rules", "set", "acme", "fields.a=size", "--endpoint", "/v2").err


def test_a_provider_without_a_rule_says_how_to_get_one(run: CommandLine, fleet: Fleet):
    fleet.register("acme")
    tried = run("rules", "set", "acme", "fields.context_length=size", "--yes")
    assert (tried.code, "rules generate acme" in tried.err) == (1, True)
