"""Prices as listings write them: in lists, texts, and whole numbers; every sample is made up."""

import pytest

from provider_pipeline_tests.rules.generation.generated import PRICES, prices_of, rows_of


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


def test_listed_prices_win_over_ratios_beside_them():
    item = {"quota_type": 0, "model_ratio": 1, "completion_ratio": 4, "input_price": 2.5, "output_price": 10}
    rows = rows_of({"data": [{"id": "gpt-4o", **item}]})
    assert (rows["gpt-4o"]["input_price"], rows["gpt-4o"]["output_price"]) == (2.5, 10)
