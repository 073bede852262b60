"""Every form of prices met so far is read right, and docs/prices.md says so."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules.generation.generated import rows_of
from provider_pipeline_tests.rules.generation.price_forms import COMMAND, FORMS, page


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_of_prices_is_read(form):
    assert form.read() == form.prices


def test_the_page_is_what_the_table_says():
    document = Path(__file__).parents[3] / "docs" / "prices.md"
    assert document.read_text(encoding="utf-8") == page(), f"regenerate it: {COMMAND}"


AGGREGATOR = {
    "acme/text": {"input_cache_read": "0.00000025", "web_search": "0"},
    "acme/cached": {"input_cache_read": "0.00000025", "input_cache_write": "0.000003", "request": "0"},
    "acme/search": {"web_search": "0.01", "request": "0.005", "image": "0"},
    "acme/vision": {"image": "0.0036", "input_cache_read": "0.000001"},
    "acme/vision-tokens": {"image": "0.0000025", "audio": "0.00001", "internal_reasoning": "0.00001"},
    "acme/cache-that-costs-nothing": {"input_cache_read": "0", "input_cache_write": "0"},
}
FREE = {"prompt": "0", "completion": "0", "request": "0", "image": "0", "web_search": "0"}


def test_an_aggregators_components_are_counted_exactly():
    items = [
        {"id": name, "pricing": {"prompt": "0.0000025", "completion": "0.00001", **more}}
        for name, more in AGGREGATOR.items()
    ]
    items += [
        {"id": "acme/free", "pricing": FREE},
        {"id": "acme/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
    ]
    counts: dict[str, int] = {}
    for row in rows_of({"data": items}).values():
        for component in row["prices"]:
            counts[component] = counts.get(component, 0) + 1
    assert counts == {
        "input": 7,
        "output": 7,
        "cache_read": 3,
        "cache_write": 1,
        "web_search": 1,
        "request": 1,
        "image": 1,
        "input_image": 1,
        "input_audio": 1,
        "reasoning": 1,
    }


def test_a_rule_from_prices_of_images_reads_none_of_image_tokens_as_such():
    def listing(image):
        pricing = {"prompt": "0.0000025", "completion": "0.00001", "image": image}
        return {"data": [{"id": f"gpt-4o-{n}", "pricing": pricing} for n in range(3)]}

    rule = RuleGenerator().analyze_sample(listing("0.0036"))
    (row, *_) = RuleValidator().validate_rule(rule, listing("0.0000025"))["extracted_models"]
    assert set(row["prices"]) == {"input", "output"}


def test_searches_at_14_each_are_not_believed():
    pricing = {"input": "0.0000025", "output": "0.00001", "web_search": "14"}
    rule = RuleGenerator().analyze_sample({"data": [{"id": f"gpt-4o-{n}", "pricing": pricing} for n in range(3)]})
    assert "price.web_search" not in rule["fields"]
    assert [issue["message"] for issue in rule["issues"]] == ["the rule does not read pricing.web_search"]


def test_an_amount_too_small_for_its_kind_is_not_read():
    pricing = {"input": 2.5, "output": 10, "cache_read": 250}
    rule = RuleGenerator().analyze_sample({"data": [{"id": f"gpt-4o-{n}", "pricing": pricing} for n in range(3)]})
    assert "price.cache_read" not in rule["fields"]


def test_a_small_decimal_arrives_as_it_was_written():
    amount = Decimal("0.0000000125")
    pricing = {"prompt": str(amount), "completion": "0.0000001"}
    (row, *_) = rows_of(
        {"data": [{"id": f"gpt-4o-{n}", "pricing": {**pricing, "prompt": f"{amount:f}"}} for n in range(3)]}
    ).values()
    assert Decimal(str(row["prices"]["input"]["amount"])) / 1_000_000 == amount
    assert json.loads(json.dumps(row["prices"])) == row["prices"]


UNITS = {
    "per_token": 1_000_000,
    "per_1k_tokens": 1_000,
    "per_1m_tokens": 1,
}


@settings(max_examples=25)
@given(
    prices=st.lists(
        st.tuples(st.integers(10, 2_000), st.integers(10, 6_000), st.integers(1, 10)), min_size=2, max_size=5
    )
)
def test_prices_in_any_unit_give_the_same_amounts(prices):
    def read(unit, money, factor):
        items = [
            {
                "id": f"gpt-4o-{n}",
                f"input_{money}_{unit}": float(f"{i / 100 * factor / UNITS[unit]:.12g}"),
                f"output_{money}_{unit}": float(f"{o / 100 * factor / UNITS[unit]:.12g}"),
                f"cached_input_{money}_{unit}": float(f"{i / share / 100 * factor / UNITS[unit]:.12g}"),
            }
            for n, (i, o, share) in enumerate(prices)
        ]
        return {
            (name, component): pytest.approx(price["amount"])
            for name, row in rows_of({"data": items}).items()
            for component, price in row["prices"].items()
        }

    expected = read("per_1m_tokens", "price", 1)
    assert len(expected) == 3 * len(prices)
    for unit in UNITS:
        for money, factor in (("price", 1), ("cents", 100)):
            assert read(unit, money, factor) == expected
