"""The cost of a mix of text tokens at a model's prices."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from provider_pipeline.rules.model_prices import unit_text
from provider_pipeline.rules.prices import TOKENS, Price, Prices

_TOKENS: Final = re.compile(r"(\d[\d_,]*(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE)
_SCALES: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_MAX_TOKENS: Final = 10**15
_MILLION: Final = 10**6


def parse_tokens(text: str) -> int:
    """A number of tokens as people write it.

    Raises:
        ValueError: It is not one.

    Example:
        >>> [parse_tokens(text) for text in ("1M", "200k", "1_000_000", "1.5k")]
        [1000000, 200000, 1000000, 1500]
    """
    written = _TOKENS.fullmatch(text.strip()[:40])
    count = None if written is None else Decimal(re.sub("[_,]", "", written[1])) * _SCALES[written[2].lower()]
    if count is None or count != int(count) or count > _MAX_TOKENS:
        raise ValueError(f"expected a number of tokens such as 200k, 1M or 1_000_000, got {text!r}")
    return int(count)


@dataclass(frozen=True)
class Mix:
    """Tokens to be priced.

    Attributes:
        input: Tokens of all prompts, cached ones included.
        output: Tokens of all answers.
        cached: Share of the input that is read from a cache.
        requests: Requests of equal size; a price tier holds for a whole request whose prompt is larger than its bound.
    """

    input: int
    output: int
    cached: float = 0.0
    requests: int = 1

    def __post_init__(self) -> None:
        if self.input < 0 or self.output < 0 or self.input + self.output == 0:
            raise ValueError("expected input or output tokens, got none")
        if not 0 <= self.cached <= 1:
            raise ValueError(f"expected a share of cached input from 0 to 1, got {self.cached}")
        if self.requests < 1:
            raise ValueError(f"expected at least one request, got {self.requests}")


@dataclass(frozen=True)
class Cost:
    """The cost of a mix.

    Attributes:
        currency: ISO 4217.
        tier: The prompt size above which the applied prices hold; 0 for those below the first tier.
        is_cache_price_unknown: Cached input was priced like other input.
    """

    amount: float
    currency: str
    tier: int = 0
    is_cache_price_unknown: bool = False


@dataclass(frozen=True)
class Unpriced:
    """Why a mix has no cost at some prices."""

    reason: str


def cost_of(prices: Prices, mix: Mix) -> Cost | Unpriced:
    """The cost of a mix of text tokens; other charges per request are left out.

    Example:
        >>> prices = {"input": {"amount": 2.5, "unit": "million_tokens", "currency": "USD"}}
        >>> cost_of(prices, Mix(input=1_000_000, output=0))
        Cost(amount=2.5, currency='USD', tier=0, is_cache_price_unknown=False)
        >>> cost_of(prices, Mix(input=1_000_000, output=1))
        Unpriced(reason='no price of output')
    """
    cached = Decimal(str(mix.cached)) * mix.input
    wanted = {"input": mix.input - cached, "cache_read": cached, "output": Decimal(mix.output)}
    is_cache_price_unknown = bool(cached) and "cache_read" not in prices
    if is_cache_price_unknown:
        wanted["input"] += wanted.pop("cache_read")
    needed = {component: tokens for component, tokens in wanted.items() if tokens}
    for component in needed:
        if component not in prices:
            return Unpriced(f"no price of {component}")
        if prices[component]["unit"] != TOKENS:
            return Unpriced(f"{component} is priced in {unit_text(prices[component])}")
    currencies = sorted({prices[component]["currency"] for component in needed})
    if len(currencies) > 1:
        return Unpriced(f"priced in {' and '.join(currencies)}")
    prompt = mix.input / mix.requests
    amount, tier = Decimal(0), 0
    for component, tokens in needed.items():
        above, each = _amount(prices[component], prompt)
        amount += tokens * each / _MILLION
        tier = max(tier, above)
    return Cost(float(amount), currencies[0], tier, is_cache_price_unknown)


def _amount(price: Price, prompt: float) -> tuple[int, Decimal]:
    """The bound and the amount of the tier that holds for a prompt of this size."""
    reached = [(tier["above"], tier["amount"]) for tier in price.get("tiers", ()) if prompt > tier["above"]]
    above, amount = max([(0, price["amount"]), *reached], key=lambda tier: int(tier[0]))
    return above, Decimal(str(amount))
