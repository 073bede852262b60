"""Summaries of canonical models: the facts that offers agree on, their prices, and news."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.model_columns import AGREED_COLUMNS
from provider_pipeline.rules.prices import USD

CAPABILITY: Final = "capabilities."
"""Prefix of a capability's name in facts."""
MODALITIES: Final = ("input_modalities", "output_modalities")
"""Facts that are lists; their hashable values are tuples."""
_VERIFIED: Final = frozenset({"stated", "known"})

Facts = tuple[tuple[str, Any], ...]
"""Facts stated by an offer: `AGREED_COLUMNS` and `capabilities.NAME`, with hashable values; unknown ones are absent."""


class Offer(NamedTuple):
    """A model at a provider, with its canonical model.

    Attributes:
        id: Its row of `provider_model`.
        canonical_id: The canonical model; None if the offer contradicts the other offers of `candidate_id`.
        variant: How the offer packs or sells the model; None for the model as released.
        is_counted: Whether it is active at an enabled provider.
        facts: What the listing or a person states; no guesses from a name.
    """

    id: int
    is_counted: bool
    certainty: str
    source: str | None
    canonical_id: str | None
    candidate_id: str | None
    lab: str | None
    family: str | None
    variant: str | None
    provider_id: int
    slug: str
    model_id: str
    display_name: str | None
    retires_on: date | None
    first_seen_at: datetime
    removed_at: datetime | None
    prices: Mapping[str, Mapping[str, Any]]
    facts: Facts


@dataclass(frozen=True)
class ModelSummary:
    """A canonical model; the comments of the table `canonical_model` explain the fields."""

    id: str
    lab: str | None
    name: str
    family: str | None
    context_length: int | None
    max_output_tokens: int | None
    input_modalities: list[str] | None
    output_modalities: list[str] | None
    capabilities: dict[str, bool]
    released_on: str | None
    knowledge_cutoff: str | None
    agreement: dict[str, Any]
    prices: dict[str, Any]
    offers: int
    providers: int
    first_seen_at: datetime
    retires_on: str | None
    removed_at: datetime | None
    is_verified: bool


class ModelNews(NamedTuple):
    """A row of `canonical_model_event`, without its time."""

    kind: str
    canonical_id: str
    slug: str
    model_id: str
    detail: Mapping[str, Any]


def summarized(canonical_id: str, offers: Sequence[Offer]) -> ModelSummary:
    """The model of these offers."""
    counted = [offer for offer in offers if offer.is_counted]
    # Removed offers count only if there are no others.
    facts, agreement = _agreed(counted or offers)
    facts.update({name: list(facts[name]) for name in MODALITIES if name in facts})
    ends = [offer.retires_on for offer in counted if offer.retires_on is not None]
    removals = [offer.removed_at for offer in offers if offer.removed_at is not None]
    return ModelSummary(
        id=canonical_id,
        lab=min([offer.lab for offer in offers if offer.lab is not None], default=None),
        name=_name(canonical_id, offers),
        family=min([offer.family for offer in offers if offer.family is not None], default=None),
        **{name: facts.pop(name, None) for name in AGREED_COLUMNS},
        capabilities={field.removeprefix(CAPABILITY): has for field, has in facts.items()},
        agreement=agreement,
        # A variant has its own price, which is the model's only if no offer is the model as released.
        prices=_prices([offer for offer in counted if offer.variant is None] or counted),
        offers=len(counted),
        providers=len({offer.provider_id for offer in counted}),
        first_seen_at=min([offer.first_seen_at for offer in offers]),
        retires_on=max(ends).isoformat() if ends and len(ends) == len(counted) else None,
        removed_at=max(removals) if len(removals) == len(offers) else None,
        is_verified=not _VERIFIED.isdisjoint([offer.certainty for offer in offers]),
    )


