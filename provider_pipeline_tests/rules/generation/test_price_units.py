"""The unit of a price: by the texts beside it, by words, by magnitude; in doubt none."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.generation.generated import rows_of


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


@pytest.mark.parametrize("zero", ["0", 0, 0.0])
def test_a_price_is_unknown_while_only_zeros_were_seen_and_nothing_names_its_unit(zero):
    def listing(price):
        return {"data": [{"id": f"acme-{n}", "pricing": {"prompt": price, "completion": price}} for n in range(3)]}

    rule = RuleGenerator().analyze_sample(listing(zero))
    for price, expected in ((zero, 0.0), ("0.0000025", None)):
        for row in RuleValidator().validate_rule(rule, listing(price))["extracted_models"]:
            assert (row["input_price"], row["output_price"]) == (expected, expected)


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
