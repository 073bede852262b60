import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.costs import Cost, Mix, Unpriced, cost_of, parse_tokens
from provider_pipeline.rules.prices import usd_per_million_tokens


def _tiered(amount, above):
    return {**usd_per_million_tokens(amount), "tiers": [{"above": 200_000, "amount": above}]}


PRO = {
    "input": _tiered(1.25, 2.5),
    "output": _tiered(10, 15),
    "cache_read": _tiered(0.125, 0.25),
    "image": {"amount": 0.04, "unit": "image", "currency": "USD"},
}


# The sums are those that LiteLLM and genai-prices charge in peers/test_costs.py.
@pytest.mark.parametrize(
    ("mix", "amount", "tier"),
    [
        (Mix(10_000, 1_000), 0.0225, 0),
        (Mix(100_000, 1_000, cached=0.9), 0.03375, 0),
        (Mix(200_000, 1_000), 0.26, 0),
        (Mix(300_000, 1_000), 0.765, 200_000),
        (Mix(600_000, 2_000, requests=3), 0.77, 0),
        (Mix(0, 1_000_000), 10, 0),
    ],
)
def test_a_mix_costs_what_its_tokens_cost_at_the_tier_of_each_prompt(mix, amount, tier):
    assert cost_of(PRO, mix) == Cost(amount, "USD", tier)


def test_cached_input_without_a_price_of_its_own_costs_what_other_input_costs_and_says_so():
    prices = {name: PRO[name] for name in ("input", "output")}
    assert cost_of(prices, Mix(100_000, 1_000, cached=0.9)) == Cost(0.135, "USD", 0, is_cache_price_unknown=True)
    assert cost_of(prices, Mix(100_000, 1_000)) == Cost(0.135, "USD")


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ({}, "no price of input"),
        ({"input": PRO["input"]}, "no price of output"),
        ({"input": PRO["image"], "output": PRO["output"]}, "input is priced in USD per image"),
        ({"input": PRO["input"], "output": {**PRO["output"], "currency": "EUR"}}, "priced in EUR and USD"),
    ],
)
def test_a_mix_without_a_needed_price_has_no_cost(prices, reason):
    assert cost_of(prices, Mix(1_000, 1_000)) == Unpriced(reason)


def test_a_price_that_the_mix_does_not_need_may_be_unknown():
    assert cost_of({"input": usd_per_million_tokens(2)}, Mix(500_000, 0)) == Cost(1, "USD")


@given(st.integers(0, 10**15))
def test_numbers_of_tokens_are_read_as_they_are_written(count):
    assert parse_tokens(str(count)) == parse_tokens(f"{count:,}") == parse_tokens(f"{count:_}") == count


@pytest.mark.parametrize(("text", "count"), [("1M", 10**6), ("200k", 200_000), ("1.5 K", 1_500), ("2B", 2 * 10**9)])
def test_numbers_of_tokens_may_have_a_suffix(text, count):
    assert parse_tokens(text) == count


@pytest.mark.parametrize("text", ["", "-1", "1.5", "one", "1T", "1e6", "9" * 39, "0.0001k"])
def test_what_is_no_number_of_tokens_is_refused(text):
    with pytest.raises(ValueError, match="expected a number of tokens such as 200k"):
        parse_tokens(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": 0, "output": 0}, "got none"),
        ({"input": -1, "output": 5}, "got none"),
        ({"input": 1, "output": 0, "cached": 1.2}, "from 0 to 1, got 1.2"),
        ({"input": 1, "output": 0, "requests": 0}, "at least one request, got 0"),
    ],
)
def test_an_impossible_mix_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Mix(**options)
