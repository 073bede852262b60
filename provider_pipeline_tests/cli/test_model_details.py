"""`provider-pipeline models show`."""

from sqlalchemy import text

from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, register, write_models
from provider_pipeline_tests.cli.conftest import CommandLine, at_a_terminal, sync_acme
from provider_pipeline_tests.fleet import Fleet, listing

USD = {"unit": "million_tokens", "currency": "USD"}
IMAGE = {"amount": 0.04, "unit": "image", "currency": "EUR"}


def _priced(**prices) -> dict:
    listed = {"input": {**USD, "amount": 2.5, "tiers": [{"above": 200_000, "amount": 5}]}, "image": IMAGE, **prices}
    return model("vendor/gpt-5:free", input_price=listed["input"]["amount"], prices=listed, context_length=400_000)


def test_a_model_is_shown_with_its_facts_prices_history_and_changes(run: CommandLine, fleet: Fleet):
    with fleet.database.session() as session:
        provider = register(session, "acme")
        write_models(session, provider.id, [_priced()], rule_version=1, now=NOON)
        cached = {"cache_read": {**USD, "amount": 1.25e-8}, "input": {**USD, "amount": 3}}
        write_models(session, provider.id, [_priced(**cached)], rule_version=1, now=hours_later(1))
        session.commit()
    shown = run("models", "show", "acme", "vendor/gpt-5:free")
    assert shown.code == 0, shown.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.out.splitlines()]
    assert ["context_length", "400,000", "listing", "-"] in rows
    assert ["cache_read", "0.0000000125", "USD / M tokens", "listing", "-"] in rows
    assert ["image", "0.04", "EUR / image", "listing", "-"] in rows
    assert ["input", "2.5", "USD / M tokens", "2026-11-01T12:00:00Z", "2026-11-01T13:00:00Z", "provider"] in rows
    assert [
        "input above 200,000",
        "5",
        "USD / M tokens",
        "2026-11-01T12:00:00Z",
        "2026-11-01T13:00:00Z",
        "provider",
    ] in rows
    assert "input_price: 2.5 -> 3 (+20.0%)" in shown.out
    assert "prices.cache_read: unknown -> 0.0000000125" in shown.out
    assert "prices.input.above_200000: 5 -> unknown" in shown.out


def test_an_amount_stays_whole_on_a_narrow_terminal(run: CommandLine, fleet: Fleet):
    with fleet.database.session() as session:
        provider = register(session, "acme")
        cached = {"cache_read": {**USD, "amount": 1.25e-8}}
        write_models(session, provider.id, [_priced(**cached)], rule_version=1, now=NOON)
        session.commit()
    shown = at_a_terminal(run, "models", "show", "acme", "vendor/gpt-5:free", types="", columns=80)
    assert shown.count(" 0.0000000125 ") == 2
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_each_fact_has_the_path_that_its_rule_reads_also_as_json(run: CommandLine, fleet: Fleet):
    fleet.add("acme", listing("openai/gpt-4o:free", "gpt-4.1", "claude-sonnet-4-5"))
    sync_acme(fleet)
    shown = run("models", "show", "acme", "openai/gpt-4o:free", "--json").json
    assert shown["sources"]["prices.input"] == {"source": "listing", "read_from": ["pricing.prompt"]}
    assert [(each["component"], each["amount"]) for each in shown["prices"]] == [("input", 2.0), ("output", 2.0)]
    assert [each["kind"] for each in shown["changes"]] == ["added"]
    assert "pricing.prompt" in run("models", "show", "acme", "openai/gpt-4o:free").out


def test_a_model_that_was_never_listed_is_refused_with_what_to_do(run: CommandLine, fleet: Fleet):
    fleet.add("acme")
    refused = run("models", "show", "acme", "nothing")
    assert refused.code == 2
    assert "acme has no model 'nothing' (it has listed none so far: sync it first)" in refused.err
    with fleet.database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM provider_model")) == 0