def _agreed(offers: Iterable[Offer]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts that most providers agree on; for each stated fact, how many agree and which differ.

    A provider has one vote per stated value, regardless of its number of offers.
    """
    alike: dict[Facts, set[str]] = {}
    for offer in offers:
        if offer.facts:
            alike.setdefault(offer.facts, set()).add(offer.slug)
    if len(alike) == 1:  # as of most models
        [(stated, slugs)] = alike.items()
        return dict(stated), {field: {"agree": len(slugs), "differ": {}} for field, _ in stated}
    votes: dict[str, dict[Any, set[str]]] = {}
    for stated, slugs in alike.items():
        for field, value in stated:
            slugs_of = votes.setdefault(field, {})
            slugs_of[value] = slugs_of[value] | slugs if value in slugs_of else slugs
    facts, agreement = {}, {}
    for field, slugs_of in votes.items():
        half = sum(map(len, slugs_of.values())) / 2
        agree, differ = 0, {}
        for value, slugs in sorted(slugs_of.items()):  # if a provider has several values, the last one is reported
            if len(slugs) > half:
                facts[field], agree = value, len(slugs)
            else:
                differ.update(dict.fromkeys(slugs, list(value) if isinstance(value, tuple) else value))
        agreement[field] = {"agree": agree, "differ": differ}
    return facts, agreement


def _name(canonical_id: str, offers: Sequence[Offer]) -> str:
    """The most frequent display name, of the model as released if one has it; without any, the name in the id."""
    shown = [(offer.variant, offer.display_name) for offer in offers if offer.display_name is not None]
    names = Counter([name for variant, name in shown if variant is None] or [name for _, name in shown])
    return min(names, key=lambda name: (-names[name], name), default=canonical_id.rpartition("/")[2])


def _prices(offers: Iterable[Offer]) -> dict[str, Any]:
    """The cheapest and the median price of each component, in the currency and the unit that most offers use."""
    by_component: dict[str, dict[tuple[str, str], list[tuple[float, str, str, str | None]]]] = {}
    for offer in offers:
        for component, price in offer.prices.items():
            alike = by_component.setdefault(component, {}).setdefault((price["currency"], price["unit"]), [])
            alike.append((price["amount"], offer.slug, offer.model_id, offer.variant))
    prices = {}
    for component, by_unit in by_component.items():
        currency, unit = min(by_unit, key=lambda key: (-len(by_unit[key]), key[0] != USD, key))
        alike = sorted(by_unit[currency, unit])
        cheapest, slug, model_id, variant = alike[0]
        prices[component] = {
            "currency": currency,
            "unit": unit,
            "cheapest": cheapest,
            "cheapest_slug": slug,
            "cheapest_model_id": model_id,
            **({} if variant is None else {"variant": variant}),
            "median": _middle(alike[(len(alike) - 1) // 2][0], alike[len(alike) // 2][0]),
            "offers": len(alike),
        }
    return prices


def _middle(lower: float, upper: float) -> float:
    # As decimals: the mean of the floats 0.22 and 0.6 is 0.41000000000000003.
    return lower if lower == upper else float((Decimal(repr(lower)) + Decimal(repr(upper))) / 2)


def news_of(
    model: ModelSummary, before: ModelSummary | None, offers: Sequence[Offer], catalogued_at: Mapping[int, datetime]
) -> list[ModelNews]:
    """The news about a changed model.

    Args:
        before: The model as it was; None if it is new.
        offers: Its offers.
        catalogued_at: When the first model of each provider was seen. Models listed then are new to the catalogue, but
            not news.
    """
    if before is None:
        later = [offer for offer in offers if offer.first_seen_at > catalogued_at[offer.provider_id]]
        if not later:
            return []
        first = min(later, key=lambda offer: (offer.first_seen_at, offer.slug, offer.model_id))
        return [ModelNews("appeared", model.id, first.slug, first.model_id, {})]
    news = []
    if lower := _undercut(before.prices, model.prices):
        first_price = lower[min(lower)]
        news.append(ModelNews("undercut", model.id, first_price["slug"], first_price["model_id"], lower))
    if before.removed_at is None and model.removed_at is not None:
        last = min(
            (offer for offer in offers if offer.removed_at == model.removed_at),
            key=lambda offer: (offer.slug, offer.model_id),
        )
        news.append(ModelNews("ended", model.id, last.slug, last.model_id, {}))
    return news


def _undercut(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The components whose cheapest price is lower than before."""
    return {
        component: {
            "was": was["cheapest"],
            "was_slug": was["cheapest_slug"],
            "now": price["cheapest"],
            "slug": price["cheapest_slug"],
            "model_id": price["cheapest_model_id"],
            "unit": price["unit"],
            "currency": price["currency"],
        }
        for component, price in now.items()
        if (was := before.get(component)) is not None
        and (was["unit"], was["currency"]) == (price["unit"], price["currency"])
        and price["cheapest"] < was["cheapest"]
    }
