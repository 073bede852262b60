"""Prices as listings write them: in lists, texts, whole numbers and other currencies; every sample is made up."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import rows_of

PRICES = {"m-1": (0.5, 2.0), "m-2": (0.25, 1.25), "m-3": (3.0, 15.0)}


def prices_of(sample):
    result = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)
    assert result["valid"], result["issues"]
    return {row["model_id"]: (row["input_price"], row["output_price"]) for row in result["extracted_models"]}


def entries(given, made, label, unit):
    return [
        {label: f"input {unit}".strip(), "price": given, "currency": "USD"},
        {label: f"output {unit}".strip(), "price": made, "currency": "USD"},
    ]


FORMS = {
    "a list with a type": lambda i, o: {"pricing": [{"type": "input", "price": i}, {"type": "output", "price": o}]},
    "a list whose unit is the label": lambda i, o: {"prices": entries(i, o, "unit", "per M tokens")},
    "a price among properties": lambda i, o: {
        "properties": [{"property_id": "price", "value": entries(i, o, "unit", "per M tokens")}]
    },
    "the unit beside the amount": lambda i, o: {
        "price": {
            "input": {"amount": i / 1000, "unit": "per_1k_tokens"},
            "output": {"amount": o / 1000, "unit": "per_1k_tokens"},
        }
    },
    "dollars in a text": lambda i, o: {"price": {"input": f"${i} / 1M tokens", "output": f"${o} / 1M tokens"}},
    "thousands in a text": lambda i, o: {
        "price": {"input": f"${i / 1000} per 1K tokens", "output": f"${o / 1000} per 1K tokens"}
    },
    "micro dollars": lambda i, o: {"input_price_per_m": round(i * 1e6), "output_price_per_m": round(o * 1e6)},
    "hundredths of a cent": lambda i, o: {"input_price_per_m": round(i * 1e4), "output_price_per_m": round(o * 1e4)},
    "nano dollars per token": lambda i, o: {
        "input_cost_per_token": round(i * 1e3),
        "output_cost_per_token": round(o * 1e3),
    },
    "cents": lambda i, o: {"input_cents_per_million": i * 100, "output_cents_per_million": o * 100},
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_prices_are_read_from(form):
    sample = {"data": [{"id": name, **FORMS[form](*pair)} for name, pair in PRICES.items()]}
    assert prices_of(sample) == {name: pytest.approx(pair) for name, pair in PRICES.items()}


@pytest.mark.parametrize(
    ("prices", "unit"),
    [
        ((2.5e-6, 1e-5), "usd_per_token"),
        ((0.0005, 0.0015), "usd_per_thousand_tokens"),
        ((0.25, 1.25), "usd_per_million_tokens"),
        ((20000, 100000), "cents_per_100_million_tokens"),
    ],
)
def test_the_unit_of_a_price_is_inferred_from_its_magnitude(prices, unit):
    items = [{"id": f"m{n}", "pricing": {"input": prices[0] * n, "output": prices[1] * n}} for n in (1, 2)]
    assert RuleGenerator().analyze_sample({"data": items})["units"]["input_price"] == unit


def test_one_price_that_is_next_to_nothing_makes_the_others_none_of_a_thousand_tokens():
    items = [{"id": f"m{n}", "pricing": {"input": price, "output": price}} for n, price in enumerate((0.001, 0.1, 0.5))]
    assert RuleGenerator().analyze_sample({"data": items})["units"]["input_price"] == "usd_per_million_tokens"


def test_words_in_a_path_take_precedence_over_the_magnitude():
    items = [{"id": f"m{n}", "inputTokenPennies": 300, "outputTokenPennies": 1500, "unit": "mtok"} for n in range(3)]
    row = rows_of({"models": items})["m1"]
    assert (row["input_price"], row["output_price"]) == (3.0, 15.0)


def test_a_unit_named_by_each_row_is_followed_and_other_units_give_no_token_price():
    rows = rows_of(samples.UNIT_BY_ROW)
    assert rows["alpha-chat"]["input_price"] == 0.6
    assert rows["gamma-chat"]["input_price"] is None


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


@pytest.mark.parametrize("zero", ["0", 0, 0.0])
def test_a_price_is_unknown_while_only_zeros_were_seen_and_nothing_names_its_unit(zero):
    def listing(price):
        return {"data": [{"id": f"acme-{n}", "pricing": {"prompt": price, "completion": price}} for n in range(3)]}

    rule = RuleGenerator().analyze_sample(listing(zero))
    for price, expected in ((zero, 0.0), ("0.0000025", None)):
        for row in RuleValidator().validate_rule(rule, listing(price))["extracted_models"]:
            assert (row["input_price"], row["output_price"]) == (expected, expected)


def test_one_price_alone_of_a_model_for_sound_or_images_is_unknown_as_it_could_be_of_something_else():
    pairs = {
        "gpt-4o": (2.5, 10),
        "tts-1": (15, None),
        "whisper-1": (0.006, 0),
        "dall-e-3": (None, 0.04),
        "gpt-4o-mini-tts": (0.6, 12),
        "text-embedding-3-small": (0.02, 0),
    }
    rows = rows_of({"data": [{"id": name, "pricing": {"input": i, "output": o}} for name, (i, o) in pairs.items()]})
    unknown = (None, None)
    assert {name: (row["input_price"], row["output_price"]) for name, row in rows.items()} == {
        **pairs,
        "tts-1": unknown,
        "whisper-1": unknown,
        "dall-e-3": unknown,
    }


def test_a_unit_that_each_row_names_decides_what_is_charged_for():
    rows = rows_of(
        {
            "data": [
                {"id": "gpt-4o", "pricing": {"type": "tokens_1m", "input": 2.5, "output": 10}},
                {"id": "tts-1", "pricing": {"type": "characters_1m", "input": 15}},
                {"id": "dall-e-3", "pricing": {"type": "per_image", "input": 0.04}},
            ]
        }
    )
    found = {name: [(key, each["amount"]) for key, each in row["prices"].items()] for name, row in rows.items()}
    assert found == {
        "gpt-4o": [("input", 2.5), ("output", 10)],
        "tts-1": [("characters", 15)],
        "dall-e-3": [("image", 0.04)],
    }


def test_the_kind_of_a_model_is_no_unit_of_its_prices():
    rows = rows_of(
        {"data": [{"id": "gpt-image-1", "type": "image", "pricing": {"type": "image", "input": 2.5, "output": 10}}]}
    )
    assert (rows["gpt-image-1"]["input_price"], rows["gpt-image-1"]["output_price"]) == (2.5, 10)


def test_listed_prices_win_over_ratios_beside_them():
    item = {"quota_type": 0, "model_ratio": 1, "completion_ratio": 4, "input_price": 2.5, "output_price": 10}
    rows = rows_of({"data": [{"id": "gpt-4o", **item}]})
    assert (rows["gpt-4o"]["input_price"], rows["gpt-4o"]["output_price"]) == (2.5, 10)


def test_the_currency_of_an_account_is_not_that_of_the_models_beside_it():
    items = [{"id": "gpt-4o", "pricing": {"input": 2.5, "output": 10}}]
    assert rows_of({"user": {"currency": "EUR"}, "data": items})["gpt-4o"]["input_price"] == 2.5
    assert rows_of({"billing": {"currency": "EUR"}, "data": items})["gpt-4o"]["input_price"] is None
