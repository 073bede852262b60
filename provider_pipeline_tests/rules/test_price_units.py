"""Prices as listings write them: in lists, in texts, in whole numbers, in other currencies; every sample is made up."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator

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


def test_prices_in_another_currency_are_no_prices_in_usd():
    sample = {
        "data": [{"id": n, "pricing": {"input": i, "output": o, "currency": "EUR"}} for n, (i, o) in PRICES.items()]
    }
    assert set(prices_of(sample).values()) == {(None, None)}


def test_where_rows_have_different_currencies_only_usd_counts():
    coins = {"m-1": "USD", "m-2": "CNY", "m-3": "USD"}
    sample = {
        "data": [{"id": n, "pricing": {"input": i, "output": o, "currency": coins[n]}} for n, (i, o) in PRICES.items()]
    }
    assert prices_of(sample) == {"m-1": (0.5, 2.0), "m-2": (None, None), "m-3": (3.0, 15.0)}


def test_limits_may_carry_their_unit():
    sample = {"data": [{"id": "a", "context": "128K tokens"}, {"id": "b", "context": "8192 tokens"}]}
    rows = RuleValidator().validate_rule(RuleGenerator().analyze_sample(sample), sample)["extracted_models"]
    assert [row["context_length"] for row in rows] == [128_000, 8192]


def test_alternatives_are_joined_where_rows_carry_different_paths():
    sample = {
        "data": [
            {"id": "a", "context_length": 8192, "max_output_tokens": 1024},
            {"id": "b", "limits": {"max_context_window_tokens": 4096, "max_output_tokens": 512}},
            {"id": "c", "context_length": 2048},
        ]
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["fields"]["context_length"] == "context_length || limits.max_context_window_tokens"
    rows = RuleValidator().validate_rule(analysis, sample)["extracted_models"]
    assert [(row["context_length"], row["max_output_tokens"]) for row in rows] == [
        (8192, 1024),
        (4096, 512),
        (2048, None),
    ]


def test_alternatives_that_disagree_are_not_joined():
    sample = {
        "data": [{"id": f"m{n}", "context_length": 8192 * n, "top": {"context_length": 512 * n}} for n in range(1, 20)]
        + [{"id": "m99", "top": {"context_length": 99}}]
    }
    assert RuleGenerator().analyze_sample(sample)["fields"]["context_length"] == "context_length"


def test_where_ids_say_nothing_the_model_behind_them_tells_the_capabilities():
    sample = {
        "data": [
            {"id": "prod-main", "model": "gpt-4o", "status": "succeeded"},
            {"id": "search-index", "model": "text-embedding-3-large", "status": "succeeded"},
            {"id": "gpt-4.1", "model": "gpt-4.1", "status": "succeeded"},
        ]
    }
    analysis = RuleGenerator().analyze_sample(sample)
    assert analysis["fields"]["base_model"] == "model"
    rows = {row["model_id"]: row for row in RuleValidator().validate_rule(analysis, sample)["extracted_models"]}
    assert rows["search-index"]["capabilities"]["embedding"] is True
    assert rows["prod-main"]["capabilities"]["chat"] is True


def test_where_ids_say_enough_no_second_name_is_asked():
    sample = {"data": [{"id": "gpt-4o", "model": "whisper-1"}, {"id": "claude-3-haiku", "model": "whisper-1"}]}
    assert "base_model" not in RuleGenerator().analyze_sample(sample)["fields"]


def test_a_currency_beside_the_listing_counts_for_all_of_it():
    models = [{"id": n, "price_input": i, "price_output": o} for n, (i, o) in PRICES.items()]
    assert prices_of({"currency": "USD", "models": models}) == PRICES
    assert set(prices_of({"currency": "EUR", "models": models}).values()) == {(None, None)}


def test_the_default_of_a_request_is_no_limit_of_the_model():
    models = [{"id": f"m{n}", "context_length": 8192, "default_parameters": {"max_tokens": 512}} for n in range(3)]
    assert "max_output_tokens" not in RuleGenerator().analyze_sample({"data": models})["fields"]
