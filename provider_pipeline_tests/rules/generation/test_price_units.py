"""The unit of a price: by the texts beside it, by words, by magnitude; in doubt none."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.price_units import (
    components_by_unit,
    counted_unit,
    currency_worth,
    own_token_unit,
    rows_where,
    token_unit,
)
from provider_pipeline.rules.generation.shape import Column
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


def column(key, *amounts):
    """A column with an amount for each model."""
    return Column((key,), [*amounts], [*range(len(amounts))])


INPUT, OUTPUT = column("input", 2.5, 5), column("output", 10, 20)
MILLION = "usd_per_million_tokens"


def test_the_magnitude_is_believed_of_two_sides_and_of_one_only_if_it_must_be_that_of_a_token():
    assert token_unit([INPUT, OUTPUT], None, None)[0] == MILLION
    assert token_unit([INPUT], None, None)[0] is None
    assert token_unit([column("input", 2.5e-6)], None, None)[0] == "usd_per_token"


def test_a_magnitude_that_fits_two_units_fits_none():
    assert token_unit([column("input", 0.03), column("output", 0.06)], None, None)[0] is None


def test_a_text_of_something_else_than_tokens_gives_no_unit_whatever_the_magnitude():
    assert token_unit([INPUT, OUTPUT], column("unit", "per image", "per image"), None)[0] is None
    assert token_unit([INPUT, OUTPUT], None, None, "per image")[0] is None
    assert token_unit([INPUT, OUTPUT], None, None, "per 1M tokens") == (MILLION, "the text around the models")


def test_a_magnitude_in_another_currency_is_judged_by_its_worth():
    assert currency_worth("USD") == currency_worth(None) == 1
    assert 5 < currency_worth("CNY") < 10
    yen = [column("input", 400.5), column("output", 1600.5)]
    assert [token_unit(yen, None, code)[0] for code in ("JPY", "USD", None)] == [MILLION, None, None]


def test_another_token_price_shares_the_unit_unless_its_own_words_differ():
    def own(key, amount):
        return own_token_unit(column(key, amount), None, MILLION, INPUT)

    assert own("cache_read", 0.25) == MILLION
    assert own("cache_read_per_1k", 0.00025) == "usd_per_thousand_tokens"
    assert own("cache_read_cents", 25) == "cents_per_million_tokens"
    assert own("cache_read_per_1k", 250) is None  # 250,000 dollars a million


@pytest.mark.parametrize(
    ("key", "per", "shared", "unit"),
    [
        ("image_price", "image", MILLION, "usd_per_image"),
        ("price_per_1k_images", "image", MILLION, "usd_per_thousand_images"),
        ("image_cents", "image", MILLION, "cents_per_image"),
        ("image_price", "image", "cents_per_million_tokens", "cents_per_image"),
        ("image_price", "image", "cents_per_100_million_tokens", "cents_per_100_million_images"),
        ("price_per_minute", "second", MILLION, "usd_per_minute"),
        ("request", "thousand_requests", None, "usd_per_request"),
    ],
)
def test_what_is_counted_is_priced_one_at_a_time_in_the_money_beside_it_unless_words_differ(key, per, shared, unit):
    assert counted_unit(column(key, 0.04), per, None, shared) == unit


def test_a_price_without_a_name_is_that_of_what_its_unit_counts():
    def found(key, text):
        return list(components_by_unit(column(key, 1), text))

    assert found("price", "per image") == [("image", "usd_per_image")]
    assert found("input_price", "per 1M characters") == [("characters", "usd_per_million_characters")]
    assert found("price", "per 1M tokens") == found("price", "per zorb") == []


def test_rows_are_chosen_by_their_texts():
    chosen = rows_where(column("a", 1, 2, 3), column("unit", "x", "y", "x"), {"x"})
    assert chosen.by_owner == {0: 1, 2: 3}
