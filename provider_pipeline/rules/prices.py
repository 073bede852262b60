"""Prices of a model: their components and units, and the fields of a rule that read them.

Components (`input`, `cache_read`, `image` ...), units and currencies are data: `data/prices.toml`, `data/units.toml`.
"""

import functools
import math
import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

import re2

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.ids import encodable
from provider_pipeline.rules.jmespath_compiler import Closure
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Compiled
from provider_pipeline.rules.limits import Work
from provider_pipeline.rules.money import Money, currency_beside, currency_code, money_in
from provider_pipeline.rules.values import (
    BadValueError,
    Scale,
    Unit,
    json_type,
    number,
    read_price,
    unit_scale,
    unit_scales,
)

USD: Final = "USD"
OTHER_CURRENCY: Final = "other_currency"
"""Type of the issue about prices in another currency."""
PRICE_FIELD: Final = r"price\.[a-z][a-z0-9_]{0,63}(?:\.(?:tiers|above_[1-9][0-9]{0,9}))?"
"""Name of a rule's price field, other than `input_price` and `output_price`."""
CURRENCY_FIELD: Final = "currency"
"""The field of a rule that reads the currency of a model's prices."""
_FIELD = re.compile(r"price\.(\w+)(?:\.(?:(tiers)|above_(\d+)))?")
_COLUMNS: Final = {"input": "input_price", "output": "output_price"}
_MAX_TIERS: Final = 20
TOKENS: Final = "million_tokens"

Price = dict[str, Any]
"""`amount`, `unit`, `currency`, and optionally `tiers`: a list of `above` (prompt size in tokens) and `amount`."""
Prices = dict[str, Price]
OnSetAside = Callable[[BadValueError, str, Any], None]


class PriceField(NamedTuple):
    """Target of a rule's price field: a component's price, its price above a prompt size, or the list of its tiers."""

    component: str
    above: int | None = None
    is_tiers: bool = False


def price_field(name: str) -> PriceField | None:
    """Parse the name of a rule's field; None if it is not a price.

    Example:
        >>> price_field("price.input.above_200000")
        PriceField(component='input', above=200000, is_tiers=False)
    """
    for component, column in _COLUMNS.items():
        if name == column:
            return PriceField(component)
    found = _FIELD.fullmatch(name)
    if found is None:
        return None
    return PriceField(found[1], int(found[3]) if found[3] else None, found[2] is not None)


def component_of(column: str) -> str:
    """The component of a price column."""
    return next(component for component, name in _COLUMNS.items() if name == column)


def field_name(component: str) -> str:
    """The rule's field for a component's price."""
    return _COLUMNS.get(component) or f"price.{component}"


def component_names() -> tuple[str, ...]:
    """The price components known to the generator; a rule may name others."""
    return tuple(read_table("prices.toml")["component"])


def usual_unit(component: str) -> str:
    """The usual billing unit of a component; `image_1024x1024` has the unit of `image`."""
    known = read_table("prices.toml")["component"]
    return str(known.get(component if component in known else _base_of(component), {}).get("unit", TOKENS))


def _base_of(component: str) -> str:
    """The component priced by size with which a name begins; empty if none."""
    known = read_table("prices.toml")["component"]
    return next((name for name in known if known[name].get("variants") and component.startswith(f"{name}_")), "")


def is_of_a_size(component: str) -> bool:
    """Whether a component is a known one at a size or quality, such as `image_hd_1024x1024`."""
    base = _base_of(component)
    words = component.removeprefix(f"{base}_").split("_")
    return base != "" and all(is_size(each) or is_quality(each) for each in words)


def is_size(word: str) -> bool:
    """Whether a word is a size of an image or a video, such as 1024x1024 or 1080p."""
    return _size().fullmatch(encodable(word.lower())) is not None


@functools.cache
def _size() -> Any:
    return re2.compile(read_table("prices.toml")["variant"]["size"])


def is_quality(word: str) -> bool:
    """Whether a word is a quality of an image or a video, such as hd."""
    return word.lower() in read_table("prices.toml")["variant"]["quality"]


