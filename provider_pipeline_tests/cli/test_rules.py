"""`provider-pipeline rules`: a rule is written, shown, explained and tried."""

import json
from pathlib import Path

import pytest

from provider_pipeline import catalog
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_a_rule_is_generated_and_tried_without_changing_a_provider(run: CommandLine, fleet: Fleet, tmp_path: Path):
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(listing(*CHAT_MODELS)))
    assert run("rules", "generate", "--from", str(file)).json["metadata"]["sample_model_count"] == 5
    fleet.add("acme")
    assert run("rules", "check", "acme", str(file)).code == 0
    file.write_text('{"moved": true}')
    tried = run("rules", "check", "acme", str(file), "--json")
    assert (tried.code, tried.json["valid"]) == (1, False)


DOUBTFUL = {"data": [{"id": f"file-{number}", "object": "file", "bytes": number} for number in range(9)]}


def test_a_sample_without_a_listing_and_a_doubtful_one_are_errors(run: CommandLine, tmp_path: Path):
    file = tmp_path / "sample.json"
    file.write_text('{"detail": "not found"}')
    none = run("rules", "generate", "--from", str(file))
    assert (none.code, "holds no list of objects with an id" in none.err) == (1, True)
    file.write_text(json.dumps(DOUBTFUL))
    doubtful = run("rules", "generate", "--from", str(file))
    assert (doubtful.code, "nothing says that the items of data[*] are models" in doubtful.err) == (1, True)
    assert doubtful.json["jmespath_rule"] == "data[*]"


def test_a_doubtful_first_rule_waits_for_a_person(run: CommandLine, fleet: Fleet, tmp_path: Path):
    add(fleet)
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(DOUBTFUL))
    generated = run("rules", "generate", "acme", "--from", str(file))
    assert (generated.code, "acme: rule version 1 needs review" in generated.err) == (1, True)
    synced = run("sync", "acme")
    assert (synced.code, "version 1 needs review" in synced.out + synced.err) == (1, True)
    assert run("rules", "activate", "acme", "1", "--reason", "these are models").code == 0


def test_a_rule_for_a_part_of_the_listing_fails_to_be_generated_and_nothing_is_synced(run: CommandLine, fleet: Fleet):
    fleet.add("acme", {"data": listing(*CHAT_MODELS)["data"], "has_more": True})
    generated = run("rules", "generate", "acme", "--endpoint", "/v1/models")
    assert generated.code == 1
    assert "has_more" in generated.out
    assert "not active" in generated.out
    assert run("sync", "acme").code == 1
    assert not fleet.rows("acme")


def test_a_rule_is_explained_with_the_alternatives_it_rejected(run: CommandLine, fleet: Fleet, tmp_path: Path):
    sample = listing(*CHAT_MODELS)
    for model in sample["data"]:
        model["top_provider"] = {"context_length": 32_000}
    file = tmp_path / "sample.json"
    file.write_text(json.dumps(sample))
    explained = run("rules", "explain", str(file), "--json").json
    (context,) = [each for each in explained["fields"] if each["field"] == "context_length"]
    assert context["expression"] == "context_length"
    assert "top_provider.context_length" in [each["expression"] for each in context["alternatives"]]
    drawn = run("rules", "explain", str(file), "--all").out
    for shown in ("data[*]", "top_provider.context_length", "chosen", "usd_per_token", "capabilities"):
        assert shown in drawn
    fleet.add("acme", sample)
    assert "top_provider.context_length" in run("rules", "explain", "acme", "--all").out


def test_the_lines_that_matter_are_columns_with_an_example_and_unread_fields(run: CommandLine, fleet: Fleet):
    sample = listing(*CHAT_MODELS)
    for model in sample["data"]:
        model["pricing"]["batch_discount"] = "0.5"
    fleet.add("acme", sample)
    assert run("rules", "set", "acme", "fields.name=id", "--yes").code == 0
    explained = run("rules", "explain", "acme", COLUMNS="100")
    lines = [" ".join(line.replace("│", " ").split()) for line in explained.out.splitlines()]
    assert "columns, for example of gpt-4.1" in lines
    assert "input_price pricing.prompt (usd_per_token) 0.000002 = 2.0" in lines
    assert "display_name id (stated by a person) gpt-4.1" in lines
    assert "pricing.batch_discount speaks of a price" in lines
    assert "regex" not in explained.out
    assert len(lines) < 25
    (name,) = [
        each for each in run("rules", "explain", "acme", "--json").json["columns"] if each["column"] == "display_name"
    ]
    assert (name["stated"], name["expression"], name["listed"]) == (True, "id", "gpt-4.1")


def test_an_exported_response_is_explained_like_the_listing_it_holds(run: CommandLine, acme: Fleet, tmp_path: Path):
    file = tmp_path / "response.json"
    (newest, *_) = run("raw", "list", "acme", "--json").json
    assert run("raw", "export", str(newest["id"]), str(file)).code == 0
    summary = run("rules", "explain", str(file), "--json").json["summary"]
    assert (summary["selector"], summary["id"]) == ("data[*]", "id")
    assert summary["models"] == len(CHAT_MODELS)


def test_patterns_are_learnt_from_what_listings_state_and_not_from_names(run: CommandLine, fleet: Fleet):
    seers = [f"zorb-seer-{number}b" for number in range(1, 17)]
    talkers = [f"zorb-talk-{number}b" for number in range(1, 17)]
    sample = listing(*seers, *talkers)
    for model in sample["data"]:
        model["supports_vision"] = model["id"] in seers
    fleet.add("acme", sample)
    assert run("sync", "acme").code == 0
    proposals = run("rules", "learn", "--json").json
    assert {each["capability"] for each in proposals} == {"vision"}
    told = {(each["has"], example.split("-")[1]) for each in proposals for example in each["examples"]}
    assert told == {(True, "seer"), (False, "talk")}
    assert "seer" in run("rules", "learn").out


