"""Two extractions are compared field by field, over the models that both have."""

from decimal import Decimal

from hypothesis import given, strategies as st

from provider_pipeline.rules.comparison import RowComparer
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
