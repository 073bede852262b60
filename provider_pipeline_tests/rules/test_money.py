"""Amounts of money in texts: the currency is read with the amount, and in doubt nothing is."""

import pytest

from provider_pipeline.rules.money import Money, currency_beside, money_in


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("2.50 EUR", ("2.50", "EUR")),
        ("€2.50", ("2.50", "EUR")),
        ("2,50 €", ("2.50", "EUR")),
        ("EUR 1,250.5", ("1,250.5", "EUR")),
        ("£0.40 / 1M tokens", ("0.40 / 1M tokens", "GBP")),
        ("18元", ("18", "CNY")),
        ("$2.50", ("2.50", "$")),
        ("US$2.50", ("2.50", "USD")),
        ("$2.50 CAD", ("2.50", "CAD")),
    ],
)
def test_a_text_of_money_is_an_amount_and_a_currency(text: str, money: tuple[str, str]):
    assert money_in(text) == Money(*money)


@pytest.mark.parametrize(
    "value",
    ["¥18", "2.50", "2.50 per 1M tokens", "2.50 XYZ", "2.50 EUR USD", "€2.50 GBP", "1.2.3 EUR", "", 2.5, None],
)
def test_what_names_no_single_known_currency_is_no_money(value: object):
    assert money_in(value) is None


@pytest.mark.parametrize(
    ("written", "stated", "default", "currency"),
    [
        ("EUR", None, "USD", "EUR"),
        ("EUR", "EUR", "USD", "EUR"),
        ("EUR", "USD", "USD", None),
        ("$", None, "CAD", "CAD"),
        ("$", None, "EUR", "USD"),
        ("$", "AUD", "USD", "AUD"),
        ("$", "EUR", "USD", None),
    ],
)
def test_a_texts_currency_wins_unless_its_item_says_another(
    written: str, stated: str | None, default: str, currency: str | None
):
    assert currency_beside(Money("1", written), stated, default) == currency
