"""Turns price files of LiteLLM and genai-prices into overrides that fill gaps; names are in `rules/data/peers.toml`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import ValidationError

from provider_pipeline.errors import ConfigurationError, InvalidRuleError, UnknownValueError
from provider_pipeline.overrides.entries import OverrideEntry, PlacedEntry
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.prices import component_names

Peer = Literal["litellm", "genai-prices"]
GENAI_PRICES: Final = "genai-prices"

_ABOVE: Final = re.compile(r"(\w+)_above_(\d+)(k?)_tokens(_[a-z]+)?")
_RANGES: Final = "tiered_pricing"
_WILDCARD: Final = re.compile(r"[*?]")
_IS_PRICE: Final = re.compile(r"cost|pricing")

UNREGISTERED: Final = "the provider is not registered, or has no counterpart"
TIME_OF_DAY: Final = "the price depends on the time of day"
OTHER_REQUESTS: Final = "for requests of another kind (faster, by another route, ...)"
OTHER_COMPONENT: Final = "no such price component (by pixel, by session, ...)"
SOME_SIZES: Final = "stated for some prompt sizes only"
ZERO: Final = "zero: the file does not tell free from unknown"
DISPUTED: Final = "stated twice, differently"
NOT_A_PRICE: Final = "not a price"
NOT_A_PATTERN: Final = "the models are matched in a way that has no pattern here"

_Prices = dict[str, dict[str, Any]]
"""By component, the fields `value` and `unit` of an override."""
_Period = tuple[str | None, str | None, Mapping[str, Any]]
"""Begin, end and prices."""


@dataclass
class PeerOverrides:
    """What a peer's file states of providers here.

    Attributes:
        entries: Overrides that fill gaps.
        skipped: How many prices were left out (models, where the reason concerns a whole one), by reason.
    """

    entries: list[PlacedEntry] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def read_peer(peer: Peer, document: Any, *, version: str, slugs: Iterable[str]) -> PeerOverrides:
    """Read a peer's price file.

    Args:
        peer: Whose file it is.
        document: LiteLLM's `model_prices_and_context_window.json`, or the `data.json` of genai-prices.
        version: The peer's release, recorded as the reason.
        slugs: The registered providers.

    Raises:
        ConfigurationError: It is not such a file.
    """
    found = PeerOverrides()
    names = read_table("peers.toml")[peer]
    known = set(slugs)
    providers = {name: each for name, each in names["provider"].items() if each["slug"] in known}
    read = _litellm if peer == "litellm" else _genai_prices
    stated: dict[tuple[str, ...], OverrideEntry | None] = {}
    for entry in read(document, providers, names["price"], f"{peer} {version}", found.skipped):
        key = (entry.provider, entry.match, entry.target, entry.field, str(entry.valid_from))
        if stated.setdefault(key, entry) not in (entry, None):
            stated[key] = None
            found.skipped[DISPUTED] += 1
    found.entries = [(f"{peer}: {each.target}", each) for each in stated.values() if each is not None]
    found.skipped = +found.skipped  # only the reasons that occurred
    return found


def _litellm(
    document: Any,
    providers: Mapping[str, Any],
    components: Mapping[str, Any],
    reason: str,
    skipped: Counter[str],
) -> Iterator[OverrideEntry]:
    if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document.values()):
        raise ConfigurationError(
            "expected LiteLLM's model_prices_and_context_window.json: an object of models", hint="it is on GitHub"
        )
    for name, model in document.items():
        provider = providers.get(model.get("litellm_provider", ""))
        if provider is None or "off_peak_pricing" in model:
            skipped[UNREGISTERED if provider is None else TIME_OF_DAY] += 1
            continue
        prices: _Prices = {}
        tiers: dict[str, list[dict[str, Any]]] = {}
        for key, above, amount in _litellm_prices(model, skipped):
            named = components.get(key)
            if named is None or not _counts(amount, skipped):
                skipped[OTHER_COMPONENT] += named is None
            elif above:
                tiers.setdefault(named["component"], []).append({"above": above, "amount": amount})
            else:
                prices[named["component"]] = {"value": {"amount": amount}, "unit": named["unit"]}
        for component in prices.keys() & tiers.keys():
            prices[component]["value"]["tiers"] = tiers[component]
        skipped[SOME_SIZES] += len(tiers.keys() - prices.keys())
        target = {"model": name.removeprefix(provider.get("prefix", ""))}
        yield from _entries(provider["slug"], target, prices, skipped, reason=reason, source=_address(model))


def _litellm_prices(model: Mapping[str, Any], skipped: Counter[str]) -> Iterator[tuple[str, int, Any]]:
    """The prices of a model: their keys, the prompt sizes above which they hold, and the amounts."""
    ranges = [each for each in model.get(_RANGES) or () if "range" in each]
    ranged = {key for each in ranges for key in each if key != "range"}
    for key, amount in model.items():
        above = _ABOVE.fullmatch(key)
        name = above[1] + (above[4] or "") if above else key
        # The ranges win over the same prices beside them.
        if _IS_PRICE.search(key) and name not in ranged and not (key == _RANGES and ranges):
            yield name, int(above[2]) * (1_000 if above[3] else 1) if above else 0, amount
    for key in sorted(ranged):
        if all(key in each for each in ranges):
            yield from ((key, int(each["range"][0]), each[key]) for each in ranges)
        else:
            skipped[SOME_SIZES] += 1


def _genai_prices(
    document: Any,
    providers: Mapping[str, Any],
    components: Mapping[str, Any],
    reason: str,
    skipped: Counter[str],
) -> Iterator[OverrideEntry]:
    if not isinstance(document, list) or not all(isinstance(each, dict) and "models" in each for each in document):
        raise ConfigurationError("expected the data.json of genai-prices: a list of providers", hint="it is on GitHub")
    services = [
        (when, _of_service(components, name))
        for name, when in read_table("peers.toml")[GENAI_PRICES]["service"].items()
    ]
    for each in document:
        provider = providers.get(each["id"])
        if provider is None:
            skipped[UNREGISTERED] += len(each["models"])
            continue
        source = next(iter(each.get("pricing_urls") or ()), None)
        for model in each["models"]:
            targets = list(_targets(model["match"], skipped))
            periods = [(components, *each) for each in _periods(model["prices"], skipped)]
            periods += _variants(model.get("price_variants") or (), services, skipped)
            for named, since, until, stated in periods:
                prices = _mapped(stated, named, skipped)
                dates = {"valid_from": since, "expires": until, "reason": reason, "source": source}
                for target in targets:
                    yield from _entries(provider["slug"], target, prices, skipped, **dates)


def _mapped(stated: Mapping[str, Any], components: Mapping[str, Any], skipped: Counter[str]) -> _Prices:
    prices: _Prices = {}
    for key, value in stated.items():
        named = components.get(key)
        if named is None or value is None:
            skipped[OTHER_COMPONENT] += named is None
            continue
        price: dict[str, Any] = {"amount": _amount(value)}
        if isinstance(value, dict):
            price["amount"] = _amount(value["base"])
            price["tiers"] = [{"above": tier["start"], "amount": _amount(tier["price"])} for tier in value["tiers"]]
        if _counts(price["amount"], skipped):
            prices[named["component"]] = {"value": price, "unit": named["unit"]}
    return prices


def _periods(prices: Any, skipped: Counter[str]) -> Iterator[_Period]:
    """Begin, end and prices of each period; nothing for a model whose prices change within a day."""
    if not isinstance(prices, list):
        yield None, None, prices
        return
    constraints = [each.get("constraint") or {} for each in prices]
    if any("start_time" in each for each in constraints):
        skipped[TIME_OF_DAY] += 1
        return
    starts = [each.get("start_date") for each in constraints]
    for start, end, each in zip(starts, [*starts[1:], None], prices, strict=True):
        yield start, end, each["prices"]


def _of_service(components: Mapping[str, Any], service: str) -> dict[str, Any]:
    """The keys of prices that a service has components for."""
    named = {key: each | {"component": f"{each['component']}_{service}"} for key, each in components.items()}
    return {key: each for key, each in named.items() if each["component"] in component_names()}


def _variants(
    variants: Sequence[Mapping[str, Any]], services: Iterable[tuple[Any, Mapping[str, Any]]], skipped: Counter[str]
) -> Iterator[tuple[Mapping[str, Any], *_Period]]:
    """Components, begin, end and price of each period of each service: the first variant in force has the price."""
    skipped[OTHER_REQUESTS] += sum(each["when"] not in [when for when, _ in services] for each in variants)
    for when, components in services:
        held = [each for each in variants if each["when"] == when]
        for key in dict.fromkeys(key for each in held for key in each["prices"]):
            until: str | None = None
            constraints = [each.get("constraint") or {} for each in held if key in each["prices"]]
            if any("start_time" in each for each in constraints):
                skipped[TIME_OF_DAY] += 1
                continue
            for each in held:
                if key not in each["prices"]:
                    continue
                since = (each.get("constraint") or {}).get("start_date")
                if until is None or (since or "") < until:
                    yield components, since, until, {key: each["prices"][key]}
                    until = since
                if since is None:
                    break


def _targets(clause: Mapping[str, Any], skipped: Counter[str]) -> Iterator[dict[str, str]]:
    """The models of a clause: ids and patterns."""
    ((kind, value),) = clause.items()
    if kind == "or":
        for each in value:
            yield from _targets(each, skipped)
    elif kind == "equals":
        yield {"model": value}
    elif kind == "regex":
        yield {"pattern": f"re:.*(?:{value}).*"}
    elif kind in _GLOBS and not _WILDCARD.search(value):
        yield {"pattern": _GLOBS[kind].format(value)}
    else:
        skipped[NOT_A_PATTERN] += 1


_GLOBS: Final = {"starts_with": "{}*", "ends_with": "*{}", "contains": "*{}*"}


def _entries(
    slug: str, target: Mapping[str, str], prices: _Prices, skipped: Counter[str], **more: Any
) -> Iterator[OverrideEntry]:
    for component, price in prices.items():
        try:
            entry = OverrideEntry(
                provider=slug, field=f"prices.{component}", fills_gaps=True, **target, **price, **more
            )
            entry.stated(0)
        except (ValidationError, InvalidRuleError, UnknownValueError):
            skipped[NOT_A_PRICE] += 1
            continue
        yield entry


def _counts(amount: Any, skipped: Counter[str]) -> bool:
    if amount == 0:
        skipped[ZERO] += 1
    return bool(amount != 0)


def _amount(value: Any) -> Any:
    """A number that the file writes as text, to keep its digits, as a number."""
    return float(value) if isinstance(value, str) else value


def _address(model: Mapping[str, Any]) -> str | None:
    source = model.get("source")
    return source if isinstance(source, str) and source.startswith("https://") else None
