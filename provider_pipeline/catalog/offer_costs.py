"""The offers of a model by the cost of a mix of tokens, each beside its like only."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline.catalog import canonical, known_values
from provider_pipeline.rules.costs import Cost, Mix, Unpriced, cost_of


@dataclass(frozen=True)
class Needs:
    """What an offer must be able to do.

    Attributes:
        capabilities: All of these.
        min_context: In tokens.
    """

    capabilities: tuple[str, ...] = ()
    min_context: int | None = None


@dataclass(frozen=True)
class CostedOffer:
    """An offer and its cost.

    Attributes:
        row: As `canonical.offers` has it.
        cost: The cost of the mix; None if it has none, or the offer is not ranked.
        reason: Why it is not ranked; empty if it is.
        filled: Values that met a need, and that other providers state, not this one.
    """

    row: Mapping[str, Any]
    cost: Cost | None = None
    reason: str = ""
    filled: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The offer with its provider, its columns, its cost and why it is not ranked."""
        columns = {name: value for name, value in self.row.items() if name not in ("slug", "enabled")}
        return {
            "provider": self.row["slug"],
            **columns,
            "cost": None if self.cost is None else asdict(self.cost),
            "reason": self.reason or None,
            "needs_filled": list(self.filled),
        }


@dataclass
class OffersByCost:
    """The offers of a model, ranked where that is fair.

    Attributes:
        ranked: By currency, USD first: priced offers that meet the needs, the cheapest first.
        unpriced: Offers that meet the needs, without a price that the mix needs.
        unknown: Active offers of which nobody states whether they meet the needs.
        ambiguous: Active offers that contradict the others: perhaps another model.
        gone: Offers that are missing, removed or past their end, and those of disabled providers.
        unfit: The number of active offers that are known not to meet the needs.
    """

    canonical_id: str
    mix: Mix
    ranked: dict[str, list[CostedOffer]] = field(default_factory=dict)
    unpriced: list[CostedOffer] = field(default_factory=list)
    unknown: list[CostedOffer] = field(default_factory=list)
    ambiguous: list[CostedOffer] = field(default_factory=list)
    gone: list[CostedOffer] = field(default_factory=list)
    unfit: int = 0

    @property
    def cheapest(self) -> CostedOffer | None:
        """The first offer of the first currency."""
        return next((offers[0] for offers in self.ranked.values()), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        apart = ("unpriced", "unknown", "ambiguous", "gone")
        return {
            "id": self.canonical_id,
            "mix": asdict(self.mix),
            "ranked": {currency: [each.to_json() for each in offers] for currency, offers in self.ranked.items()},
            **{name: [each.to_json() for each in getattr(self, name)] for name in apart},
            "unfit": self.unfit,
        }


def offers_by_cost(session: Session, canonical_id: str, mix: Mix, needs: Needs, *, today: date) -> OffersByCost:
    """The offers of a model, as `canonical.resolve` finds it.

    Raises:
        UnknownValueError: A needed capability is unknown.
    """
    known_values.require_known(session, capabilities=needs.capabilities)
    return sorted_offers(canonical_id, canonical.offers(session, canonical_id), mix, needs, today=today)


def sorted_offers(
    canonical_id: str, rows: Iterable[Mapping[str, Any]], mix: Mix, needs: Needs, *, today: date
) -> OffersByCost:
    """The rows of `canonical.offers`, ranked."""
    found = OffersByCost(canonical_id, mix)
    ranked: dict[str, list[CostedOffer]] = {}
    for row in rows:
        if reason := _gone(row, today):
            found.gone.append(CostedOffer(row, reason=reason))
        elif row["certainty"] == "ambiguous":
            found.ambiguous.append(CostedOffer(row, reason="contradicts the other offers"))
        elif (unmet := _unmet(row, needs)) is None:
            found.unfit += 1
        elif unmet:
            found.unknown.append(CostedOffer(row, reason=f"unknown: {', '.join(unmet)}"))
        else:
            cost = cost_of(row["prices"], mix)
            if isinstance(cost, Unpriced):
                found.unpriced.append(CostedOffer(row, reason=cost.reason))
            else:
                ranked.setdefault(cost.currency, []).append(CostedOffer(row, cost, filled=_filled(row, needs)))
    for currency in sorted(ranked, key=lambda each: (each != "USD", each)):
        found.ranked[currency] = sorted(ranked[currency], key=_by_cost)
    return found


def _by_cost(offer: CostedOffer) -> tuple[float, str, str]:
    return offer.cost.amount if offer.cost else 0, offer.row["slug"], offer.row["model_id"]


def _gone(row: Mapping[str, Any], today: date) -> str:
    if row["status"] != "active":
        return str(row["status"])
    if not row["enabled"]:
        return "the provider is disabled"
    if row["retires_on"] is not None and date.fromisoformat(row["retires_on"]) <= today:
        return f"ended on {row['retires_on']}"
    return ""


def _unmet(row: Mapping[str, Any], needs: Needs) -> list[str] | None:
    """Needs that the offer may or may not meet; None if it fails one."""
    states = {f"capabilities.{name}": row["capabilities"].get(name) for name in needs.capabilities}
    if needs.min_context is not None:
        context = row["context_length"]
        states["context_length"] = None if context is None else context >= needs.min_context
    if False in states.values():
        return None
    return [name.removeprefix("capabilities.") for name, state in states.items() if state is None]


def _filled(row: Mapping[str, Any], needs: Needs) -> tuple[str, ...]:
    asked = [f"capabilities.{name}" for name in needs.capabilities]
    asked += ["context_length"] if needs.min_context is not None else []
    return tuple(name for name in asked if name in row["filled"])
