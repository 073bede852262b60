from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest

from provider_pipeline.rules.canonical_models import Offer, news_of, summarized
from provider_pipeline.rules.prices import usd_per_million_tokens

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ID = "acme/nimbus-1"
MODEL_ID = "nimbus-1"


def offer(slug, *, facts=(), price=None, **columns):
    return Offer(
        **{
            "id": sum(slug.encode()),
            "is_counted": True,
            "certainty": "known",
            "source": "name",
            "canonical_id": ID,
            "candidate_id": ID,
            "lab": "acme",
            "family": "nimbus",
            "variant": None,
            "provider_id": sum(slug.encode()),
            "slug": slug,
            "model_id": MODEL_ID,
            "display_name": None,
            "retires_on": None,
            "first_seen_at": NOON,
            "removed_at": None,
            "prices": {} if price is None else {"input": usd_per_million_tokens(price)},
            "facts": facts,
            **columns,
        }
    )


def test_the_order_of_the_offers_does_not_matter():
    offers = [
        offer(
            "one", facts=(("context_length", 8_192), ("input_modalities", ("text",))), price=3, display_name="Nimbus"
        ),
        offer("one", facts=(("context_length", 9_000),), model_id="nimbus-one", display_name="Nimbus 1"),
        offer("two", facts=(("context_length", 9_000), ("capabilities.tools", False)), price=3),
        offer("three", facts=(("capabilities.tools", False),), price=1, variant="fp8"),
    ]
    (found, *others) = [summarized(ID, ordered) for ordered in permutations(offers)]
    assert all(other == found for other in others)
    assert found.agreement["context_length"] == {"agree": 2, "differ": {"one": 8_192}}
    assert (found.name, found.input_modalities, found.capabilities) == ("Nimbus", ["text"], {"tools": False})


def test_a_value_that_just_half_of_the_votes_have_is_no_fact():
    found = summarized(ID, [offer(slug, facts=(("context_length", n),)) for slug, n in (("one", 1), ("two", 2))])
    assert found.context_length is None
    assert found.agreement["context_length"] == {"agree": 0, "differ": {"one": 1, "two": 2}}


def test_offers_that_are_gone_speak_only_where_no_other_is_left():
    gone = {"is_counted": False, "removed_at": NOON}
    left = [offer("one", facts=(("context_length", 1),), **gone), offer("two", facts=(("context_length", 2),))]
    assert summarized(ID, left).context_length == 2
    assert summarized(ID, left[:1]).context_length == 1


@pytest.mark.parametrize(
    ("amounts", "median"), [((0.22, 0.6), 0.41), ((1, 2, 4), 2), ((0.1, 0.1), 0.1), ((1e-7, 2e-7), 1.5e-7)]
)
def test_a_median_is_what_people_count(amounts, median):
    offers = [offer(f"provider-{place}", price=amount) for place, amount in enumerate(amounts)]
    assert summarized(ID, offers).prices["input"]["median"] == median


def test_of_two_equal_prices_the_first_provider_by_name_is_the_cheapest():
    prices = summarized(ID, [offer("two", price=1), offer("one", price=1), offer("zero", price=2)]).prices
    assert (prices["input"]["cheapest_slug"], prices["input"]["offers"]) == ("one", 3)


def test_a_model_ends_when_the_last_offer_does_if_all_ends_are_known():
    ends = [offer("one", retires_on=date(2027, 1, 1)), offer("two", retires_on=date(2027, 2, 1))]
    assert summarized(ID, ends).retires_on == "2027-02-01"
    assert summarized(ID, [*ends, offer("three")]).retires_on is None


def test_a_lower_price_is_news_for_each_component_whose_unit_stayed():
    before = summarized(ID, [offer("one", price=2)])
    offers = [offer("one", price=2), offer("two", price=1)]
    (news,) = news_of(summarized(ID, offers), before, offers, {})
    assert (news.kind, news.slug, news.detail["input"]["was"], news.detail["input"]["now"]) == ("undercut", "two", 2, 1)
    in_other_units = [offer("one", prices={"input": {**usd_per_million_tokens(1), "unit": "request"}})]
    assert news_of(summarized(ID, in_other_units), before, in_other_units, {}) == []


def test_only_what_a_provider_lists_after_its_first_listing_appears():
    later = offer("one", first_seen_at=NOON + timedelta(hours=1))
    model = summarized(ID, [later])
    assert [each.kind for each in news_of(model, None, [later], {later.provider_id: NOON})] == ["appeared"]
    assert news_of(model, None, [later], {later.provider_id: later.first_seen_at}) == []


def test_a_model_ends_at_the_provider_that_removed_it_last():
    before = summarized(ID, [offer("one"), offer("two")])
    gone = [
        offer("one", is_counted=False, removed_at=NOON + timedelta(hours=1)),
        offer("two", is_counted=False, removed_at=NOON),
    ]
    (news,) = news_of(summarized(ID, gone), before, gone, {})
    assert (news.kind, news.slug) == ("ended", "one")
