"""`provider-pipeline providers list|show|check|enable|disable`."""

import re

import pytest

from provider_pipeline import presets
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet


def test_checking_a_healthy_provider_exits_0(run: CommandLine, fleet: Fleet):
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_API_KEY"})
    checked = run("providers", "check", "acme", ACME_API_KEY="sk-acme")
    assert checked.code == 0, checked.err
    for told in ("acme", "authorised", "1 page", "version 1: 5 models", "never synced"):
        assert told in checked.out
    assert checked.err == ""


def test_one_unhealthy_provider_exits_1_with_its_reason(run: CommandLine, fleet: Fleet):
    fleet.add("good")
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_API_KEY"})
    checked = run("providers", "check", "--all", "--json")
    assert checked.code == 1
    assert {each["provider"]: each["healthy"] for each in checked.json} == {"acme": False, "good": True}
    assert checked.json[0]["stages"]["key"]["status"] == "failed"
    drawn = run("providers", "check", "--all")
    assert (drawn.code, "set ACME_API_KEY where the sync runs" in drawn.err) == (1, True)


def test_check_needs_known_providers_or_all(run: CommandLine):
    assert run("providers", "check").code == 2
    assert run("providers", "check", "acme", "--all").code == 2
    unknown = run("providers", "check", "acme")
    assert (unknown.code, "no provider 'acme'" in unknown.err) == (2, True)
    assert run("providers", "check", "--all", "--json").json == []


def test_presets_are_listed_and_searched_without_a_terminal(run: CommandLine):
    every = run("providers", "presets", "--json").json
    assert len(every) == len(presets.library.presets())
    assert {each["slug"] for each in run("providers", "presets", "open", "--json").json} >= {"openai", "openrouter"}
    (one,) = run("providers", "presets", "openai", "--json").json
    assert (one["key_variable"], one["works_without_key"]) == ("OPENAI_API_KEY", False)
    assert "OPENAI_API_KEY" in run("providers", "presets", "OpenAI").out
    nothing = run("providers", "presets", "zzz")
    assert (nothing.code, nothing.out, "no preset has 'zzz'" in nothing.err) == (0, "", True)


@pytest.mark.parametrize(
    ("slug", "options", "told"),
    [
        ("x" * 500, ("--name", "X"), "a slug has at most 64 characters"),
        ("acme", ("--name", "x" * 500), "a name has 1 to 200 characters"),
        ("acme", ("--base-url", "https://user@acme.example"), "without credentials or query"),
    ],
)
def test_a_refused_setting_is_told_by_its_rule_and_not_by_a_constraint(run: CommandLine, slug, options, told):
    refused = run("providers", "add", slug, "--base-url", "https://acme.example", *options)
    assert (refused.code, told in refused.err) == (1, True), refused.err
    assert not re.search("provider_[a-z_]+_(format|length)", refused.err)


def test_a_preset_of_one_letter_suggests_nothing(run: CommandLine):
    refused = run("providers", "add", "a")
    assert (refused.code, "did you mean" in refused.err, "providers presets" in refused.err) == (2, False, True)
