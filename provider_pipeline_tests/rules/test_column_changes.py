"""Which columns another rule fills differently."""

from provider_pipeline import RuleValidator
from provider_pipeline.rules.column_changes import EXAMPLES, RowDifferences

PAGE = {
    "data": [
        {"id": f"acme-{number}", "size": 1_000 * number, "cost": {"in": number, "image": 1}, "tier": "gold"}
        for number in range(1, 6)
    ]
}


def rows(**fields: str):
    rule = {"jmespath_rule": "data[*]", "fields": {"id": "id", **fields}, "capability_rules": []}
    return RuleValidator().validate_rule(rule, PAGE)["extracted_models"]


def differences(before: dict[str, str], after: dict[str, str]):
    compared = RowDifferences()
    compared.add(rows(**before), rows(**after))
    return compared.differences()


def test_a_column_counts_values_that_differ_are_gained_and_are_lost():
    found = differences({"context_length": "size", "name": "tier"}, {"context_length": "cost.in", "tier": "tier"})
    assert [(each.column, each.differ, each.gained, each.lost) for each in found.columns] == [
        ("display_name", 0, 0, 5),
        ("context_length", 5, 0, 0),
        ("metadata_json.tier", 0, 5, 0),
    ]
    assert (found.models, found.gone, found.new) == (5, 0, 0)


def test_examples_are_the_first_models():
    (column,) = differences({}, {"context_length": "size"}).columns
    assert column.examples == [(f"acme-{number}", None, 1_000 * number) for number in range(1, EXAMPLES + 1)]


def test_a_price_is_named_once_and_by_its_component():
    found = differences({"input_price": "cost.in"}, {"input_price": "cost.image", "price.cache_read": "cost.in"})
    assert [each.column for each in found.columns] == ["input_price", "prices.cache_read"]


def test_models_that_only_one_rule_finds_are_counted_apart():
    compared = RowDifferences()
    compared.add(rows()[:3], rows()[1:])
    found = compared.differences()
    assert (found.models, found.gone, found.new, found.columns) == (2, 1, 2, ())


def test_the_same_rows_have_no_difference():
    assert differences({"name": "tier"}, {"name": "tier"}).to_json() == {
        "models": 5,
        "gone": 0,
        "new": 0,
        "columns": [],
    }
