"""A listing compared with the accepted one before it: models that stayed or are new, and how far values moved."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from provider_pipeline.rules.history import Baseline, Once
from provider_pipeline.rules.issues import GUARDS
from provider_pipeline.rules.plausibility import BaselineComparison, Unchanged
from provider_pipeline.rules.rows import Profile
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.validator import RuleValidator

RULE = {
    "jmespath_rule": "data[*]",
    "fields": {"id": "id", "context_length": "context", "input_price": "price", "output_price": "price"},
    "units": {"input_price": "usd_per_million_tokens", "output_price": "usd_per_million_tokens"},
    "capability_rules": [{"capability": "chat", "patterns": {"regex": ["model-.*", "MODEL-.*"]}}],
}
Item = dict[str, Any]


def item(number: int) -> Item:
    return {"id": f"model-{number}", "context": 8_192 * (1 + number % 9), "price": 0.5 * (1 + number % 7)}


def items(*numbers: int) -> list[Item]:
    return [item(number) for number in numbers]


def rows(listed: Sequence[Item]) -> list[dict[str, Any]]:
    return RuleValidator().validate_rule(RULE, {"data": listed})["extracted_models"]


def judged(before: Sequence[Item], now: Sequence[Item], **thresholds: float) -> Mapping[str, dict[str, Any]]:
    """The issues by type, of which there is one each."""
    result = RuleValidator(Thresholds(**thresholds)).validate_rule(RULE, {"data": now}, previous=rows(before))
    found = {issue["type"]: issue for issue in result["issues"]}
    assert len(found) == len(result["issues"])
    assert result["valid"] == all(issue["severity"] != "error" for issue in result["issues"])
    return found


def severities(found: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    return {kind: issue["severity"] for kind, issue in found.items()}


def changed(listed: Sequence[Item], change: Callable[[Item], Any]) -> list[Item]:
    copies = [dict(each) for each in listed]
    for each in copies:
        change(each)
    return copies


def test_one_model_that_stayed_among_thousands_of_new_ones_is_one_of_three_hundred():
    found = judged(items(*range(300)), items(0, *range(1_000, 3_047)))
    assert severities(found) == {"listing_turned_over": "error", "listing_grew": "error"}
    said = "1 of the 300 models of the last accepted listing is still listed, 2,047 are new"
    assert said in found["listing_turned_over"]["message"]
    assert said in found["listing_grew"]["message"]


def test_growth_is_reported_in_exact_numbers_and_is_not_turnover():
    found = judged(items(*range(10)), items(*range(5_000)))
    assert severities(found) == {"listing_grew": "error"}
    assert found["listing_grew"]["message"] == (
        "the listing has 5,000 models, the last accepted listing had 10: "
        "10 of the 10 models of the last accepted listing are still listed, 4,990 are new"
    )


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [
        (10, 20_010, "error"),
        (300, 901, "error"),
        (300, 900, "warning"),  # three times, and no more
        (40, 140, "warning"),  # a hundred new ones, and no more
        (40, 141, "error"),
        (300, 450, "warning"),
        (300, 449, None),
        (1, 101, "warning"),
        (1, 102, "error"),
        (2, 5, None),
    ],
)
def test_growth_is_blocked_beyond_three_times_and_a_hundred_new_models(before: int, now: int, severity: str | None):
    found = judged(items(*range(before)), items(*range(now)))
    assert severities(found) == ({"listing_grew": severity} if severity else {})


def test_the_limits_of_growth_are_per_provider():
    before, now = items(*range(10)), items(*range(200))
    assert severities(judged(before, now)) == {"listing_grew": "error"}
    assert severities(judged(before, now, max_growth=30)) == {"listing_grew": "warning"}
    assert severities(judged(before, now, max_new_models=500)) == {"listing_grew": "warning"}


def test_replaced_models_warn_before_they_block():
    before = items(*range(100))
    assert severities(judged(before, items(*range(31), *range(200, 269)))) == {
        "listing_turned_over": "warning",
        "listing_grew": "warning",
    }
    assert severities(judged(before, items(*range(29), *range(200, 271)))) == {
        "listing_turned_over": "error",
        "listing_grew": "warning",
    }
    assert judged(before, items(*range(60), *range(200, 240))) == {}


def test_ids_in_another_case_are_the_models_that_stayed():
    upper = changed(items(*range(40)), lambda each: each.update(id=each["id"].upper()))
    assert judged(items(*range(40)), upper) == {}
    half = [*upper[:10], *items(*range(100, 130))]
    found = judged(items(*range(40)), half)
    assert (
        "10 of the 40 models of the last accepted listing are still listed, 30 are new"
        in (found["listing_turned_over"]["message"])
    )


def test_a_model_that_is_listed_but_cannot_be_read_has_not_gone():
    before = items(*range(10))
    bad = changed(before, lambda each: each.update(context=-5))
    found = judged(before, [*before[:2], *bad[2:], *items(*range(100, 105))], max_rejected_share=1)
    assert "listing_turned_over" not in found


SWAPS = {
    "one model for another": (items(0), items(1)),
    "one for two": (items(0), items(1, 2)),
    "four for one": (items(0, 1, 2, 3), items(9)),
    "its limit is cut": (items(4), [{**item(4), "context": 4_096}]),
    "its limit is gone": (items(4), [{"id": "model-4", "price": 1.0}]),
    "its price jumps": (items(4), [{**item(4), "price": 100.0}]),
}


@pytest.mark.parametrize(("before", "now"), SWAPS.values(), ids=SWAPS.keys())
def test_a_share_of_a_few_models_only_warns(before: list[Item], now: list[Item]):
    found = judged(before, now)
    assert "error" not in severities(found).values()


def test_five_models_are_enough_for_a_share_unless_the_provider_says_otherwise():
    before, now = items(*range(5)), items(*range(10, 15))
    assert severities(judged(before, now))["listing_turned_over"] == "error"
    assert severities(judged(before, now, min_models_compared=6))["listing_turned_over"] == "warning"
    assert severities(judged(items(0), items(1), min_models_compared=1))["listing_turned_over"] == "error"


def test_prices_of_a_few_models_that_all_jump_together_are_a_unit_that_changed():
    before = items(0, 1, 2)
    now = changed(before, lambda each: each.update(price=each["price"] * 100))
    assert severities(judged(before, now))["prices_jumped"] == "error"
    assert severities(judged(before, [now[0], *before[1:]]))["prices_jumped"] == "warning"


def test_values_that_all_move_slightly_less_than_the_limit_warn():
    before = items(*range(300))

    def creep(each: Item) -> None:
        each.update(price=each["price"] * 9.9, context=int(each["context"] / 1.99))

    found = judged(before, changed(before, creep))
    assert severities(found) == {"prices_moved": "warning", "limits_moved": "warning"}
    assert found["prices_moved"]["message"] == (
        "the prices of 300 of 300 models rose since the last accepted listing, by up to 9.9 times"
    )
    assert "fell since the last accepted listing, by up to 1.99 times" in found["limits_moved"]["message"]


def test_prices_that_move_in_both_directions_are_not_reported():
    before = items(*range(100))
    now = [{**each, "price": each["price"] * (2 if number % 2 else 0.5)} for number, each in enumerate(before)]
    assert judged(before, now[:49] + before[49:]) == {}
    assert judged(before, [*now[::2], *before[1::2]], warn_share=0.6) == {}


@pytest.mark.parametrize(
    ("now", "guard"),
    [
        (items(*range(50)), "shrink"),
        (items(*range(500)), "growth"),
        (items(*range(200, 300)), "turnover"),
        (changed(items(*range(100)), lambda each: each.update(id=f"acme/{each['id']}")), "turnover"),
        (changed(items(*range(100)), lambda each: each.update(price=0)), "prices"),
        (changed(items(*range(100)), lambda each: each.update(context=10)), "limits"),
        (changed(items(*range(100)), lambda each: each.pop("context")), "fields"),
        (changed(items(*range(100)), lambda each: each.update(context=10**6)), "fields"),
    ],
)
def test_a_blocking_issue_says_how_to_accept_it(now: list[Item], guard: str):
    held = [issue for issue in judged(items(*range(100)), now).values() if issue["severity"] == "error"]
    assert [issue for issue in held if issue["type"] in GUARDS[guard]]
    for issue in held:
        assert any(f"--accept {name} " in issue["recovery"] for name in GUARDS if issue["type"] in GUARDS[name])


PRICED_RULE = {
    "model_list_config": {
        "endpoint": "/v1/models",
        "selector": "data[*]",
        "fields": {
            "id": "id",
            "input_price": "in",
            "price.input.above_200000": "long",
            "price.cache_read": "cached",
            "price.image": "image",
        },
        "units": {
            "input_price": "usd_per_million_tokens",
            "price.cache_read": "usd_per_million_tokens",
            "price.image": "usd_per_image",
        },
    },
    "endpoints_config": {},
}


def priced(**changes: float) -> list[Item]:
    prices = {"in": 400.0, "long": 500.0, "cached": 0.2, "image": 0.04, **changes}
    return [{"id": f"model-{number}", **prices} for number in range(20)]


@pytest.mark.parametrize("change", [{"cached": 20}, {"image": 4}, {"in": 4}])
def test_prices_of_any_component_that_all_jump_are_held(change: dict[str, float]):
    validator = RuleValidator()
    before = validator.validate_rule(PRICED_RULE, {"data": priced()})["extracted_models"]
    assert before[0]["prices"].keys() == {"input", "cache_read", "image"}
    judged_now = validator.validate_rule(PRICED_RULE, {"data": priced(**change)}, previous=before)
    assert "prices_jumped" in [each["type"] for each in judged_now["issues"] if each["severity"] == "error"]


def test_a_tier_that_jumps_is_a_change_like_any_other():
    validator = RuleValidator()
    before = validator.validate_rule(PRICED_RULE, {"data": priced()})["extracted_models"]
    judged_now = validator.validate_rule(PRICED_RULE, {"data": priced(long=5)}, previous=before)
    assert judged_now["valid"]
    assert judged_now["extracted_models"][0]["prices"]["input"]["tiers"] == [{"above": 200_000, "amount": 5.0}]


@pytest.mark.parametrize(
    "now",
    [
        {"in": 3, "image": 0.04, "context": 8_192},
        {"image": 0.04},
        {"context": 8_192},
        {"in": 3},
        {},
    ],
)
def test_a_model_known_to_be_unchanged_counts_as_if_it_were_compared_with_itself(now: dict[str, float]):
    rule = {**PRICED_RULE["model_list_config"], "fields": {**PRICED_RULE["model_list_config"]["fields"]}}
    rule["fields"]["context_length"] = "context"
    document = {"data": [{"id": f"model-{number}", **now} for number in range(3)]}
    listed = RuleValidator().validate_rule({**PRICED_RULE, "model_list_config": rule}, document)["extracted_models"]
    counted, compared = (
        BaselineComparison(Baseline("before", Profile.of_rows(listed)), Thresholds()) for _ in range(2)
    )
    counted.add_unchanged(Unchanged.of(listed))
    for row in listed:
        compared.add(row, Once(known=True, listed=True, values=row))
    seen = [(each.overlap(), each._prices.compared, each._limits.compared) for each in (counted, compared)]
    assert not [*counted.movement_issues(), *compared.movement_issues()]
    assert seen[0] == seen[1]
    assert seen[0][1:] == (3 * bool({"in", "image"} & now.keys()), 3 * ("context" in now))
