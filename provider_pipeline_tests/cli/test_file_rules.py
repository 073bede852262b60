"""`rule` in provider files: a folder is the whole truth about where models are and what fills which column."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.presets.library import load_provider_file, provider_file_text
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def capped() -> dict[str, Any]:
    """A listing whose output limits no generator finds."""
    sample = listing(*CHAT_MODELS)
    for place, model in enumerate(sample["data"], start=1):
        model["caps"] = {"reply": 4_096 * place}
    return sample


def write(folder: Path, fleet: Fleet, **fields: Any) -> Path:
    document = {
        "slug": "acme",
        "name": "Acme",
        "base_url": fleet.server.url_for("/acme"),
        "request": {"allow_private": True},
        "endpoints": [{"path": "/v1/models"}],
    }
    file = folder / "acme.yaml"
    file.write_text(yaml.safe_dump({**document, **fields}))
    return file


def config(run: CommandLine) -> dict[str, Any]:
    return run("rules", "show", "acme", "--json").json["model_list_config"]


RULE = {"fields": {"max_output_tokens": "caps.reply", "owned_by": None}}


def test_a_provider_that_was_never_fetched_is_ready_with_its_files_rule(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    write(tmp_path, fleet, rule=RULE)
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert (applied.code, "next: provider-pipeline sync acme" in applied.out) == (0, True), applied.err
    assert config(run)["fields"]["max_output_tokens"] == "caps.reply"
    assert "owned_by" not in config(run)["fields"]
    assert config(run)["fields"]["context_length"] == "context_length"  # what the file leaves out is generated
    assert run("sync", "acme").code == 0
    again = run("providers", "apply", str(tmp_path), "--yes", "--json").json
    assert [each["action"] for each in again["providers"]] == ["unchanged"]


def test_a_changed_rule_is_shown_in_the_plan_and_activated(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    write(tmp_path, fleet, rule=RULE)
    plan = run("providers", "apply", str(tmp_path))
    assert (plan.code, "rule: fields.max_output_tokens" in plan.out, "caps.reply" in plan.out) == (3, True, True)
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert applied.code == 0, applied.err
    assert config(run)["fields"]["max_output_tokens"] == "caps.reply"
    newest = run("rules", "versions", "acme", "--json").json[-1]
    assert (newest["origin"], newest["author"]) == ("stated", "person")
    assert run("sync", "acme").code == 0
    assert run("providers", "apply", str(tmp_path)).code == 0


def test_a_rule_that_is_generated_already_is_kept_as_stated(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    write(tmp_path, fleet, rule={"selector": "data[*]"})
    assert run("providers", "apply", str(tmp_path)).code == 3
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("providers", "apply", str(tmp_path)).code == 0
    assert len(run("rules", "versions", "acme", "--json").json) == 1


def test_a_rule_that_loses_models_fails_a_gate_and_nothing_is_done(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    write(tmp_path, fleet, name="Acme AI", rule={"selector": "models[*]"})
    refused = run("providers", "apply", str(tmp_path), "--yes")
    assert (refused.code, "fails the gate fits_the_failing_response" in refused.err) == (1, True)
    assert run("providers", "list", "--json").json[0]["name"] == "Acme"
    assert config(run)["selector"] == "data[*]"


def test_a_field_that_the_first_page_lacks_is_an_error(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", listing(*CHAT_MODELS))
    write(tmp_path, fleet, rule={"fields": {"context_length": "limits.window"}})
    refused = run("providers", "apply", str(tmp_path), "--yes")
    assert (refused.code, "limits.window" in refused.err) == (1, True)
    assert run("providers", "list", "--json").json == []


def test_a_move_to_another_address_is_not_tried_on_what_the_old_one_answered(
    run: CommandLine, fleet: Fleet, tmp_path: Path
):
    fleet.serve("acme", capped())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    fleet.serve("acme", {"models": capped()["data"]}, at="/v2/models")
    write(tmp_path, fleet, endpoints=[{"path": "/v2/models"}], rule={"selector": "models[*]"})
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert applied.code == 0, applied.err
    assert run("sync", "acme").code == 0


def test_a_hidden_listing_is_read_where_the_file_says(run: CommandLine, fleet: Fleet, tmp_path: Path):
    """Without the file's word a person would have to look at this rule: opaque ids, and another list."""
    page = {
        "engines": [{"uid": f"e-{place}", "label": f"Engine {place}", "ctx": 8192 * place} for place in range(1, 6)],
        "teams": [{"id": f"team-{place}", "name": f"Team {place}"} for place in range(1, 6)],
    }
    fleet.serve("acme", page)
    write(tmp_path, fleet, rule={"selector": "engines[*]", "fields": {"id": "uid"}})
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert applied.code == 0, applied.err
    assert run("sync", "acme").code == 0
    assert [model["model_id"] for model in run("models", "list", "acme", "--json").json] == [
        f"e-{place}" for place in range(1, 6)
    ]


