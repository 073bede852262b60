"""The `data.json` of genai-prices: each model's prices, and since when it has them."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlsplit

from provider_pipeline.exports.amounts import PeerPrice, peer_prices
from provider_pipeline.exports.documents import number, write_json
from provider_pipeline.exports.records import ExportedModels, ExportedProvider, ModelRecord, by_provider
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.knowledge import read_table

if TYPE_CHECKING:
    from provider_pipeline.catalog.prices import PriceSpan

PEER: Final = "genai-prices"
_Written = Mapping[str, Any]
"""Prices by genai-prices' keys."""


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes the providers with models that have a known price."""
    providers: dict[str, Any] = {}
    for provider, records in by_provider(snapshot):
        spans = _spans(snapshot, provider.slug)
        models = []
        for record in records:
            prices = _prices(_standard(record), report)
            if not prices:
                report.leave_out(record, "no price in USD is known")
                continue
            history = _History(record, spans.get(record.model_id, ()), snapshot.request.as_of, report.form)
            models.append(_model(record, prices, history, _variants(record, history, report)))
            report.include(record)
        if models:
            name = provider.name_at("genai_prices", taken=providers)
            providers[name] = {"id": name, **_provider(provider), "models": models}
    write_json(list(providers.values()), out)


def _provider(provider: ExportedProvider) -> dict[str, Any]:
    address = urlsplit(provider.base_url)
    return {
        "name": provider.name,
        "api_pattern": re.escape(f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}"),
    }


def _model(
    record: ModelRecord, prices: _Written, history: "_History", variants: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    periods = history.of(_standard)
    return {
        "id": record.model_id,
        "match": _match(record),
        **({"name": record.display_name} if record.display_name else {}),
        **({"context_window": record.context_length} if record.context_length else {}),
        **({"deprecated": True} if record.deprecated_on else {}),
        "prices": [
            {**({"constraint": {"start_date": day}} if place else {}), "prices": then}
            for place, (day, then) in enumerate(periods)
        ]
        if len(periods) > 1
        else prices,
        **({"price_variants": variants} if variants else {}),
    }


def _match(record: ModelRecord) -> dict[str, Any]:
    # genai-prices looks for references in lower case.
    names = dict.fromkeys((record.model_id.lower(), record.peers_id.lower()))
    clauses = [{"equals": name} for name in names]
    return {"or": clauses} if len(clauses) > 1 else clauses[0]


def _prices(record: ModelRecord, report: ExportReport) -> dict[str, Any]:
    """The prices that genai-prices accepts together."""
    table = read_table("peers.toml")[PEER]
    found: dict[str, Any] = {}
    for price in peer_prices(record, PEER, report):
        needed, overlapping = table["needs"].get(price.key, ()), table["without"].get(price.key, ())
        if missing := [key for key in needed if key not in found]:
            report.omit(record, f"price of {price.component}: {missing[0]} is unknown")
        elif excluded := [key for key in overlapping if key in found]:
            report.omit(record, f"price of {price.component}: that of its part in {excluded[0]} is unknown")
        else:
            found[price.key] = _written(price)
    return found


def _services() -> Mapping[str, Mapping[str, str]]:
    services: Mapping[str, Mapping[str, str]] = read_table("peers.toml")[PEER]["service"]
    return services


def _standard(record: ModelRecord) -> ModelRecord:
    """The model without the prices of services, which have a place of their own."""
    ends = tuple(f"_{service}" for service in _services())
    return record.with_prices({name: each for name, each in record.prices.items() if not name.endswith(ends)})


def _of_service(service: str, record: ModelRecord) -> ModelRecord:
    """The model with the prices of a service as its only ones."""
    end = f"_{service}"
    return record.with_prices(
        {name.removesuffix(end): each for name, each in record.prices.items() if name.endswith(end)}
    )


def _variants(record: ModelRecord, history: "_History", report: ExportReport) -> list[dict[str, Any]]:
    """The prices of services, the latest first, as far back as the service had all that it has today."""
    found = []
    for service, when in _services().items():
        of = partial(_of_service, service)
        if not (prices := _prices(of(record), report)):
            continue
        periods = history.of(of)
        latest = list(takewhile(partial(_has_keys, prices.keys()), reversed(periods)))
        for day, then in latest or [("", prices)]:
            is_first = not latest or (day, then) == periods[0]
            found.append({"when": when, **({} if is_first else {"constraint": {"start_date": day}}), "prices": then})
    return found


def _has_keys(keys: Collection[str], period: tuple[str, _Written]) -> bool:
    return period[1].keys() == keys


def _written(price: PeerPrice) -> Any:
    if not price.tiers:
        return number(price.amount)
    tiers = [{"start": above, "price": number(amount)} for above, amount in price.tiers]
    return {"base": number(price.amount), "tiers": tiers}


def _spans(snapshot: ExportedModels, slug: str) -> dict[str, list["PriceSpan"]]:
    until = snapshot.request.as_of
    kept = (span for span in snapshot.price_spans(slug) if until is None or span.valid_from <= until)
    return {model: list(each) for model, each in groupby(kept, key=lambda span: span.model_id)}


@dataclass(frozen=True)
class _History:
    """Earlier prices of a model."""

    record: ModelRecord
    spans: Sequence["PriceSpan"]
    until: datetime | None
    form: str

    def of(self, part: Callable[[ModelRecord], ModelRecord]) -> list[tuple[str, _Written]]:
        """A part of the prices by the day from which they held, the oldest first; of a day, those at its end."""
        moments = sorted({at for span in self.spans for at in (span.valid_from, span.valid_to) if at is not None})
        history: dict[str, _Written] = {}
        for moment in moments:
            if self.until is not None and moment > self.until:
                break
            then = part(self.record.with_prices(_in_force(self.spans, moment)))
            history[moment.astimezone(UTC).date().isoformat()] = _prices(then, ExportReport(self.form))
        days = list(history.items())
        return [(day, then) for place, (day, then) in enumerate(days) if place == 0 or then != days[place - 1][1]]


def _in_force(spans: Iterable["PriceSpan"], moment: datetime) -> dict[str, dict[str, Any]]:
    """A row's `prices` at a moment."""
    prices: dict[str, dict[str, Any]] = {}
    held = [each for each in spans if each.valid_from <= moment and (each.valid_to is None or moment < each.valid_to)]
    for span in sorted(held, key=lambda each: (each.component, each.above)):
        if span.above == 0:
            prices[span.component] = {"amount": span.amount, "unit": span.unit, "currency": span.currency}
        else:
            tiers = prices[span.component].setdefault("tiers", [])
            tiers.append({"above": span.above, "amount": span.amount})
    return prices
