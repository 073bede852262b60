"""What is said around prices: their currency, and whether a kind is their unit or the kind of the model."""

from typing import Any

import pytest

from provider_pipeline.rules.generation.price_context import (
    PriceChoice,
    Priced,
    beside,
    prices_currency,
    stated_currency,
    text_around,
)
from provider_pipeline.rules.generation.price_words import price_name
from provider_pipeline.rules.generation.shape import Column, shape_of
from provider_pipeline.rules.language import Path
from provider_pipeline_tests.rules.generation.generated import PRICES, prices_of, rows_of


def test_prices_in_another_currency_are_left_out():
    sample = {
        "data": [{"id": n, "pricing": {"input": i, "output": o, "currency": "EUR"}} for n, (i, o) in PRICES.items()]
    }
    assert set(prices_of(sample).values()) == {(None, None)}


def test_rows_in_another_currency_have_no_price():
    coins = {"m-1": "USD", "m-2": "CNY", "m-3": "USD"}
    sample = {
        "data": [{"id": n, "pricing": {"input": i, "output": o, "currency": coins[n]}} for n, (i, o) in PRICES.items()]
    }
    assert prices_of(sample) == {"m-1": (0.5, 2.0), "m-2": (None, None), "m-3": (3.0, 15.0)}


def test_a_currency_beside_the_listing_applies_to_all_of_it():
    models = [{"id": n, "price_input": i, "price_output": o} for n, (i, o) in PRICES.items()]
    assert prices_of({"currency": "USD", "models": models}) == PRICES
    assert set(prices_of({"currency": "EUR", "models": models}).values()) == {(None, None)}


def test_the_kind_of_a_model_is_no_unit_of_its_prices():
    rows = rows_of(
        {"data": [{"id": "gpt-image-1", "type": "image", "pricing": {"type": "image", "input": 2.5, "output": 10}}]}
    )
    assert (rows["gpt-image-1"]["input_price"], rows["gpt-image-1"]["output_price"]) == (2.5, 10)


def test_the_currency_of_an_account_is_not_that_of_the_models_beside_it():
    items = [{"id": "gpt-4o", "pricing": {"input": 2.5, "output": 10}}]
    assert rows_of({"user": {"currency": "EUR"}, "data": items})["gpt-4o"]["input_price"] == 2.5
    assert rows_of({"billing": {"currency": "EUR"}, "data": items})["gpt-4o"]["input_price"] is None


def columns(**item: Any) -> dict[Path, Column]:
    """The columns of one item."""
    return shape_of([item]).columns


def unit_beside(levels: int = 1, **item: Any) -> list[str] | None:
    """The texts that name the unit of `pricing.input`."""
    held = columns(**item)
    found = beside(held["pricing", "input"], held, "unit_keys", levels)
    return found and found.values


def test_a_unit_is_looked_for_in_the_prices_object_and_around_it_only_if_asked():
    assert unit_beside(pricing={"input": 2.5, "unit": "per_1m_tokens"}) == ["per_1m_tokens"]
    around = {"unit": "per_1m_tokens", "pricing": {"input": 2.5}}
    assert (unit_beside(**around), unit_beside(levels=2, **around)) == (None, ["per_1m_tokens"])


def test_a_number_of_tokens_beside_a_price_is_a_unit_and_so_is_a_type_that_names_one():
    assert unit_beside(pricing={"input": 2.5, "per": 1000}) == ["1000"]
    assert unit_beside(pricing={"input": 2.5, "type": "tokens_1m"}) == ["tokens_1m"]
    assert unit_beside(pricing={"input": 2.5, "type": "image"}) is None


def test_the_only_currency_of_an_item_is_that_of_its_prices_if_it_is_one():
    for code, found in (("EUR", ["EUR"]), ("credits", None)):
        held = columns(billing={"currency": code}, pricing={"input": 2.5})
        stated = stated_currency(held["pricing", "input"], held)
        assert (stated and stated.values) == found


def currency(around: str | None = None, **item: Any) -> tuple[list[str], str | None, list[str]]:
    """The paths of the prices in one currency, its code, and what is named instead of one."""
    held = columns(**item)
    priced = [
        Priced(column, price_name(path), 1.0)
        for path, column in held.items()
        if price_name(path).components and column.share((int, float))
    ]
    found = prices_currency(priced, [], held, around)
    return [".".join(one.column.path) for one in found.priced], found.code, list(found.unknown)


def test_of_prices_in_several_currencies_those_in_dollars_are_taken():
    assert currency(usd={"input": 1}, cny={"input": 7}) == (["usd.input"], None, [])
    assert currency(input=1, cny={"input": 7}) == (["input"], None, [])
    assert currency(cny={"input": 7}) == (["cny.input"], "CNY", [])
    assert currency(cny={"input": 7}, eur={"input": 1}) == ([], None, [])


def test_a_currency_may_be_in_the_unit_unless_several_share_its_sign():
    assert currency(pricing={"input": 1, "unit": "EUR per 1M tokens"}) == (["pricing.input"], "EUR", [])
    assert currency("€ per 1M tokens", pricing={"input": 1}) == (["pricing.input"], "EUR", [])
    assert currency(pricing={"input": 1, "unit": "¥ per 1M tokens"}) == (["pricing.input"], None, ["¥"])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"currency": " EUR ", "data": []}, "EUR"),
        ({"billing": {"currency": "EUR"}, "data": []}, "EUR"),
        ({"user": {"currency": "EUR"}, "data": []}, None),
        ({"currency": "", "data": []}, None),
        ([], None),
    ],
)
def test_a_currency_around_the_models_is_one_of_prices_and_of_no_account(answer: Any, text: str | None):
    assert text_around(answer, ("data",), "currency_keys") == text


def test_a_choice_repeats_another_with_the_same_amounts_in_the_same_unit():
    def choice(unit: str, *amounts: Any) -> PriceChoice:
        return PriceChoice("a", 1, 1, unit, "", Column(("a",), [*amounts], [*range(len(amounts))]))

    one = choice("usd_per_token", 1, 2.0)
    assert one.repeats(choice("usd_per_token", "1", "2"))
    assert not one.repeats(choice("usd_per_token", 1, 3))
    assert not one.repeats(choice("usd_per_thousand_tokens", 1, 2))
