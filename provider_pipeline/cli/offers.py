"""`provider-pipeline offers` and `models compare`: the same model, wherever it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from provider_pipeline import catalog, rules
from provider_pipeline.cli.console import draw, emit_json, marked, number, table
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.rules.model_columns import AGREED_COLUMNS

if TYPE_CHECKING:
    from provider_pipeline.catalog.offer_costs import CostedOffer, OffersByCost

ModelArgument = Annotated[
    str, typer.Argument(help="A model, such as openai/gpt-4o; its name or a provider's id will do if only one has it.")
]
_SHOWN_APART: Final = 20


def _tokens(text: str | int) -> int:
    try:
        return rules.costs.parse_tokens(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def list_offers(
    model: ModelArgument,
    input_tokens: Annotated[
        int,
        typer.Option(
            "--input", parser=_tokens, metavar="TOKENS", show_default="1M", help="Tokens of all prompts: 1M, 200k ..."
        ),
    ] = 1_000_000,
    output_tokens: Annotated[
        int,
        typer.Option("--output", parser=_tokens, metavar="TOKENS", show_default="200k", help="Tokens of all answers."),
    ] = 200_000,
    cached: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the input that is read from a cache, such as 0.8.")
    ] = 0.0,
    requests: Annotated[
        int,
        typer.Option(
            min=1, help="How many equal requests the tokens make up: some prices are higher for long prompts."
        ),
    ] = 1,
    capabilities: Annotated[
        str, typer.Option("--with", metavar="NAMES", help="Capabilities that an offer must have: tools,vision.")
    ] = "",
    min_context: Annotated[
        int | None, typer.Option(parser=_tokens, metavar="TOKENS", help="Smallest context window.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List who offers a model, by the cost of a mix of tokens. What cannot be compared is listed apart."""
    try:
        mix = rules.costs.Mix(input_tokens, output_tokens, cached, requests)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    names = tuple(filter(None, (name.strip() for name in capabilities.split(","))))
    with catalog.database.open_catalog() as database, database.session() as session:
        canonical_id = catalog.canonical.resolve(session, model)
        found = catalog.offer_costs.offers_by_cost(
            session, canonical_id, mix, catalog.offer_costs.Needs(names, min_context), today=datetime.now(UTC).date()
        )
    if as_json:
        emit_json(found.to_json())
    else:
        draw(*_drawn(found))


def _drawn(found: OffersByCost) -> Iterator[Table | str]:
    mix = found.mix
    asked = f"{mix.input:,} input and {mix.output:,} output tokens"
    asked += f", {mix.cached:.0%} of the input cached" if mix.cached else ""
    asked += f", in {mix.requests:,} requests" if mix.requests > 1 else ", in one request"
    yield f"{found.canonical_id}: {asked}; prices in USD per million tokens unless stated"
    for currency, offers in found.ranked.items():
        yield _offers_table(f"by cost in {currency}", currency, offers, _details)
    if not found.ranked:
        yield "No offer can be ranked."
    apart = (
        ("without a price that this needs", found.unpriced),
        ("unknown whether it fits", found.unknown),
        ("perhaps another model", found.ambiguous),
        ("not offered any more", found.gone),
    )
    for title, offers in apart:
        if offers:
            yield _offers_table(f"{title}: {len(offers)}", "why", offers[:_SHOWN_APART], _prices_and_limits)
    if found.unfit:
        yield f"{found.unfit} offer(s) are known not to fit."
    if any(each.cost and each.cost.tier for offers in found.ranked.values() for each in offers):
        yield "Some prices are those of long prompts; give --requests if these tokens are several requests."


def _offers_table(
    title: str, first: str, offers: Iterable[CostedOffer], details: Callable[[CostedOffer], list[str]]
) -> Table:
    rows = (
        (
            each.reason if each.cost is None else rules.model_prices.amount_text(round(each.cost.amount, 6)),
            # One below the other, so that an id has its whole line even in a narrow terminal.
            [marked(each.row["slug"], sample=each.row["sample"]), each.row["model_id"]],
            details(each),
        )
        for each in offers
    )
    drawn = table(title, (first, "offer", "details"), rows, right=() if first == "why" else (first,))
    drawn.columns[1].no_wrap = True
    return drawn


def _details(offer: CostedOffer) -> list[str]:
    cost = offer.cost
    lines = _prices_and_limits(offer)
    if cost is not None and cost.tier:
        lines.append(f"prices above {cost.tier:,} tokens")
    if cost is not None and cost.is_cache_price_unknown:
        lines.append("cached input at the full price")
    abilities = (name.removeprefix("capabilities.") for name in offer.filled if name != "context_length")
    return lines + [f"{name} (as others say)" for name in abilities]


def _prices_and_limits(offer: CostedOffer) -> list[str]:
    row = offer.row
    parts = [row["variant"]] if row["variant"] else []
    for component, word in (("input", "in"), ("output", "out"), ("cache_read", "cached")):
        if price := row["prices"].get(component):
            parts.append(f"{word} {rules.model_prices.price_text(price)}")
    if row["context_length"] is not None:
        source = " (as others say)" if "context_length" in row["filled"] else ""
        parts.append(f"context {row['context_length']:,}{source}")
    return parts


def compare_models(first: ModelArgument, second: ModelArgument, as_json: JsonOption = False) -> None:
    """Compare two models: what their offers agree on, and what they cost."""
    with catalog.database.open_catalog() as database, database.session() as session:
        models = [catalog.canonical.get(session, each) for each in (first, second)]
    if as_json:
        emit_json([asdict(each) for each in models])
        return
    rows = [[name, *values] for name, *values in _facts(models) if any(value is not None for value in values)]
    draw(table("", ("", *(each.id for each in models)), rows))


def _facts(models: Sequence[catalog.canonical.CanonicalModel]) -> Iterator[tuple[Any, ...]]:
    yield "name", *(each.name for each in models)
    yield "lab", *(each.lab for each in models)
    for column in AGREED_COLUMNS:
        yield column.replace("_", " "), *(_agreed(each, column, getattr(each, column)) for each in models)
    for name in sorted({name for each in models for name in each.capabilities}):
        yield name, *(_agreed(each, f"capabilities.{name}", each.capabilities.get(name)) for each in models)
    for component in sorted({component for each in models for component in each.prices}):
        yield f"{component.replace('_', ' ')} price", *(_price(each, component) for each in models)
    yield "providers", *(number(each.providers) for each in models)
    yield "retires on", *(each.retires_on for each in models)
    yield "first seen", *(each.first_seen_at.date().isoformat() for each in models)


def _agreed(model: catalog.canonical.CanonicalModel, field: str, value: Any) -> list[str] | None:
    """The value, and how many providers state it."""
    said = model.agreement.get(field)
    if said is None:
        return None
    of = said["agree"] + len(said["differ"])
    if value is None:
        return [f"disputed by {of}"]
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list):
        text = ", ".join(value)
    else:
        text = f"{value:,}" if isinstance(value, int) else str(value)
    return [text, f"{said['agree']} of {of}"] if of > said["agree"] else [text]


def _price(model: catalog.canonical.CanonicalModel, component: str) -> list[str] | None:
    price = model.prices.get(component)
    if price is None:
        return None
    unit = rules.model_prices.unit_text(price)
    cheapest, median = (rules.model_prices.amount_text(price[of]) for of in ("cheapest", "median"))
    return [f"{cheapest} at {price['cheapest_slug']}", f"median {median}, {price['offers']} offer(s)", unit]
