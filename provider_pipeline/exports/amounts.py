"""Prices in a peer's units: one exact division, in decimals."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from typing import Any, Final

from provider_pipeline.exports.records import ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.prices import USD
from provider_pipeline.rules.values import unit_scales

_PRECISION: Final = Context(prec=15)
"""A double's digits: what a listing wrote as 0.3 and a sum made 0.30000000000000004 is 0.3 again."""


@dataclass(frozen=True, slots=True)
class PeerPrice:
    """A price of a model as a peer's file has it.

    Attributes:
        tiers: Prompt sizes above which another amount holds, and these amounts, the smallest size first.
    """

    key: str
    component: str
    amount: Decimal
    tiers: tuple[tuple[int, Decimal], ...]

    def above(self, size: int) -> Decimal:
        """The amount for a prompt just above a size."""
        return next((amount for above, amount in reversed(self.tiers) if above <= size), self.amount)


def prompt_sizes(prices: Iterable[PeerPrice]) -> list[int]:
    """The prompt sizes above which one of the prices changes, the smallest first."""
    return sorted({above for price in prices for above, _ in price.tiers})


@dataclass(frozen=True)
class _Key:
    name: str
    per: str
    factor: Decimal

    def amount(self, ours: float) -> Decimal:
        return _PRECISION.divide(Decimal(repr(ours)), self.factor)


def peer_prices(record: ModelRecord, peer: str, report: ExportReport) -> Iterator[PeerPrice]:
    """A model's prices under a peer's keys, in the order of the peer's table.

    Prices in other currencies or units, and of components without a key, go to the report: nothing is converted.
    """
    keys = _keys(peer)
    known = {}
    for component, price in record.prices.items():
        if problem := _problem(component, price, keys):
            report.omit(record, problem)
        else:
            known[component] = price
    for component, key in keys.items():
        if component in known:
            price = known[component]
            tiers = tuple((int(tier["above"]), key.amount(tier["amount"])) for tier in price.get("tiers", ()))
            yield PeerPrice(key.name, component, key.amount(price["amount"]), tiers)


def _problem(component: str, price: Mapping[str, Any], keys: Mapping[str, _Key]) -> str | None:
    if component not in keys:
        return f"price of {component}: the form has none"
    if price["currency"] != USD:
        return f"price of {component}: in {price['currency']}"
    if price["unit"] != keys[component].per:
        return f"price of {component}: per {price['unit']}"
    return None


@cache
def _keys(peer: str) -> Mapping[str, _Key]:
    """A peer's keys by component."""
    table = read_table("peers.toml")[peer]
    named: dict[str, Mapping[str, str]] = {**table["price"], **table.get("written_price", {})}
    scales = unit_scales()
    return {
        each["component"]: _Key(name, scales[each["unit"]].per, Decimal(repr(scales[each["unit"]].factor)))
        for name, each in named.items()
    }


def decimal_text(amount: Decimal) -> str:
    """An amount as decimal text without an exponent."""
    return f"{amount.normalize():f}"
