from datetime import date

import pytest
from sqlalchemy import text

from provider_pipeline.catalog import canonical, providers
from provider_pipeline.catalog.offer_costs import Needs, offers_by_cost
from provider_pipeline.errors import NoSuchEntryError
from provider_pipeline.rules.costs import Mix
from provider_pipeline.rules.identity import canonical_of
from provider_pipeline_tests.catalog.builders import hours_later, model, register, write_models

GPT_4O = canonical_of("gpt-4o").id
MIX = Mix(1_000_000, 200_000)
TODAY = date(2026, 11, 1)
PRICED = {"input_price": 2, "output_price": 10}
TOOLS = {"capabilities": {"tools": True}, "capability_sources": {"tools": "evidence"}}


@pytest.fixture
def offer(session):
    """Registers a provider with these models."""

    def run(slug, *rows):
        write_models(session, register(session, slug).id, rows, now=hours_later(0), rule_version=1)
        session.commit()

    return run


@pytest.fixture
def ranked(session):
    def run(needs=None, *, mix=MIX):
        canonical.refresh(session)
        return offers_by_cost(session, GPT_4O, mix, needs or Needs(), today=TODAY)

    return run


def _named(offers):
    return [offer.row["slug"] for offer in offers]


def test_offers_are_ranked_by_the_cost_of_the_mix(offer, ranked):
    offer("dear", model("gpt-4o", input_price=3, output_price=10))
    offer("cheap", model("gpt-4o", **PRICED))
    found = ranked()
    assert [(each.row["slug"], each.cost.amount) for each in found.ranked["USD"]] == [("cheap", 4), ("dear", 5)]
    assert found.cheapest.row["slug"] == "cheap"


def test_an_offer_without_a_needed_price_is_apart_and_unranked(offer, ranked):
    offer("one", model("gpt-4o", input_price=1))
    found = ranked()
    assert (found.ranked, [(each.row["slug"], each.reason) for each in found.unpriced]) == (
        {},
        [("one", "no price of output")],
    )
    assert _named(ranked(mix=Mix(1_000, 0)).ranked["USD"]) == ["one"]


def test_each_currency_is_ranked_by_itself_and_dollars_come_first(offer, ranked):
    euro = {"unit": "million_tokens", "currency": "CNY"}
    offer("china", model("gpt-4o", prices={"input": {"amount": 0.1, **euro}, "output": {"amount": 0.2, **euro}}))
    offer("one", model("gpt-4o", **PRICED))
    found = ranked()
    assert [(currency, _named(offers)) for currency, offers in found.ranked.items()] == [
        ("USD", ["one"]),
        ("CNY", ["china"]),
    ]
    assert found.cheapest.row["slug"] == "one"


def test_a_need_is_met_by_what_is_known_or_filled_and_unknown_is_apart(offer, ranked):
    offer("own", model("gpt-4o", **PRICED, **TOOLS))
    offer("silent", model("gpt-4o", input_price=1, output_price=1))
    offer("unable", model("gpt-4o", **PRICED, capabilities={"tools": False}, capability_sources={"tools": "regex"}))
    found = ranked(Needs(("tools",)))
    assert [(each.row["slug"], each.filled) for each in found.ranked["USD"]] == [
        ("silent", ("capabilities.tools",)),
        ("own", ()),
    ]
    assert found.unfit == 1
    found = ranked(Needs(("vision",), min_context=100_000))
    assert found.ranked == {}
    assert {each.reason for each in found.unknown} == {"unknown: vision, context_length"}


def test_an_offer_with_too_small_a_window_is_left_out(offer, ranked):
    offer("small", model("gpt-4o", context_length=64_000, **PRICED))
    offer("large", model("gpt-4o", context_length=128_000, **PRICED))
    found = ranked(Needs(min_context=128_000))
    assert (_named(found.ranked["USD"]), found.unfit) == (["large"], 1)


def test_variants_are_listed_each_by_itself(offer, ranked):
    offer("one", model("gpt-4o:free", input_price=0, output_price=0), model("gpt-4o", **PRICED))
    assert [each.row["variant"] for each in ranked().ranked["USD"]] == ["free", None]


def test_what_is_gone_or_ambiguous_is_never_ranked(session, offer, ranked):
    for slug in ("one", "two", "three"):
        offer(slug, model("gpt-4o", context_length=128_000, **PRICED))
    offer("odd", model("gpt-4o", context_length=4_096, input_price=0.1, output_price=0.1))
    offer("past", model("gpt-4o", retires_on="2026-10-31", input_price=0.1, output_price=0.1))
    offer("disabled", model("gpt-4o", input_price=0.1, output_price=0.1))
    offer("left", model("gpt-4o", input_price=0.1, output_price=0.1), model("other"))
    write_models(session, providers.get(session, "left").id, [model("other")], now=hours_later(1), rule_version=1)
    providers.set_enabled(session, "disabled", False)
    session.commit()
    found = ranked()
    assert _named(found.ranked["USD"]) == ["one", "three", "two"]
    assert _named(found.ambiguous) == ["odd"]
    assert {each.row["slug"]: each.reason for each in found.gone} == {
        "disabled": "the provider is disabled",
        "left": "missing",
        "past": "ended on 2026-10-31",
    }


@pytest.mark.parametrize("asked", [GPT_4O, GPT_4O.upper(), "gpt-4o", "GPT-4o", "openai/gpt-4o", "azure-prod"])
def test_a_model_is_found_by_its_id_its_name_and_a_providers_id(session, offer, asked):
    offer("one", model("gpt-4o"))
    offer("azure", model("azure-prod"))
    provider_id = providers.get(session, "azure").id
    overriding = "INSERT INTO provider_model_override (provider_id, model_id, field, override_value, reason) "
    session.execute(
        text(
            overriding + "VALUES (:provider_id, 'azure-prod', 'canonical_id', to_jsonb(CAST(:value AS text)), 'ours')"
        ),
        {"provider_id": provider_id, "value": GPT_4O},
    )
    canonical.refresh(session)
    assert canonical.resolve(session, asked) == GPT_4O


def test_an_unknown_model_is_refused_with_the_three_nearest(session, offer):
    offer("one", *map(model, ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5")))
    canonical.refresh(session)
    with pytest.raises(NoSuchEntryError, match="no model 'gpt-4oo' is known") as caught:
        canonical.resolve(session, "gpt-4oo")
    nearest = {canonical_of(each).id for each in ("gpt-4o", "gpt-4o-mini", "gpt-4.1")}
    assert set(caught.value.hint.removeprefix("the nearest: ").split(", ")) == nearest


def test_without_any_model_the_refusal_says_what_to_do(session):
    with pytest.raises(NoSuchEntryError, match="there is none yet: sync a provider first"):
        canonical.resolve(session, "gpt-4o")


def test_models_are_searched_by_words_lab_capabilities_and_context(session, offer):
    offer("one", model("gpt-4o", context_length=128_000, **TOOLS), model("gpt-4.1", context_length=8_192))
    canonical.refresh(session)
    gpt_4_1 = canonical_of("gpt-4.1").id

    def ids(**filters):
        return [each.id for each in canonical.search(session, **filters)]

    assert ids() == sorted([GPT_4O, gpt_4_1])
    assert ids(words=["GPT", "4o"]) == ids(capabilities=["tools"]) == ids(min_context=100_000) == [GPT_4O]
    assert ids(words=["%"]) == ids(lab="nobody") == []
    assert ids(limit=1, after=gpt_4_1) == [GPT_4O]
