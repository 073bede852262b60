"""Sets of overrides on the command line."""

import json

import pytest

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet, listing

TEAM = """\
provider: acme
reason: Acme's price list
overrides:
  - pattern: gpt-4o*
    set: {prices.input: 2.5, prices.output: 10}
  - {model: gpt-4o, field: prices.cache_read, value: 1.25}
"""
UNPRICED = listing("gpt-4o", "gpt-4o-mini")
for each in UNPRICED["data"]:
    each.pop("pricing", None)


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    fleet.add("acme", UNPRICED)
    return fleet


@pytest.fixture
def team(tmp_path):
    file = tmp_path / "team.yaml"
    file.write_text(TEAM, encoding="utf-8")
    return file


def prices(run: CommandLine) -> dict:
    assert run("sync", "acme").code == 0
    found = json.loads(run("models", "list", "acme", "--json").out)
    return {
        each["model_id"]: {component: price["amount"] for component, price in each["prices"].items()} for each in found
    }


def test_a_dry_run_shows_the_plan_and_stores_nothing(run: CommandLine, acme: Fleet, team):
    shown = run("overrides", "apply", str(team), "--dry-run")
    assert (shown.code, "3 set, 0 changed, 0 removed, 0 unchanged" in shown.out) == (0, True)
    assert "nothing was done" in shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    assert json.loads(run("overrides", "list", "--json").out) == []


def test_a_set_prices_models_known_and_new_and_is_pruned(run: CommandLine, acme: Fleet, team):
    assert run("overrides", "apply", str(team)).code == 0
    assert prices(run) == {
        "gpt-4o": {"cache_read": 1.25, "input": 2.5, "output": 10},
        "gpt-4o-mini": {"input": 2.5, "output": 10},
    }
    again = run("overrides", "apply", str(team), "--prune")
    assert "team.yaml: 0 set, 0 changed, 0 removed, 3 unchanged" in again.out
    assert "nothing was done" not in run("overrides", "apply", str(team), "--dry-run").err
    grown = {"data": [*UNPRICED["data"], {**UNPRICED["data"][0], "id": "gpt-4o-new"}]}
    acme.serve("acme", grown)
    assert prices(run)["gpt-4o-new"] == {"input": 2.5, "output": 10}
    assert run("overrides", "set", "acme", "gpt-4o", "prices.input", "3", "--reason", "ours").code == 0
    team.write_text(TEAM.replace(", prices.output: 10", ""), encoding="utf-8")
    changed = json.loads(run("overrides", "apply", str(team), "--prune", "--json").out)
    assert (changed["set"], changed["changed"], changed["removed"], changed["unchanged"]) == (0, 0, 1, 2)
    assert prices(run)["gpt-4o"] == {"cache_read": 1.25, "input": 3}


def test_what_a_set_changed_is_in_the_history_as_an_override(run: CommandLine, acme: Fleet, team):
    assert prices(run) == {"gpt-4o": {}, "gpt-4o-mini": {}}
    assert run("overrides", "apply", str(team)).code == 0
    prices(run)
    changes = json.loads(run("changes", "--json").out)
    updated = [each for each in changes if each["kind"] == "updated"]
    assert {(each["model_id"], each["cause"]) for each in updated} == {
        ("gpt-4o", "override"),
        ("gpt-4o-mini", "override"),
    }


def test_one_wrong_line_applies_nothing(run: CommandLine, acme: Fleet, team):
    team.write_text(TEAM + "  - {model: gpt-4o, field: colour, value: red}\n", encoding="utf-8")
    refused = run("overrides", "apply", str(team))
    assert (refused.code, "team.yaml:7: no field 'colour'" in refused.err) == (1, True)
    assert json.loads(run("overrides", "list", "--json").out) == []


def test_an_import_fills_gaps_and_counts_what_it_leaves_out(run: CommandLine, fleet: Fleet, tmp_path):
    listed = listing("gpt-4o", "gpt-4o-mini")
    for model in listed["data"]:
        model["pricing"] = {"prompt": "0.0000025"}
    fleet.add("openai", listed)
    model = {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06, "cache_read_input_token_cost": 1.25e-06}
    document = {
        "gpt-4o": model,
        "gpt-4o-mini": {**model, "input_cost_per_token": 1.5e-07},
        "acme/x": {"litellm_provider": "acme"},
    }
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    done = run("overrides", "import", "litellm", str(file), "--release", "1.110.2")
    assert (done.code, "litellm: 4 set, 0 changed, 0 removed, 0 unchanged" in done.out) == (0, True)
    assert "the provider is not registered" in " ".join(done.out.split())
    assert run("sync", "openai").code == 0
    found = {each["model_id"]: each for each in json.loads(run("models", "list", "openai", "--json").out)}
    assert found["gpt-4o"]["prices"]["cache_read"]["amount"] == 1.25
    assert found["gpt-4o"]["overridden_fields"] == ["prices.cache_read"]
    # Its listing contradicts the peer.
    assert "cache_read" not in found["gpt-4o-mini"]["prices"]


def test_models_of_a_set_that_are_not_listed_are_named(run: CommandLine, acme: Fleet, team):
    assert run("sync", "acme").code == 0
    team.write_text(TEAM + "  - {model: gpt-4o-new, field: family, value: x}\n", encoding="utf-8")
    applied = run("overrides", "apply", str(team), "--dry-run")
    assert (applied.code, "acme has not listed gpt-4o-new so far" in applied.err) == (0, True)
    unlisted = run("overrides", "apply", str(team), "--json").json["unlisted"]
    assert unlisted == [{"provider": "acme", "model_id": "gpt-4o-new"}]


def test_a_model_ahead_of_its_listing_is_overridden_on_request(run: CommandLine, acme: Fleet):
    stating = ("overrides", "set", "acme", "gpt-9", "family", "x", "--reason", "announced")
    refused = run(*stating)
    assert (refused.code, "acme has no model 'gpt-9'" in refused.err) == (2, True)
    assert run(*stating, "--unlisted").code == 0
    assert [each["model_id"] for each in run("overrides", "list", "--json").json] == ["gpt-9"]