def parse_currency(document: Any) -> str:
    """Parse a currency in a rule or a provider file.

    Raises:
        InvalidRuleError: It is not a known currency.
    """
    code = currency_code(document) if isinstance(document, str) else None
    if code is None:
        known = ", ".join(sorted(read_table("prices.toml")["known_currency"]))
        raise InvalidRuleError(f"unknown currency {document!r}; known are the ISO 4217 codes {known}")
    return code


@functools.cache
def _largest(per: str, currency: str, per_million_tokens: float) -> float:
    worth = float(read_table("prices.toml")["known_currency"].get(currency, 1))
    return worth * (per_million_tokens if per == TOKENS else float(read_table("units.toml")["largest"][per]))


class _Reading(NamedTuple):
    name: str
    field: PriceField
    get: Closure
    scale: Callable[[Any, Work], Scale | None]


class PriceReader:
    """The price fields of one endpoint of a rule, compiled.

    Args:
        fields: The compiled fields of the rule, by name.
        units: Units by field; a tier without one has its component's.
        currency: The currency of prices without one in the listing.
        largest: The largest plausible price in USD per million tokens.
    """

    def __init__(
        self, fields: Mapping[str, Compiled], units: Mapping[str, Unit], *, currency: str | None, largest: float
    ) -> None:
        readings = []
        for name, compiled in fields.items():
            if (field := price_field(name)) is not None:
                unit = units.get(name) or units.get(field_name(field.component))
                readings.append(_Reading(name, field, compiled.evaluate, unit_scale(unit)))
        # Base prices before their tiers.
        self._readings = sorted(readings, key=lambda each: (each.field.component, each.field.above or 0, each.name))
        self._currency = currency or USD
        self._stated = fields[CURRENCY_FIELD].evaluate if CURRENCY_FIELD in fields else None
        self._largest = largest

    def read(self, item: Any, work: Work, set_aside: OnSetAside) -> Prices:
        """The prices of an item, by component; values that cannot be read go to `set_aside`."""
        found: Prices = {}
        shared: str | None = None
        for name, field, get, scale in self._readings:
            if (value := get(item, work)) is None or (per := scale(item, work)) is None:
                continue
            try:
                if shared is None:
                    shared = self._currency_of(item, work)
                currency = shared
                if isinstance(value, str) and (money := money_in(value)) is not None:
                    currency = self._currency_in(money, shared, item, work)
                    value = money.text
                largest = _largest(per.per, currency, self._largest)
                if field.is_tiers:
                    tiers = _read_tiers(value, per.factor, largest)
                else:
                    amount = read_price(value, per.factor, largest)
                    if amount is None:
                        continue
                    if field.above is None:
                        found[field.component] = {"amount": amount, "unit": per.per, "currency": currency}
                        continue
                    tiers = [{"above": field.above, "amount": amount}]
                base = found.get(field.component)
                if base is not None and base["unit"] == per.per and tiers:
                    base["tiers"] = sorted([*base.get("tiers", ()), *tiers], key=lambda tier: int(tier["above"]))
            except BadValueError as error:
                set_aside(error, name, value)
        return found

    def _currency_in(self, money: Money, shared: str, item: Any, work: Work) -> str:
        """The currency of an amount whose text names one."""
        is_stated = self._stated is not None and bool(self._stated(item, work))
        code = currency_beside(money, shared if is_stated else None, self._currency)
        if code is None:
            raise BadValueError("unknown_currency", f"the price's text says {money.currency}, its item {shared}")
        return code

    def _currency_of(self, item: Any, work: Work) -> str:
        stated = self._stated(item, work) if self._stated is not None else None
        if stated is None or stated == "":
            return self._currency
        code = currency_code(stated) if isinstance(stated, str) else None
        if code is None:
            raise BadValueError("unknown_currency", "the currency of the price is not known")
        return code


def _read_tiers(value: Any, factor: float, largest: float) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MAX_TIERS:
        raise BadValueError(
            "not_tiers", f"the tiers are a JSON {json_type(value)}; expected a list of at most {_MAX_TIERS}"
        )
    found: dict[int, float] = {}
    for entry in value:
        above = number(entry.get("above")) if isinstance(entry, dict) else None
        if above is None or above < 0 or not above.is_integer():
            raise BadValueError("not_tiers", "a tier without the prompt size above which it holds")
        amount = read_price(entry.get("amount"), factor, largest)
        if above > 0 and amount is not None:
            # A range from 200,001 tokens on is "above 200,000" in other listings.
            found[int(above) - (above % 1_000 == 1)] = amount
    return [{"above": above, "amount": amount} for above, amount in sorted(found.items())]


