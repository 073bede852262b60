"""What a rule leaves unread is said: fields about prices, limits, dates and capabilities."""

from provider_pipeline.rules.generation.explain import explain_rule
from provider_pipeline.rules.generation.generator import RuleGenerator


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
    ((severity, message),), _ = unread(models(fee_schedule={"per_image": 0.02}))
    assert (severity, message) == ("warning", "the rule does not read fee_schedule.per_image")


def test_prices_in_another_currency_are_a_warning_that_names_it():
    item = {"pricing": {"currency": "EUR", "prompt": 0.5, "completion": 2.0}}
    ((severity, message),), _ = unread(models(**item))
    assert severity == "warning"
    assert message.startswith("the rule does not read prices in EUR")
    ((severity, message),), _ = unread(models(**PRICED), currency="CNY")
    assert severity == "warning"
    assert message.startswith("the rule does not read prices in CNY")


def test_empty_and_zero_values_and_other_spellings_of_what_is_read_are_not_named():
    fields = {"batch_price": 0, "deprecation_note": "", "top_provider": {"context_length": 8192}}
    assert unread(models(**PRICED, **fields))[0] == []
