from decimal import Decimal

import pytest

from provider_pipeline import RuleValidator
from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import merged_records
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.prices import PriceField, amounts_of, checked_price, currency_code, price_field
from provider_pipeline_tests.rules.samples import ROW

TOKENS = {"unit": "million_tokens", "currency": "USD"}
FIELDS = {
    "id": "id",
    "output_modalities": "out",
    "input_price": "p.in",
    "output_price": "p.out",
    "price.cache_read": "p.cached",
    "price.cache_write": "p.write",
    "price.image": "p.image",
    "price.request": "p.request",
}
UNITS = {"price.image": "usd_per_image", "price.request": "usd_per_request"}
CHAT = [{"capability": "chat", "patterns": {"regex": ["chat-.*"]}}]


def extracted(item, *, fields=FIELDS, units=UNITS, **endpoint):
    rule = {"jmespath_rule": "[*]", "fields": fields, "units": units, "capability_rules": CHAT, **endpoint}
    result = RuleValidator().validate_rule(rule, [item])
    (row,) = result["extracted_models"]
    return row, [issue["message"] for issue in result["issues"] if "set aside" in issue["message"]]


def amounts(row):
    return {component: price["amount"] for component, price in row["prices"].items()}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("input_price", PriceField("input")),
        ("price.input", PriceField("input")),
        ("price.cache_read", PriceField("cache_read")),
        ("price.input.above_200000", PriceField("input", 200_000)),
        ("price.output.tiers", PriceField("output", is_tiers=True)),
        ("context_length", None),
        ("price", None),
        ("price.", None),
        ("price.input.above_", None),
        ("price.input.below_1", None),
    ],
)
def test_a_rules_field_says_which_price_it_reads(name, read):
    assert price_field(name) == read


def test_every_component_has_its_own_unit_and_input_and_output_are_columns_too():
    prices = {"in": 3, "out": 15, "cached": 0.3, "write": 3.75, "image": 0.004, "request": 0.01}
    row, warnings = extracted({"id": "chat-1", "p": prices})
    assert row["prices"] == {
        "cache_read": {"amount": 0.3, **TOKENS},
        "cache_write": {"amount": 3.75, **TOKENS},
        "image": {"amount": 0.004, "unit": "image", "currency": "USD"},
        "input": {"amount": 3.0, **TOKENS},
        "output": {"amount": 15.0, **TOKENS},
        "request": {"amount": 10.0, "unit": "thousand_requests", "currency": "USD"},
    }
    assert (row["input_price"], row["output_price"], warnings) == (3.0, 15.0, [])


def test_a_small_decimal_text_keeps_every_digit():
    row, _ = extracted({"id": "m", "p": {"in": "0.0000000125"}}, units={"input_price": "usd_per_token"})
    assert Decimal(str(row["prices"]["input"]["amount"])) == Decimal("0.0125")


@pytest.mark.parametrize("value", [-1, "-1", "", None])
def test_minus_one_and_blanks_are_unknown_prices(value):
    row, warnings = extracted({"id": "chat-1", "p": {"in": 1, "cached": value}})
    assert (amounts(row), warnings) == ({"input": 1}, [])


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        (
            {"id": "chat-1", "p": {"in": 0, "out": 0, "cached": 0, "image": 0, "request": 0}},
            {"input", "output", "cache_read"},
        ),
        ({"id": "chat-1", "p": {"in": 2, "out": 4, "cached": 0, "write": 0}}, {"input", "output"}),
        ({"id": "picture-1", "out": ["image"], "p": {"in": 0, "out": 0, "image": 0.04}}, {"image"}),
        ({"id": "vectors-1", "out": ["embedding"], "p": {"in": 0.1, "out": 0}}, {"input", "output"}),
        ({"id": "ranker-1", "p": {"in": 0, "out": 0, "request": 0.002}}, {"request"}),
        ({"id": "chat-1", "p": {"in": 0, "out": 0, "request": 0.002}}, {"input", "output", "request"}),
        ({"id": "unknown-1", "p": {"in": 0, "out": 0}}, {"input", "output"}),
        ({"id": "unknown-2", "p": {"in": 1, "out": 0}}, {"input"}),
    ],
)
def test_zero_is_free_only_for_text_tokens_and_not_beside_a_price_for_the_same_tokens(item, kept):
    row, warnings = extracted(item)
    assert (set(row["prices"]), warnings) == (kept, [])