def usd_per_million_tokens(amount: float) -> Price:
    """A price per million tokens in USD."""
    return {"amount": amount, "unit": TOKENS, "currency": USD}


def is_usual(price: Price) -> bool:
    """Whether a price is in USD per million tokens."""
    return bool(price["unit"] == TOKENS and price["currency"] == USD)


def checked_price(component: str, value: Any) -> Price:
    """Validate a manually set price; returns it in the form of a row.

    Args:
        component: The component.
        value: An amount in USD and in the component's usual unit, or an object with `amount` and optionally `unit`,
            `currency` (else the same as for an amount) and `tiers`: a list of `above` and `amount`.

    Raises:
        InvalidRuleError: It is not a price.
    """
    usual = usual_unit(component)
    document = value if isinstance(value, Mapping) else {"amount": value}
    unit, currency = document.get("unit", usual), parse_currency(document.get("currency", USD))
    if unit not in (known := {scale.per for scale in unit_scales().values()}):
        raise InvalidRuleError(f"prices.{component}: unknown unit {unit!r}; known are {', '.join(sorted(known))}")
    if others := sorted(set(document) - {"amount", "unit", "currency", "tiers"}):
        raise InvalidRuleError(
            f"prices.{component}: unknown key {others[0]!r}; known are amount, unit, currency, tiers"
        )
    if type(document.get("amount")) not in (int, float):
        raise InvalidRuleError(f"prices.{component}: the amount must be a number, got {document.get('amount')!r}")
    try:
        amount = read_price(document["amount"], 1, math.inf)
        tiers = _read_tiers(document.get("tiers", []), 1, math.inf)
    except BadValueError as error:
        raise InvalidRuleError(f"prices.{component}: {error.detail}") from error
    if amount is None:
        raise InvalidRuleError(f"prices.{component}: an amount of -1 is no price; use null for unknown")
    return {"amount": amount, "unit": unit, "currency": currency, **({"tiers": tiers} if tiers else {})}


def price_columns(prices: Prices) -> dict[str, float | None]:
    """`input_price` and `output_price` in USD per million tokens, from `prices`."""
    return {
        column: price["amount"] if (price := prices.get(component)) is not None and is_usual(price) else None
        for component, column in _COLUMNS.items()
    }


def amounts_of(row: Mapping[str, Any]) -> dict[str, float]:
    """A row's amounts by component, to compare it with its earlier versions.

    The names of amounts in other units or currencies include these, so that only comparable amounts are compared. For
    versions older than the column `prices`, the two columns apply.
    """
    found: dict[str, float] = {}
    for component, price in (row.get("prices") or {}).items():
        name = component if is_usual(price) else f"{component} in {price['currency']} per {price['unit']}"
        found[name] = price["amount"]
    for component, column in _COLUMNS.items():
        if (amount := row.get(column)) is not None:
            found[component] = float(amount)
    return found


def merged_prices(first: Prices, later: Prices) -> Prices:
    """The first record's prices, with missing components from the later one."""
    return dict(sorted({**later, **first}.items())) if later else first


def hash_of_further_prices(prices: Prices) -> int | None:
    """Hash of the prices other than input and output; None if there are none."""
    if prices.keys() <= _COLUMNS.keys():
        return None
    further = [
        (component, price["amount"], price["unit"], price["currency"], str(price.get("tiers")))
        for component, price in prices.items()
        if component not in _COLUMNS
    ]
    return hash(tuple(further))


def undisputed_prices(prices: Prices, disputed: Container[str]) -> Prices:
    """The prices without disputed columns; `prices` means all but input and output."""
    return {name: price for name, price in prices.items() if _COLUMNS.get(name, "prices") not in disputed}


def disputed_prices(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """The components with different prices in two records of a model."""
    seen: Prices = {}
    return {
        component
        for record in records
        for component, price in record["prices"].items()
        if seen.setdefault(component, price) != price
    }
