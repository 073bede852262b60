"""Two extractions are compared field by field, over the models that both have; and every column, for people."""

from decimal import Decimal

from hypothesis import given, strategies as st

from provider_pipeline import RuleValidator
from provider_pipeline.rules.comparison import EXAMPLES, RowComparer, RowDifferences
from provider_pipeline.rules.model_columns import ROW_COLUMNS


def row(model_id: str, **columns):
    return {**dict.fromkeys(ROW_COLUMNS), "capabilities": {}, "model_id": model_id, **columns}


def compared(before, after):
    comparer = RowComparer()
    comparer.add(before, after)
    return comparer.comparison()


def test_agreement_difference_loss_and_gain_are_counted_separately():
    found = compared(
        [row("a", context_length=8), row("b", context_length=8), row("c", context_length=8), row("d")],
        [row("a", context_length=8), row("b", context_length=4), row("c"), row("d", context_length=2)],
    ).fields["context_length"]
    assert (found.agree, found.differ, found.lost, found.gained) == (1, 1, 1, 1)
    assert found.sample == ("b: 8 -> 4", "c: 8 -> None")
    assert (found.contradictions, found.losses, found.kept) == (1 / 2, 1 / 3, 1 / 3)


def test_models_of_one_side_only_are_named_and_not_compared():
    found = compared([row("a", input_price=1.0), row("b")], [row("b"), row("c", input_price=2.0)])
    assert (found.before, found.after, found.shared, found.gone, found.new) == (2, 2, 1, ("a",), ("c",))
    assert found.fields["input_price"].known_before == 0


def test_a_stored_decimal_is_the_same_price():
    price = compared([row("a", input_price=Decimal("0.15"))], [row("a", input_price=0.15)]).fields["input_price"]
    assert (price.agree, price.differ) == (1, 0)


def test_a_newly_known_capability_is_gained_and_a_flipped_one_differs():
    found = compared(
        [row("a", capabilities={"vision": True, "tools": True, "chat": True})],
        [row("a", capabilities={"vision": False, "chat": True, "reasoning": False})],
    ).capabilities
    assert (found.agree, found.differ, found.lost, found.gained) == (1, 1, 1, 1)


MODELS = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.integers(1, 3), max_size=6)


@given(before=MODELS, after=MODELS)
def test_counts_add_up_and_an_extraction_agrees_with_itself(before, after):
    old = [row(name, context_length=value) for name, value in before.items()]
    new = [row(name, context_length=value) for name, value in after.items()]
    found = compared(old, new)
    field = found.fields["context_length"]
    known = [name for name in before.keys() & after.keys() if before[name] is not None]
    assert field.known_before == len(known)
    assert found.shared == len(before.keys() & after.keys())
    itself = compared(old, old).fields["context_length"]
    assert (itself.differ, itself.lost, itself.gained, itself.kept) == (0, 0, 0, 1.0)


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
