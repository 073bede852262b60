"""Changed prices by component and tier, and which prices of a model can be true together."""

import pytest

from provider_pipeline.rules.model_prices import amount_text, flat_changes, percent, plausible_prices, price_text

USD = {"unit": "million_tokens", "currency": "USD"}
EUR = {"unit": "million_tokens", "currency": "EUR"}


def test_only_the_parts_of_prices_that_changed_are_in_a_change_each_once():
    tiers = [{"above": 32_000, "amount": 3}, {"above": 128_000, "amount": 4}]
    old = {"input": {**USD, "amount": 2, "tiers": tiers}, "output": {**USD, "amount": 8}}
    new = {
        "input": {**USD, "amount": 2.5, "tiers": tiers[:1]},
        "output": {**USD, "amount": 8},
        "page": {**EUR, "amount": 1},
    }
    changed = {"family": ["a", "b"], "input_price": [2, 2.5], "prices": [old, new]}
    assert flat_changes(changed) == {
        "family": ["a", "b"],
        "input_price": [2, 2.5],
        "prices.input.above_128000": [{**USD, "amount": 4}, None],
        "prices.page": [None, {**EUR, "amount": 1}],
    }


def test_a_price_in_another_currency_is_no_usd_column():
    old, new = {"input": {**USD, "amount": 2}}, {"input": {**EUR, "amount": 2}}
    flat = flat_changes({"input_price": [2, None], "prices": [old, new]})
    assert flat == {"prices.input": [{**USD, "amount": 2}, {**EUR, "amount": 2}]}
    assert [price_text(each) for each in flat["prices.input"]] == ["2", "2 EUR per million tokens"]
    assert percent(*flat["prices.input"]) is None


def test_a_change_from_before_prices_had_components_stays_as_it_is():
    assert flat_changes({"input_price": [None, 2]}) == {"input_price": [None, 2]}
    assert flat_changes({"prices": [{"input": {**USD, "amount": 0}}, {}]}) == {"input_price": [0, None]}


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1.25e-8, "0.0000000125"), (1250000, "1,250,000"), (2.0, "2"), (200, "200"), (0, "0"), (0.1, "0.1")],
)
def test_an_amount_has_all_its_digits_and_no_exponent(amount: float, text: str):
    assert amount_text(amount) == text


def test_percentages_are_of_the_old_amount_where_there_is_one():
    assert percent(2, 3) == percent({**EUR, "amount": 2}, {**EUR, "amount": 3}) == 50
    assert (percent(0, 3), percent(None, 3), percent(3, None)) == (None, None, None)


def plausible(prices, purposes=(), **columns):
    """The amounts that can be true, and the fields that were set aside."""
    given = {name: {"unit": "million_tokens", "currency": "USD", **each} for name, each in prices.items()}
    row = {"capabilities": dict.fromkeys(purposes, True), "input_modalities": None, "output_modalities": None} | columns
    odd = []
    kept = plausible_prices(given, row, purposes, lambda error, field, value: odd.append((error.reason, field, value)))
    return {name: each["amount"] for name, each in kept.items()}, odd


def test_zero_is_free_where_text_is_written_and_does_not_apply_elsewhere():
    free = {"input": {"amount": 0}, "output": {"amount": 0}}
    assert plausible(free, ["chat"]) == ({"input": 0, "output": 0}, [])
    assert plausible(free, ["image_generation"], output_modalities=["image"]) == ({}, [])


def test_a_free_output_beside_a_price_of_the_input_is_set_aside_of_a_model_that_writes_text():
    odd = {"input": {"amount": 1}, "output": {"amount": 0}}
    assert plausible(odd, ["chat"]) == ({"input": 1}, [("implausible_price", "output_price", 0)])
    assert plausible(odd, ["embedding"]) == ({"input": 1, "output": 0}, [])


def test_a_read_from_the_cache_that_is_dearer_than_the_input_is_set_aside():
    assert plausible({"input": {"amount": 1}, "cache_read": {"amount": 50}}, ["chat"]) == (
        {"input": 1},
        [("implausible_price", "price.cache_read", 50)],
    )
    other_unit = {"input": {"amount": 1}, "cache_read": {"amount": 50, "unit": "thousand_requests"}}
    assert plausible(other_unit, ["chat"]) == ({"input": 1, "cache_read": 50}, [])


def test_a_second_of_a_medium_has_a_price_only_of_a_model_that_handles_it():
    second = {"video_second": {"amount": 0.1, "unit": "second"}, "input": {"amount": 1}, "output": {"amount": 2}}
    assert "video_second" not in plausible(second, ["chat"])[0]
    assert "video_second" in plausible(second, ["chat"], output_modalities=["video"])[0]
