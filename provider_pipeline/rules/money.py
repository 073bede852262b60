"""Reads amounts of money that are written as texts with their currency, such as `2.50 EUR` and `€2.50 / 1M tokens`.

Currencies and their signs are data: `data/prices.toml`.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.knowledge import read_table

DOLLAR: Final = "$"
"""The sign of several currencies; USD unless something else is said."""
_MAX_TEXT: Final = 80
PER: Final = (
    r"(?:(?:/|per)\s*(?:1\s?)?(?:[mkb]|million|thousand|billion|1,?000(?:,?000)?)?"
    r"\s*(?:input|output|prompt|completion)?\s*(?:tokens?|toks?)?)?"
)
"""What a price is for, behind its amount (RE): `/ 1M tokens`."""
_CURRENCY: Final = r"[a-z]{0,3}\$|[a-z]{3}|[^\w\s.,+/()\[\]{}-]|元"
_WRITTEN: Final = re.compile(
    rf"(?P<before>{_CURRENCY})?\s*(?P<amount>[0-9]{{1,9}}(?:,[0-9]{{3}})*(?:\.[0-9]{{1,15}})?|[0-9]{{1,9}},[0-9]{{1,2}})"
    rf"\s*(?P<after>{_CURRENCY})?\s*(?P<per>{PER})",
    re.IGNORECASE,
)
_DECIMAL_COMMA: Final = re.compile(r"[0-9]+,[0-9]{1,2}")


class Money(NamedTuple):
    """An amount with its currency.

    Attributes:
        text: The amount and what it is for, without the currency: `2.50 / 1M tokens`.
        currency: The ISO 4217 code; `$` if only that sign is written.
    """

    text: str
    currency: str


@functools.cache
def _currencies() -> Mapping[str, str]:
    table = read_table("prices.toml")
    written: dict[str, str] = table["currency"]
    return {code.lower(): code for code in table["known_currency"]} | written


def currency_code(text: str) -> str | None:
    """The ISO 4217 code in a listing's text; None if it is no known currency."""
    return _currencies().get(text.strip().lower())


def money_in(value: Any) -> Money | None:
    """The money that a text states; None for other values, and for a text without one known currency.

    Example:
        >>> money_in("€2,50 per 1M tokens")
        Money(text='2.50 per 1M tokens', currency='EUR')
    """
    return _read(value) if isinstance(value, str) and len(value) <= _MAX_TEXT else None


@functools.lru_cache(maxsize=8_192)
def _read(text: str) -> Money | None:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    named = [each for each in (found["before"], found["after"]) if each]
    codes = {each if each == DOLLAR else currency_code(each) for each in named}
    if len(codes) > 1:
        codes.discard(DOLLAR)
    code = codes.pop() if len(codes) == 1 else None
    if code is None:
        return None
    amount = found["amount"]
    if _DECIMAL_COMMA.fullmatch(amount):
        amount = amount.replace(",", ".")
    return Money(f"{amount} {found['per']}".strip(), code)


def currency_beside(money: Money, stated: str | None, default: str) -> str | None:
    """The currency of an amount whose text names one; None if that contradicts what its item states.

    Args:
        money: The amount.
        stated: The code that the item states for its prices.
        default: The code of prices of which nothing is said.
    """
    if money.currency != DOLLAR:
        return money.currency if stated in (None, money.currency) else None
    dollars = read_table("prices.toml")["currency_signs"]["of_dollars"]
    if stated is not None:
        return stated if stated in dollars else None
    return default if default in dollars else "USD"
