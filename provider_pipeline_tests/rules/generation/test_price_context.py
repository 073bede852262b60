"""What is said around prices: their currency, and whether a kind is their unit or the kind of the model."""

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