EMBEDDINGS = {"models": [{"id": "text-embedding-3-small", "context_length": 8192}]}


def add(fleet: Fleet) -> None:
    with fleet.database.session() as session:
        catalog.providers.add(
            session,
            slug="acme",
            name="Acme",
            base_url=fleet.server.url_for("/acme"),
            auth_config={"type": "none"},
            request_config={"allow_private": True},
        )
        session.commit()


def test_explaining_a_file_without_a_listing_fails(run: CommandLine, tmp_path: Path):
    file = tmp_path / "sample.json"
    file.write_text('{"error": "not found"}')
    for flags in ((), ("--json",)):
        explained = run("rules", "explain", str(file), *flags)
        assert explained.code == 1
        assert "holds no list of objects with an id" in explained.out


def test_a_rule_for_several_endpoints_is_generated_synced_and_explained(run: CommandLine, fleet: Fleet):
    add(fleet)
    fleet.serve("acme", listing(*CHAT_MODELS))
    fleet.serve("acme", EMBEDDINGS, at="/v1/embedding-models")
    endpoints = ("--endpoint", "/v1/models", "--endpoint", "/v1/embedding-models")
    generated = run("rules", "generate", "acme", *endpoints, "--json").json
    assert (generated["activated"], generated["models"]) == (True, 6)
    (synced,) = run("sync", "acme", "--json").json
    assert synced["created"] == 6
    explained = run("rules", "explain", "acme").out
    assert "/v1/embedding-models: models at models[*]" in explained
    assert "columns, for example of text-embedding-3-small" in explained
    assert "acme: /v1/embedding-models" in run("rules", "explain", "acme", "--all").out


def test_a_rule_with_details_is_generated_and_synced(run: CommandLine, fleet: Fleet):
    add(fleet)
    fleet.serve("acme", {"data": [{"id": name} for name in CHAT_MODELS]})
    for name in CHAT_MODELS:
        fleet.serve("acme", {"id": name, "context_length": 32_768}, at=f"/v1/models/{name}")
    generated = run("rules", "generate", "acme", "--detail", "/v1/models/{id}", "--json").json
    assert generated["model_list_config"]["detail"]["path"] == "/v1/models/{id}"
    assert run("sync", "acme").code == 0
    assert {row[2] for row in fleet.rows("acme").values()} == {32_768}
    assert "/v1/models/{id}" in run("rules", "show", "acme").out


def test_one_file_per_endpoint_replaces_fetching(run: CommandLine, fleet: Fleet, tmp_path: Path):
    add(fleet)
    files = [tmp_path / "models.json", tmp_path / "embeddings.json"]
    for file, document in zip(files, (listing(*CHAT_MODELS), EMBEDDINGS), strict=True):
        file.write_text(json.dumps(document))
    given = ("--from", str(files[0]), "--from", str(files[1]), "--endpoint", "/v1/models", "--endpoint", "/v1/more")
    assert run("rules", "generate", "acme", *given, "--json").json["models"] == 6
    analysis = run("rules", "generate", *given).json
    assert [endpoint["path"] for endpoint in analysis["endpoints"]] == ["/v1/models", "/v1/more"]


USAGE = {
    "a detail and two endpoints": (["--endpoint", "/a", "--endpoint", "/b", "--detail", "/a/{id}"], "one --endpoint"),
    "a detail without an id": (["--detail", "/v1/models"], "{id}"),
    "one file for two endpoints": (["--endpoint", "/a", "--endpoint", "/b"], "one --from for each endpoint: 2, got 1"),
}


@pytest.mark.parametrize(("arguments", "named"), USAGE.values(), ids=USAGE.keys())
def test_options_of_generate_that_conflict_are_usage_errors(
    run: CommandLine, tmp_path: Path, arguments: list[str], named: str
):
    (tmp_path / "sample.json").write_text(json.dumps(EMBEDDINGS))
    result = run("rules", "generate", "--from", str(tmp_path / "sample.json"), *arguments)
    assert (result.code, named in result.err) == (2, True)
    assert "Traceback" not in result.err


def test_a_typical_rule_is_shown_on_one_screen_and_in_full_when_asked(run: CommandLine, fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS, "text-embedding-3-small", "whisper-1"))
    shown = run("rules", "show", "acme", COLUMNS="80").out.splitlines()
    assert len(shown) <= 24
    assert max(map(len, shown)) <= 80
    assert any("pattern_set" in line and "shipped" in line for line in shown)
    full = run("rules", "show", "acme", "--full", COLUMNS="200").out
    assert "pricing.completion" in full
    assert "sample_model_count" in full


def test_patterns_are_only_shown_when_asked_for_and_what_is_stated_always(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    assert run("rules", "set", "acme", "fields.name=id", "--yes").code == 0
    shown = run("rules", "show", "acme").out
    assert "gpt-4" not in shown
    assert "name patterns: " in shown
    assert "stated by a person" in shown
    assert "gpt-" in run("rules", "show", "acme", "--all").out
    whole = run("rules", "show", "acme", "--json").json
    assert whole["endpoints_config"]["chat"]["patterns"]["regex"]
    assert whole["stated"] == {"fields": {"name": "id"}}