@pytest.mark.parametrize(
    ("prices", "lost"),
    [
        ({"in": 1, "out": 0}, "output_price"),
        ({"in": 1, "cached": 1.5}, "price.cache_read"),
        ({"in": 1, "write": 4.5}, "price.cache_write"),
        ({"in": 1, "image": 5_000}, "price.image"),
        ({"in": 1, "request": "dear"}, "price.request"),
    ],
)
def test_a_price_that_cannot_be_true_is_set_aside_alone(prices, lost):
    row, (warning,) = extracted({"id": "chat-1", "p": prices})
    assert amounts(row) == {"input": 1}
    assert warning.startswith(f"1 of 1 values of {lost} were set aside: ")


def test_tiers_stand_beside_the_price_below_them_in_order():
    fields = {
        "id": "id",
        "input_price": "cost",
        "price.input.above_200000": "cost_long",
        "output_price": "out",
        "price.output.tiers": "tiers[].{above: size, amount: out}",
    }
    tiers = [{"size": 500_000, "out": 9}, {"size": 200_000, "out": 8}, {"size": 1_000_000, "out": None}]
    row, warnings = extracted({"id": "m", "cost": 1, "cost_long": 2, "out": 4, "tiers": tiers}, fields=fields, units={})
    assert row["prices"]["input"] == {"amount": 1, **TOKENS, "tiers": [{"above": 200_000, "amount": 2}]}
    assert row["prices"]["output"]["tiers"] == [{"above": 200_000, "amount": 8}, {"above": 500_000, "amount": 9}]
    assert warnings == []


@pytest.mark.parametrize("tiers", ["all", [{"size": -1, "out": 1}], [{"out": 1}], [{"size": 1, "out": 1}] * 21])
def test_tiers_that_cannot_be_read_leave_the_price_below_them(tiers):
    fields = {
        "id": "id",
        "input_price": "cost",
        "price.input.tiers": "not_null(tiers[].{above: size, amount: out}, tiers)",
    }
    row, (warning,) = extracted({"id": "m", "cost": 1, "tiers": tiers}, fields=fields, units={})
    assert row["prices"] == {"input": {"amount": 1, **TOKENS}}
    assert "price.input.tiers" in warning


@pytest.mark.parametrize(
    ("stated", "constant", "currency"),
    [("EUR", None, "EUR"), ("rmb", None, "CNY"), (None, "CNY", "CNY"), ("$", "CNY", "USD"), ("", None, "USD")],
)
def test_a_currency_is_the_items_else_the_endpoints_else_usd_and_nothing_is_converted(stated, constant, currency):
    fields = {"id": "id", "input_price": "cost", "currency": "money"}
    more = {} if constant is None else {"currency": constant}
    row, _ = extracted({"id": "m", "cost": 7, "money": stated}, fields=fields, units={}, **more)
    assert row["prices"] == {"input": {"amount": 7, "unit": "million_tokens", "currency": currency}}
    assert row["input_price"] == (7 if currency == "USD" else None)


def test_a_text_with_its_currency_is_read_row_by_row_whatever_the_rules_currency():
    def price(text):
        return extracted({"id": "chat-a", "p": {"in": text}}, currency="EUR")[0]["prices"].get("input", {})

    assert price("2.50 €") == {"amount": 2.5, "unit": "million_tokens", "currency": "EUR"}
    assert price("2.50") == price("2.50 €")
    assert price("$2.50") == {"amount": 2.5, "unit": "million_tokens", "currency": "USD"}
    assert price("2.50 GBP")["currency"] == "GBP"
    assert price("¥2.50") == {}


def test_a_price_in_something_that_is_no_currency_is_set_aside():
    fields = {"id": "id", "input_price": "cost", "currency": "money"}
    row, (warning,) = extracted({"id": "m", "cost": 7, "money": "credits"}, fields=fields, units={})
    assert row["prices"] == {}
    assert "the currency of the price is not known" in warning


def test_a_rule_names_its_currency_by_code_and_keeps_it_through_both_forms():
    document = {"jmespath_rule": "[*]", "currency": "rmb", "fields": {"id": "id", "price.cache_read": "c"}}
    rule = ExtractionRule.parse(document)
    assert rule.to_analysis()["currency"] == "CNY"
    stored = rule.to_stored()._asdict()
    assert ExtractionRule.parse(stored).digest == rule.digest
    with pytest.raises(InvalidRuleError, match="unknown currency 'gold'; known are the ISO 4217 codes"):
        ExtractionRule.parse({**document, "currency": "gold"})


def test_a_yen_sign_alone_names_no_currency():
    assert (currency_code("¥"), currency_code(" US$ "), currency_code("cny")) == (None, "USD", "CNY")


