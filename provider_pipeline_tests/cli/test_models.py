"""`provider-pipeline models` and `overrides`."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from provider_pipeline_tests.cli.conftest import CommandLine, sync_acme
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_models_are_listed_as_they_are_and_as_they_were(run: CommandLine, acme: Fleet):
    then = datetime.now(UTC).isoformat()
    acme.serve("acme", listing(*CHAT_MODELS[:4], context_length=200_000))
    sync_acme(acme)
    now = run("models", "list", "acme", "--json").json
    assert {(model["status"], model["context_length"]) for model in now} == {("active", 200_000), ("missing", 128_000)}
    before = run("models", "list", "--as-of", then, "--json").json
    assert {(model["status"], model["context_length"]) for model in before} == {("active", 128_000)}
    assert len(run("models", "list", "acme", "--status", "missing", "--json").json) == 1
    assert run("models", "list", "--capability", "video_generation", "--json").json == []
    assert run("models", "list", "--as-of", "2d", "--json").json == []
    drawn = run("models", "list").out
    assert all(shown in drawn for shown in ("all providers: 5 models", "acme", "gpt-4o", "200,000", "missing"))


def test_models_that_end_soon_are_listed_with_their_successors(run: CommandLine, acme: Fleet):
    day = datetime.now(UTC).date() + timedelta(days=20)
    with acme.database.session() as session:
        ends = "UPDATE provider_model SET retires_on = :day, successor_model_id = 'gpt-9' WHERE model_id = 'gpt-4o'"
        session.execute(text(ends), {"day": day})
        session.commit()
    (model,) = run("models", "list", "--retires-before", "20d", "--json").json
    assert (model["model_id"], model["retires_on"]) == ("gpt-4o", day.isoformat())
    assert run("models", "list", "--ends-within", "19d", "--json").json == []
    assert run("models", "list", "--retires-before", day.isoformat(), "--json").json == []
    drawn = run("models", "list", "acme", "--ends-within", (day + timedelta(days=1)).isoformat()).out
    assert day.isoformat() in drawn
    assert "gpt-9" in drawn
    assert "retires on" not in run("models", "list", "acme").out
    both = run("models", "list", "--retires-before", "20d", "--ends-within", "19d")
    assert (both.code, "not both" in both.err) == (2, True)


def test_models_are_found_by_the_filters_of_the_api(run: CommandLine, acme: Fleet):
    def ids(*options: str) -> list[str]:
        return [model["model_id"] for model in run("models", "list", *options, "--json").json]

    every = ids()
    assert ids("--search", "GPT-4O") == [each for each in every if "gpt-4o" in each]
    assert ids("--search", "4_o") == []
    assert (
        ids("acme", "--min-context", "128000", "--capability", "chat", "--sort", "-model_id", "--limit", "2")
        == (sorted(every, reverse=True)[:2])
    )
    assert ids("--min-context", "128001") == []
    assert ids("--max-price", "input:0.001") == []
    assert "the first 2; there are more" in run("models", "list", "--limit", "2").err
    nothing = run("models", "list", "--search", "zzz")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no model matches\n")


def test_a_list_without_any_models_says_how_to_get_some(run: CommandLine, fleet: Fleet):
    everything = run("models", "list")
    assert (everything.code, everything.out) == (0, "")
    assert "next: provider-pipeline providers add" in everything.err
    fleet.add("acme")
    assert run("models", "list", "acme").err == "acme has no models yet; next: provider-pipeline sync acme\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--capability", "visoin"), "no capability 'visoin' (did you mean vision? known: audio_input"),
        (("--modality", "imagee"), "no modality 'imagee' (did you mean image? known: audio"),
        (("--priced", "cache_raed"), "no price component 'cache_raed' (did you mean"),
        (("--family", "zz"), "no family 'zz' (known: claude"),
        (("--columns", "model"), "no column 'model'; there are provider, model_id"),
        (("--max-price", "input"), "COMPONENT:AMOUNT"),
        (("--sort", "price"), "-input_price"),
    ],
)
def test_an_unknown_value_is_an_error_that_names_the_known_ones(run: CommandLine, acme: Fleet, options, told):
    refused = run("models", "list", *options)
    assert (refused.code, refused.out) == (2, "")
    assert told in " ".join(refused.err.replace("│", " ").split())


def test_columns_are_chosen_by_their_names_in_json(run: CommandLine, acme: Fleet):
    drawn = run("models", "list", "--columns", "model_id,first_seen_at,prices").out
    assert "first seen at" in drawn
    assert "status" not in drawn
    (first, *_) = run("models", "list", "--json").json
    assert datetime.fromisoformat(first["first_seen_at"]).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ") in drawn
    assert first["provider"] == "acme"


def test_columns_that_are_empty_for_every_model_leave_their_width_to_the_others(run: CommandLine, acme: Fleet):
    plain = listing(*CHAT_MODELS)
    for model in plain["data"]:
        del model["pricing"]
    acme.add("plain", plain)
    assert run("sync", "plain").code == 0
    priced, unpriced = (run("models", "list", slug).out for slug in ("acme", "plain"))
    assert ("USD/M in" in priced, "USD/M in" in unpriced, "set by people" in priced) == (True, False, False)
    assert all(name in unpriced for name in ("model", "status", "family", "context", "capabilities"))


def test_a_value_that_was_unknown_is_called_unknown_in_changes(run: CommandLine, acme: Fleet):
    day = (datetime.now(UTC).date() + timedelta(days=20)).isoformat()
    assert run("overrides", "set", "acme", "gpt-4o", "retires_on", day, "--reason", "announced").code == 0
    sync_acme(acme)
    assert f"retires_on: unknown -> {day}" in run("changes", "--kind", "updated").out


def test_an_override_is_set_shows_after_the_next_sync_and_is_removed(run: CommandLine, acme: Fleet):
    set_ = ("overrides", "set", "acme", "gpt-4o")
    assert run(*set_, "context_length", "64000", "--reason", "measured", "--until", "2d", "--by", "7").code == 0
    assert run(*set_, "capabilities.vision", "false", "--reason", "tried").code == 0
    assert run(*set_, "family", "my own", "--reason", "named").code == 0
    sync_acme(acme)
    (model,) = [each for each in run("models", "list", "acme", "--json").json if each["model_id"] == "gpt-4o"]
    assert (model["context_length"], model["capabilities"]["vision"], model["family"]) == (64_000, False, "my own")
    listed = run("overrides", "list", "acme", "--json").json
    assert [(each["field"], each["override_value"], each["created_by_id"]) for each in listed] == [
        ("capabilities.vision", False, None),
        ("context_length", 64_000, 7),
        ("family", "my own", None),
    ]
    drawn = run("overrides", "list").out
    assert all(shown in drawn for shown in ("gpt-4o", "context_length", "64000", "128000", "measured"))
    assert {change["cause"] for change in run("changes", "--kind", "updated", "--json").json} == {"override"}
    assert run("overrides", "list", "--caught-up", "--json").json == []

    assert run("overrides", "remove", "acme", "gpt-4o", "context_length").code == 0
    again = run("overrides", "remove", "acme", "gpt-4o", "context_length")
    assert (again.code, "no override of context_length" in again.err) == (2, True)
    sync_acme(acme)
    assert acme.rows("acme")["gpt-4o"][2] == 128_000


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("context_length", "many", "--reason", "x"), 1, "context_length cannot be 'many'"),
        (("colour", "red", "--reason", "x"), 2, "capabilities.NAME"),
        (("family", "x", "--reason", "x", "--until", "2020-01-01"), 2, "in the past"),
        (("family", "x", "--reason", "x", "--until", "soon"), 2, "soon"),
        (("family", "x"), 2, "--reason"),
        (("family", "x", "--reason", "x"), 2, "acme has no model 'gpt-4o'"),
        (("capabilities.visoin", "true", "--reason", "x"), 2, "no capability 'visoin' (did you mean vision?"),
        (("input_modalities", '["imagee"]', "--reason", "x"), 2, "no modality 'imagee' (did you mean image?"),
        (("prices.cache_raed", "1", "--reason", "x"), 2, "no price component 'cache_raed' (did you mean cache_read"),
        (("retires_on", "2099-01-01", "--reason", "x"), 1, "a date as YYYY-MM-DD, from 1990-01-01 to 2098-12-31"),
        (("retires_on", "1900-01-01", "--reason", "x"), 1, "a date as YYYY-MM-DD, from 1990-01-01 to 2098-12-31"),
    ],
)
def test_an_invalid_override_is_refused_at_once(run: CommandLine, fleet: Fleet, arguments, code, named):
    fleet.add("acme")
    refused = run("overrides", "set", "acme", "gpt-4o", *arguments)
    assert refused.code == code
    assert named in refused.err
