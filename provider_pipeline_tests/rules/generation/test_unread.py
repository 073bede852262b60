"""What a rule leaves unread is said: fields about prices, limits, dates and capabilities."""

import pytest

from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator


def unread(items, **around):
    rule = RuleGenerator().analyze_sample({"data": items, **around})
    found = [issue for issue in rule["issues"] if issue["type"] == "unread_fields"]
    return [(issue["severity"], issue["message"]) for issue in found], rule


PRICED = {"pricing": {"prompt": 0.5, "completion": 2.0}, "context_length": 8192}


def models(**fields):
    return [{"id": f"gpt-4o-{n}", **fields} for n in range(3)]


def test_a_rule_that_reads_everything_says_nothing():
    assert unread(models(**PRICED, owned_by="acme"))[0] == []


def test_fields_about_money_limits_dates_and_capabilities_are_named_prices_first():
    (found,), rule = unread(
        models(**PRICED, priceperimage=0.02, max_images=60, last_sunset="2027-01-01", quirk_features=["a"])
    )
    assert found == (
        "info",
        "the rule does not read priceperimage, max_images, last_sunset, quirk_features",
    )
    assert {"expression": "priceperimage", "reason": "speaks of a price; no field or predicate reads it"} in (
        explain_rule(rule)["left_out"]
    )


def test_prices_of_which_none_is_read_are_a_warning():
    ((severity, message),), _ = unread(models(fee_schedule={"per_tile": 0.02}))
    assert (severity, message) == ("warning", "the rule does not read fee_schedule.per_tile")


def test_prices_in_lists_that_cannot_be_told_apart_are_named():
    entries = [{"since": "2026-01-01", "input": 1, "output": 2}, {"since": "2027-01-01", "input": 2, "output": 4}]
    ((severity, message),), _ = unread(models(prices=entries))
    assert (severity, message) == ("warning", "the rule does not read prices[].input, prices[].output")


def test_prices_for_some_hours_in_a_list_by_prompt_size_are_named():
    overrides = [{"min_prompt_tokens": 200_000, "prompt": 5}, {"utc_start": "16:00", "utc_end": "00:00", "prompt": 1}]
    pricing = {"prompt": 2.5, "completion": 10, "overrides": overrides}
    (found,), rule = unread(models(pricing=pricing))
    assert found == ("info", "the rule does not read pricing.overrides[?utc_start].prompt")
    assert "price.input.tiers" in rule["fields"]


def test_sizes_of_images_whose_money_is_unsaid_are_named():
    (found,), _ = unread(models(image={"1024x1024": {"price": 4}, "1024x1792": {"price": 8}}))
    assert found == ("warning", 'the rule does not read image."1024x1024".price, image."1024x1792".price')


def currencies(items, **around):
    rule = RuleGenerator().analyze_sample({"data": items, **around})
    result = RuleValidator().validate_rule(rule, {"data": items, **around})
    return [
        (issue["severity"], issue["message"])
        for issue in (*rule["issues"], *result["issues"])
        if issue["type"] == "other_currency"
    ]


def test_prices_in_another_currency_are_a_warning_of_the_rule_and_noted_in_the_verdict():
    pricing = {"prompt": 0.5, "completion": 2.0}
    for found in (
        currencies(models(pricing=pricing | {"currency": "EUR"})),
        currencies(models(pricing=pricing), currency="EUR"),
        currencies(models(pricing={"prompt_eur": 0.5, "completion_eur": 2.0})),
    ):
        assert found == [
            ("warning", "prices in EUR are kept so, and input_price and output_price stay empty"),
            ("info", "the prices of 3 models are kept in EUR; input_price and output_price stay empty"),
        ]
    assert currencies(models(pricing=pricing | {"currency": "USD"})) == []


def test_prices_in_an_unknown_currency_are_not_read_and_the_rule_says_so():
    item = {"pricing": {"currency": "credits", "prompt": 0.5, "completion": 2.0}}
    assert currencies(models(**item)) == [("warning", "prices in credits are not read")]


def test_empty_and_zero_values_and_other_spellings_of_what_is_read_are_not_named():
    fields = {"batch_price": 0, "deprecation_note": "", "top_provider": {"context_length": 8192}}
    assert unread(models(**PRICED, **fields))[0] == []


def prices_unread(*items, **around):
    return {
        name.removesuffix(": price")
        for issue in RuleGenerator().analyze_sample({"data": [*items], **around})["issues"]
        if issue["type"] == "unread_fields"
        for name in issue["sample"]
    }


def test_units_that_are_not_kept_are_named_where_others_of_the_field_are_read():
    rows = [("veo-3", 0.4, "second"), ("flux-1-dev", 0.025, "megapixels"), ("kling-2", 0.3, "video")]
    found = prices_unread(*({"id": name, "unit_price": amount, "unit": unit} for name, amount, unit in rows))
    assert found == {"unit_price (where unit is 'megapixels')", "unit_price (where unit is 'video')"}


def test_entries_of_a_list_that_is_read_are_named():
    value = [
        {"unit": "per M input tokens", "price": 0.3},
        {"unit": "per M output tokens", "price": 1.2},
        {"unit": "per step", "price": 0.0001},
    ]
    (name,) = prices_unread({"id": "gpt-4o", "properties": [{"property_id": "price", "value": value}]})
    assert "'per step'" in name


def test_prices_in_lists_inside_lists_are_named():
    ends = [{"host": "a", "pricing": [{"threshold": 0, "input": 1, "output": 2}, {"threshold": 9, "input": 2}]}] * 2
    assert prices_unread({"id": "gpt-4o", "endpoints": ends}) == {
        "endpoints[].pricing[].input",
        "endpoints[].pricing[].output",
    }


def test_other_prices_of_the_same_kind_are_named_unless_they_say_the_same():
    price = {"input": 2.5, "output": 10}
    item = {"id": "gpt-4o", "pricing": price, "usd": {"per_million": price}, "sale_price": {"input": 2, "output": 8}}
    assert prices_unread(item) == {"sale_price.input", "sale_price.output"}


def test_amounts_by_size_are_named_though_nothing_says_that_they_are_money():
    found = prices_unread({"id": "dall-e-3", "sizes": {"1024x1024": 0.04, "1024x1792": 0.08}, "fps": {"720p": 30}})
    assert found == {'sizes."1024x1024"', 'sizes."1024x1792"'}


@pytest.mark.parametrize(
    "item",
    [
        {"pricing": {"input": 2.5, "output": 10, "cache_storage_per_hour": 4.5}},
        {"pricing": {"input": 2.5, "output": 10, "night": {"input": 1}}},
        {"pricing": {"input": 2.5, "output": 10, "weekend": {"output": 5}}},
        {"pricing": [{"input": 2.5, "output": 10}, {"hours": "16:30-00:30", "output": 5}]},
        {"pricing": {"input": 2.5, "output": 10, "resolutions": {"720p": {"usd": 0.1}}}},
        {"estimated_cost": {"input_tokens": 1000, "output_tokens": 50}},
        {"pricing_usd_per_1k": [0.0025, 0.01]},
        {"pricing": {"input": "250¢/M", "output": "2.50-5.00"}},
        {"credits_per_million_tokens": 1.2},
    ],
)
def test_a_price_that_is_none_of_the_models_is_named(item):
    assert prices_unread({"id": "gpt-4o", **item})


def test_a_key_with_half_a_character_is_read_past():
    assert unread(models(**PRICED, **{"\ud800": 0.5}))[0] == []