def test_records_of_one_model_keep_the_prices_on_which_they_agree():
    price = {"amount": 1.0, **TOKENS}
    first = {**ROW, "input_price": 1.0, "prices": {"input": price, "output": price}}
    second = {**ROW, "input_price": 2.0, "prices": {"input": {**price, "amount": 2.0}, "cache_read": price}}
    row, disputed = merged_records([first, second])
    assert (set(row["prices"]), row["input_price"], "input" in disputed) == ({"output", "cache_read"}, None, True)


def test_amounts_are_compared_only_with_their_like():
    in_euro = {"prices": {"input": {"amount": 1.0, "unit": "million_tokens", "currency": "EUR"}}}
    assert amounts_of(in_euro) == {"input in EUR per million_tokens": 1.0}
    assert amounts_of({"input_price": 3}) == {"input": 3.0}


@pytest.mark.parametrize("component", ["cache_read", "image"])
def test_a_price_of_any_component_that_jumps_for_most_models_holds_the_listing(component):
    field = f"price.{component}"
    unit = UNITS.get(field, "usd_per_million_tokens")
    rule = {
        "jmespath_rule": "[*]",
        "fields": {"id": "id", "input_price": "in", field: "p"},
        "units": {field: unit},
        "capability_rules": CHAT,
    }
    before = [{"id": f"chat-{n}", "in": 50, "p": 0.5 + n / 10} for n in range(10)]
    previous = RuleValidator().validate_rule(rule, before)["extracted_models"]
    after = [{**item, "p": item["p"] * 20} for item in before]
    result = RuleValidator().validate_rule(rule, after, previous)
    assert not result["valid"]
    (jump,) = (issue for issue in result["issues"] if issue["type"] == "prices_jumped")
    assert component in jump["sample"][0]


def test_a_component_that_most_models_lose_holds_the_listing():
    rule = {"jmespath_rule": "[*]", "fields": {"id": "id", "price.cache_read": "p"}, "capability_rules": CHAT}
    before = [{"id": f"chat-{n}", "p": 1 + n} for n in range(10)]
    previous = RuleValidator().validate_rule(rule, before)["extracted_models"]
    result = RuleValidator().validate_rule(rule, [{"id": item["id"]} for item in before], previous)
    assert [issue["type"] for issue in result["issues"] if issue["severity"] == "error"] == ["field_vanished"]


@pytest.mark.parametrize(
    ("component", "value", "price"),
    [
        ("cache_read", 0.3, {"amount": 0.3, **TOKENS}),
        ("image", 0.04, {"amount": 0.04, "unit": "image", "currency": "USD"}),
        ("image_hd_1024x1024", 0.08, {"amount": 0.08, "unit": "image", "currency": "USD"}),
        ("video_second_1080p", 0.4, {"amount": 0.4, "unit": "second", "currency": "USD"}),
        ("input", {"amount": 8, "currency": "rmb"}, {"amount": 8, "unit": "million_tokens", "currency": "CNY"}),
        (
            "input",
            {"amount": 1, "tiers": [{"above": 200_000, "amount": 2}]},
            {"amount": 1, **TOKENS, "tiers": [{"above": 200_000, "amount": 2}]},
        ),
    ],
)
def test_a_persons_price_is_in_the_components_usual_unit_unless_it_says_otherwise(component, value, price):
    assert checked_price(component, value) == price


@pytest.mark.parametrize(
    "value",
    [
        "cheap",
        True,
        -1,
        -2,
        {},
        {"amount": "1"},
        {"amount": 1, "unit": "bushel"},
        {"amount": 1, "currency": "gold"},
        {"price": 1},
    ],
)
def test_a_persons_price_that_is_no_price_is_refused(value):
    with pytest.raises(InvalidRuleError, match=r"prices\.input|currency"):
        checked_price("input", value)


def test_a_price_on_which_two_pages_disagree_is_unknown_and_the_others_stay():
    fields = {"id": "id", "input_price": "p.in", "output_price": "p.out", "price.cache_read": "p.cached"}
    judge = ListingJudge(ExtractionRule.parse({"jmespath_rule": "[*]", "fields": fields, "capability_rules": CHAT}))
    pages = [
        [{"id": f"chat-{n}", "p": {"in": 2, "out": 3, "cached": 1}} for n in range(9)],
        [
            {"id": "chat-0", "p": {"in": 5, "out": 3, "cached": 1}},
            {"id": "chat-1", "p": {"in": 2, "out": 3, "cached": 2}},
        ],
    ]
    rows = [row for page in pages for row in judge.add_page(page)]
    first, second, third, *_ = judge.verdict().settled(rows)
    assert (set(first["prices"]), first["input_price"]) == ({"output", "cache_read"}, None)
    assert (set(second["prices"]), second["input_price"]) == ({"input", "output"}, 2)
    assert set(third["prices"]) == {"input", "output", "cache_read"}
