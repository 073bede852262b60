"""What the names of prices and the texts of units say: component, prompt size, currency, scale, and what is counted."""

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.generation.price_words import (
    PriceName,
    counted_of,
    currency_in_unit,
    is_other_unit,
    is_unit,
    meaning_with,
    price_name,
    scale_of,
    time_of,
    without_sizes,
)
from provider_pipeline.rules.language import words_of


def name(path: str) -> PriceName:
    """What a path with dots says."""
    return price_name(tuple(path.split(".")))


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("pricing.prompt", "input"),
        ("input_cost_per_token", "input"),
        ("inputPricePerMillion", "input"),
        ("pricing.cached_input", "cache_read"),
        ("pricing.completion", "output"),
    ],
)
def test_a_price_is_named_by_its_words_however_they_are_spelt(path: str, component: str):
    assert (name(path).components[0], name(path).unknown) == (component, 0)


def test_a_name_with_a_word_for_a_condition_is_no_price():
    assert name("price.discount.input").components == ()


def test_an_unknown_word_is_counted_where_it_stands():
    assert [(name(path).unknown, name(path).around) for path in ("pricing.input.zorb", "pricing.zorb.input")] == [
        (1, 0),
        (0, 1),
    ]


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("pricing.above_200k_tokens.input", 200_000),
        ("pricing.128k+.input", 128_000),
        ("pricing.0-128k.input", None),
        ("pricing.input", None),
    ],
)
def test_the_prompt_size_is_no_word_of_the_name(path: str, above: int | None):
    assert (name(path).above, name(path).components, name(path).around) == (above, ("input",), 0)


@given(st.integers(1, 999), st.sampled_from(["k", "m"]))
def test_any_round_prompt_size_is_read(count: int, letter: str):
    size = count * {"k": 1_000, "m": 1_000_000}[letter]
    assert name(f"pricing.{count}{letter}+.input").above == size
    assert name(f"pricing.input_above_{count}{letter}").above == size


def test_money_and_currency_are_in_the_name():
    assert name("input_cents_per_million").money == "cents"
    assert [name(f"pricing.{word}.input").currency for word in ("usd", "cny", "zorb")] == ["USD", "CNY", None]


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("per 1M tokens", "million"),
        ("per_1k_tokens", "thousand"),
        ("per token", "token"),
        ("per 10k tokens", "ten_thousand"),
        ("per 500 tokens", "other"),
        ("input", None),
    ],
)
def test_the_number_of_tokens_is_in_the_words(text: str, scale: str | None):
    assert scale_of(words_of(text)) == scale


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("per_image", "image"),
        ("price_per_audio_second", "time"),
        ("1 page", "page"),
        ("per token", None),
        ("image", None),  # could be image tokens
    ],
)
def test_what_is_counted_instead_of_tokens_is_said_and_not_guessed(text: str, counted: str | None):
    assert counted_of(words_of(text)) == counted


def test_a_units_currency_is_usd_unless_it_names_one_and_a_shared_sign_stays_as_it_is():
    texts = ("USD / 1M tokens", "tokens", "€ per 1M tokens", "元/百万tokens", "¥/千tokens")
    assert [currency_in_unit(text) for text in texts] == ["USD", "USD", "EUR", "CNY", "¥"]


def test_units_of_tokens_of_other_things_and_texts_that_are_none_are_told_apart():
    said = {text: (is_unit(text), is_other_unit(text)) for text in ("千tokens", "per image", "per 500 tokens", "acme")}
    assert said == {
        "千tokens": (True, False),
        "per image": (True, True),
        "per 500 tokens": (True, True),
        "acme": (False, False),
    }


def test_a_name_that_says_nothing_is_explained_by_its_unit():
    assert meaning_with(name("price"), "per image", "image") == {"image"}
    assert meaning_with(name("price"), "per zorb", "image") is None


def test_a_length_of_time_is_a_second_unless_words_say_otherwise():
    assert [time_of([word]) for word in ("minute", "hourly", "seconds", "audio")] == [
        *("minute", "hour", "second", "second"),
    ]


def test_a_size_that_is_also_a_scale_is_taken_for_a_scale():
    assert without_sizes(("image", "4k")) == ("image",)
    assert without_sizes(("per", "1k")) is None