def test_what_rules_set_states_holds_until_a_file_says_otherwise(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    assert run("rules", "set", "acme", "fields.max_output_tokens=caps.reply", "--yes").code == 0
    assert run("providers", "apply", str(tmp_path)).code == 0
    write(tmp_path, fleet, rule={"fields": {"max_output_tokens": None}})
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert "max_output_tokens" not in config(run)["fields"]


def with_two_limits() -> dict[str, Any]:
    """A listing whose output limit the generator reads from another field than a person would."""
    sample = capped()
    for model in sample["data"]:
        model["max_output_tokens"] = 100
    return sample


def test_a_part_that_is_removed_from_a_files_rule_is_generated_again(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", with_two_limits())
    write(tmp_path, fleet, rule={"fields": {"max_output_tokens": "caps.reply", "owned_by": None}})
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    write(tmp_path, fleet, rule={"fields": {"owned_by": None}})
    plan = run("providers", "apply", str(tmp_path))
    assert (plan.code, "rule: fields.max_output_tokens" in plan.out, "caps.reply" in plan.out) == (3, True, True)
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert applied.code == 0, applied.err
    assert config(run)["fields"]["max_output_tokens"] == "max_output_tokens"
    assert "owned_by" not in config(run)["fields"]
    assert run("providers", "apply", str(tmp_path)).code == 0


def test_an_empty_rule_in_a_file_leaves_nothing_of_what_was_stated(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", with_two_limits())
    write(tmp_path, fleet)
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert run("sync", "acme").code == 0
    assert run("rules", "set", "acme", "fields.max_output_tokens=caps.reply", "fields.owned_by=", "--yes").code == 0
    write(tmp_path, fleet, rule={})
    assert run("providers", "apply", str(tmp_path), "--yes").code == 0
    assert config(run)["fields"]["max_output_tokens"] == "max_output_tokens"
    assert config(run)["fields"]["owned_by"] == "owned_by"


SEVERAL = [{"path": "/v1/models"}, {"path": "/v1/embedding-models"}]


def test_the_parts_of_several_endpoints_are_stated_by_path(run: CommandLine, fleet: Fleet, tmp_path: Path):
    fleet.serve("acme", capped())
    fleet.serve("acme", {"models": [{"id": "text-embedding-3-small", "size": 8192}]}, at="/v1/embedding-models")
    rule = {"endpoints": {"/v1/embedding-models": {"fields": {"context_length": "size"}}}}
    write(tmp_path, fleet, endpoints=SEVERAL, rule=rule)
    applied = run("providers", "apply", str(tmp_path), "--yes")
    assert applied.code == 0, applied.err
    assert [each["fields"]["context_length"] for each in config(run)["endpoint"]] == ["context_length", "size"]
    assert run("providers", "apply", str(tmp_path)).code == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rule": {"select": "data[*]"}}, "the parts of a rule are selector, fields, units, pagination"),
        ({"rule": {"selector": "data["}}, "rule.selector"),
        ({"rule": {"fields": {"id": None}}}, "the id cannot be left out"),
        ({"rule": {"selector": "data[*]"}, "endpoints": SEVERAL}, "the file has 2 endpoints"),
        ({"rule": {"endpoints": {"/v3": {"selector": "a[*]"}}}, "endpoints": SEVERAL}, "no endpoint /v3"),
        (
            {
                "rule": {"pagination": {"type": "link_header"}},
                "endpoints": [{"path": "/v1/models", "pagination": {"type": "none"}}],
            },
            "the pagination of /v1/models is stated here and under 'endpoints'",
        ),
    ],
)
def test_a_mistake_in_a_files_rule_is_an_error_with_its_line(fleet: Fleet, tmp_path: Path, fields, says: str):
    with pytest.raises(ConfigurationError) as raised:
        load_provider_file(write(tmp_path, fleet, **fields))
    assert says in str(raised.value)
    assert "acme.yaml:" in str(raised.value)


def test_a_file_with_a_rule_is_written_as_it_was_read(fleet: Fleet, tmp_path: Path):
    variables = {"part": {"description": "x", "example": "v1"}}
    rule = {"endpoints": {"/{part}/models": {"selector": "data[*]", "fields": {"name": None}, "units": {}}}}
    file = write(
        tmp_path, fleet, variables=variables, endpoints=[{"path": "/{part}/models"}, {"path": "/x"}], rule=rule
    )
    read = load_provider_file(file)
    file.write_text(provider_file_text(read))
    assert load_provider_file(file) == read
    filled = read.filled({"part": "v2"})
    assert filled.rule is not None
    assert list(filled.rule.endpoints) == ["/v2/models"]
