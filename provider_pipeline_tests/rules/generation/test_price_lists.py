"""Prices in lists: entries are told apart by labels, prompt size, or size and quality; in doubt they are only named."""

from typing import Any

from hypothesis import given, strategies as st

from provider_pipeline.rules.generation.price_lists import ListedPrices, listed_prices
from provider_pipeline.rules.generation.shape import Column, shape_of
from provider_pipeline.rules.language import Path, compile_expression


def read(*lists: list[dict[str, Any]], key: str = "pricing") -> ListedPrices:
    """What the lists of several items hold; each amount is where its expression says."""
    items = [{"id": f"m{place}", key: entries} for place, entries in enumerate(lists)]
    found = listed_prices(shape_of(items))
    for column in found.columns.values():
        get = compile_expression(column.expression)
        assert [get(items[owner]) for owner in column.owners] == column.values
    return found


def amounts(columns: dict[Path, Column]) -> dict[Path, list[Any]]:
    """The amounts by path, with the labels' texts in it."""
    return {path: column.values for path, column in columns.items()}


def entry(label: str, price: float, **more: Any) -> dict[str, Any]:
    """An entry with a label."""
    return {"type": label, "price": price, **more}


def test_labels_that_speak_of_prices_tell_entries_apart_in_any_order():
    found = read([entry("input", 1), entry("output", 4)], [entry("output", 8), entry("input", 2)])
    assert amounts(found.columns) == {
        ("pricing", "input", "price"): [1, 2],
        ("pricing", "output", "price"): [4, 8],
    }


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100), st.booleans()), min_size=1, max_size=8))
def test_each_item_has_its_own_amounts_wherever_its_entries_stand(prices: list[tuple[float, float, bool]]):
    lists = [[entry("input", i), entry("output", o)][:: -1 if turned else 1] for i, o, turned in prices]
    found = read(*lists).columns
    assert found["pricing", "input", "price"].by_owner == {n: each[0] for n, each in enumerate(prices)}
    assert found["pricing", "output", "price"].by_owner == {n: each[1] for n, each in enumerate(prices)}


def test_an_entry_by_prompt_size_is_a_tier_and_the_first_one_the_price():
    found = read([{"from": 0, "input": 1}, {"from": 200_000, "input": 2}])
    assert amounts(found.columns) == {("pricing", "input"): [1]}
    assert amounts(found.tiers) == {("pricing", "input"): [[{"above": 200_000, "amount": 2}]]}


def test_ranges_with_an_upper_end_begin_where_the_one_before_ends_in_any_order():
    ranges = [{"up_to": 32_000, "input": 1}, {"up_to": 128_000, "input": 2}, {"input": 4}]
    found = read(ranges, ranges[::-1])
    assert amounts(found.columns) == {("pricing", "input"): [1, 1]}
    (tiers,) = found.tiers.values()
    assert tiers.values == [[{"above": 32_000, "amount": 2}, {"above": 128_000, "amount": 4}]] * 2
    assert compile_expression(tiers.expression)({"pricing": ranges[::-1]}) == tiers.values[0]


def test_ranges_that_end_alike_and_those_with_another_condition_are_no_tiers():
    assert read([{"up_to": 32_000, "input": 1}, {"up_to": 32_000, "input": 2}]).tiers == {}
    assert read([{"up_to": 32_000, "region": "eu", "input": 1}, {"region": "us", "input": 2}]).tiers == {}


def test_small_numbers_are_no_prompt_sizes():
    assert read([{"from": 0, "input": 1}, {"from": 3, "input": 2}]).tiers == {}


def test_sizes_and_qualities_of_an_image_are_variants():
    sizes = [
        {"size": size, "hd": hd, "price_per_image": 0.04} for size, hd in (("512x512", True), ("1024x1024", False))
    ]
    found = read(sizes, key="images")
    assert [each.name for each in found.variants.values()] == ["512x512_hd", "1024x1024_no_hd"]
    assert found.columns == {}


def test_entries_that_nothing_tells_apart_are_named_and_not_read():
    found = read([{"input_price": 1}, {"input_price": 2}])
    assert (amounts(found.columns), [*found.conditional]) == ({}, [("pricing", "input_price")])


def test_the_only_entry_is_read_as_long_as_it_is_the_only_one():
    (column,) = read([{"input_price": 1}]).columns.values()
    get = compile_expression(column.expression)
    assert get({"pricing": [{"input_price": 3}]}) == 3
    assert get({"pricing": [{"input_price": 3}, {"input_price": 4}]}) is None


def test_of_entries_by_date_the_one_that_is_marked_as_present_is_read():
    found = read([entry("input", 2, current=False), entry("input", 1, current=True)])
    assert amounts(found.columns) == {("pricing", "input", "price"): [1]}


def test_a_price_for_some_hours_of_the_day_is_named_and_not_read():
    found = read([entry("input", 1), entry("input", 0.5, hours="16:30-00:30")])
    assert amounts(found.columns) == {("pricing", "input", "price"): [1]}
    assert amounts(found.conditional) == {("pricing", "hours", "price"): [0.5]}


def test_what_counts_images_is_another_price_than_what_counts_tokens_under_the_same_label():
    found = read([entry("output", 40, unit="per 1M tokens")], [entry("output", 0.04, unit="per image")])
    assert ("pricing", "output", "per image", "price") in found.columns
    assert found.columns["pricing", "output", "price"].by_owner == {0: 40}


def test_labels_that_say_nothing_of_prices_tell_none_apart():
    found = read([{"name": "acme", "price": 1}, {"name": "zorb", "price": 2}])
    assert (amounts(found.columns), [*found.conditional]) == ({}, [("pricing", "price")])


def test_a_list_of_other_things_holds_no_prices():
    assert read([{"name": "chat", "rank": 1}, {"name": "code", "rank": 2}], key="tags") == ListedPrices()
