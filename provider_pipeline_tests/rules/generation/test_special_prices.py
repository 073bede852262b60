"""Ratios, sizes and qualities, and prices that could be of an image or of its tokens."""

from typing import Any

import pytest

from provider_pipeline.rules.generation.price_context import MainPrices, Priced
from provider_pipeline.rules.generation.price_words import price_name
from provider_pipeline.rules.generation.shape import shape_of
from provider_pipeline.rules.generation.special_prices import (
    ratio_choices,
    split_expression,
    variant_choices,
    variants_among,
)
from provider_pipeline.rules.language import compile_expression
from provider_pipeline.rules.values import UnitTimes

BY_TOKENS = {"quota_type": 0, "model_ratio": 1.25, "completion_ratio": 4, "model_price": 0}
BY_REQUEST = {"quota_type": 1, "model_ratio": 0, "completion_ratio": 0, "model_price": 0.04}


def ratios(*items: dict[str, Any]) -> dict[str, Any]:
    """The choices by field."""
    return dict(ratio_choices(shape_of(items), named_like_prices=False))


def test_a_models_kind_of_billing_decides_which_of_its_ratios_are_prices():
    found = ratios(BY_TOKENS, BY_REQUEST)
    read = {
        name: [compile_expression(choice.expression)(item) for item in (BY_TOKENS, BY_REQUEST)]
        for name, choice in found.items()
    }
    assert read == {"input_price": [1.25, None], "output_price": [4, None], "price.request": [None, 0.04]}


def test_a_ratio_of_the_output_is_a_multiple_of_the_input_price():
    found = ratios(BY_TOKENS)
    assert found["output_price"].unit == UnitTimes(
        times=found["input_price"].expression, unit=found["input_price"].unit
    )


def test_a_ratio_that_some_models_write_as_text_is_none():
    assert ratios(BY_TOKENS, BY_TOKENS | {"model_ratio": "1.25"}) == {}


def variants(item: dict[str, Any]) -> dict[str, str]:
    """The expressions of the prices by size or quality, by field; each reads its amount."""
    shape = shape_of([item])
    found = dict(variant_choices(variants_among(shape.columns), shape.columns, shape, None))
    for choice in found.values():
        assert compile_expression(choice.expression)(item) == choice.column.values[0]
    return {name: choice.unit for name, choice in found.items()}


def test_each_size_of_an_image_has_a_price_of_its_own():
    assert variants({"price_per_image": {"1024x1024": 0.04, "512x512": 0.02}}) == {
        "price.image_1024x1024": "usd_per_image",
        "price.image_512x512": "usd_per_image",
    }


def test_one_quality_alone_tells_nothing_apart():
    assert variants({"price_per_image": {"hd": 0.08}}) == {}
    assert [*variants({"price_per_image": {"hd": 0.08, "standard": 0.04}})] == [
        *("price.image_hd", "price.image_standard"),
    ]


def test_a_thousand_images_and_amounts_whose_money_is_unsaid_are_no_sizes():
    assert variants({"price_per_1k_images": 3}) == {}
    assert variants({"image": {"1024x1024": 4, "512x512": 2}}) == {}


def test_an_implausible_amount_is_no_price_of_a_size():
    assert variants({"price_per_image": {"1024x1024": 40_000}}) == {}


TOKEN, IMAGE = 2.5e-6, 0.0036


@pytest.mark.parametrize(
    ("amounts", "images", "tokens"),
    [
        ((IMAGE, IMAGE), [IMAGE, IMAGE], None),
        ((TOKEN, TOKEN), None, [TOKEN, TOKEN]),
        ((TOKEN, IMAGE), [None, IMAGE], [TOKEN, None]),
        ((12 * TOKEN, 12 * TOKEN), None, None),  # could be of either
    ],
)
def test_a_price_of_image_that_repeats_the_input_price_is_of_image_tokens(amounts, images, tokens):
    items = [{"pricing": {"prompt": TOKEN, "image": amount}} for amount in amounts]
    columns = shape_of(items).columns
    prompt, image = (
        Priced(columns[path], price_name(path), 1.0) for path in (("pricing", "prompt"), ("pricing", "image"))
    )
    main = MainPrices(("pricing",), "usd_per_token", {"input": prompt}, {})
    for component, expected in (("image", images), ("input_image", tokens)):
        expression = split_expression(component, image, main, is_named=False)
        found = expression and [compile_expression(expression)(item) for item in items]
        assert found == expected


def test_a_name_that_says_which_of_them_it_is_needs_no_comparison():
    items = [{"price_per_image": TOKEN}]
    priced = Priced(shape_of(items).columns["price_per_image",], price_name(("price_per_image",)), 1.0)
    assert split_expression("image", priced, None, is_named=False) == "price_per_image"
