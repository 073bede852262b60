"""`provider-pipeline models`: the table, now or at a past moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, get_args

import typer
from rich.text import Text

from provider_pipeline import catalog, rules, sync
from provider_pipeline.cli.console import (
    abilities,
    compact,
    draw,
    emit_json,
    iso,
    marked,
    named_as_in_the_api,
    note,
    number,
    table,
)
from provider_pipeline.cli.model_details import details
from provider_pipeline.cli.offers import compare_models
from provider_pipeline.cli.parameters import (
    TIME_HELP,
    ColumnsOption,
    JsonOption,
    OptionalSlugArgument,
    SlugArgument,
    WideOption,
    chosen_columns,
    component_amount,
    optional_moment,
)
from provider_pipeline.rules.model_columns import HEADINGS, SHOWN_COLUMNS, ModelStatus, Sorting, without_second_names

app = typer.Typer(help="Find, show and compare models.", no_args_is_help=True)

_STYLES = {"active": "green", "missing": "yellow", "removed": "red"}
_ENDS = ("retires_on", "successor_model_id")
_COLUMNS = (
    *("provider", "model_id", "status", "family", *HEADINGS),
    *("capabilities", *_ENDS, "overridden_fields"),
)
_HEADINGS = {
    "model_id": "model",
    **HEADINGS,
    "successor_model_id": "successor",
    "overridden_fields": "set by people",
}
# What a narrow window can do without, the least important first.
_SPARE = ("overridden_fields", "family", "max_output_tokens", "capabilities", "status", "output_price", "input_price")


@app.command("list")
def list_models(
    slug: OptionalSlugArgument = None,
    search: Annotated[str | None, typer.Option(help="A part of the id or of the name, in any case.")] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only models that have this capability; if repeated, all of them."),
    ] = None,
    family: Annotated[str | None, typer.Option(help="Only models of this family.")] = None,
    modality: Annotated[str | None, typer.Option(help="Only models that take or give this, such as image.")] = None,
    min_context: Annotated[int | None, typer.Option(min=0, help="Smallest context window, in tokens.")] = None,
    max_input_price: Annotated[float | None, typer.Option(min=0, help="USD per million tokens.")] = None,
    max_output_price: Annotated[float | None, typer.Option(min=0, help="USD per million tokens.")] = None,
    priced: Annotated[
        list[str] | None,
        typer.Option(metavar="COMPONENT", help="Only models with a price of this component, such as cache_read."),
    ] = None,
    max_price: Annotated[
        list[str] | None,
        typer.Option(metavar="COMPONENT:AMOUNT", help="In USD per the component's usual unit, such as image:0.05."),
    ] = None,
    status: Annotated[ModelStatus | None, typer.Option(help="Only models of this status.")] = None,
    retires_before: Annotated[
        str | None,
        typer.Option(help="Only models that are known to end before this day, or within a span such as 60d."),
    ] = None,
    ends_within: Annotated[str | None, typer.Option(hidden=True, help="The same.")] = None,
    as_of: Annotated[str | None, typer.Option(help=f"As they were then: {TIME_HELP}.")] = None,
    sort: Annotated[
        Sorting,
        typer.Option(
            metavar="COLUMN",
            help=f"{', '.join(name for name in get_args(Sorting) if name[0] != '-')}; -COLUMN: the largest first.",
        ),
    ] = "model_id",
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most; default: all.")] = None,
    columns: ColumnsOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the models of one provider or of all, as they are or as they were."""
    if retires_before is not None and ends_within is not None:
        raise typer.BadParameter("give --retires-before or --ends-within, not both")
    moment = optional_moment(as_of)
    end = optional_moment(retires_before or ends_within, direction="ahead")
    chosen = chosen_columns(columns, ("provider", *SHOWN_COLUMNS))
    with catalog.database.open_catalog() as database, database.session() as session:
        query = catalog.model_search.ModelQuery(
            provider=None if slug is None else catalog.providers.get(session, slug),
            as_of=moment,
            text=search,
            status=status,
            capabilities=tuple(capability or ()),
            family=family,
            modality=modality,
            min_context=min_context,
            max_input_price=max_input_price,
            max_output_price=max_output_price,
            priced=tuple(priced or ()),
            max_prices=tuple(component_amount(each) for each in max_price or ()),
            # A model ends at the start of its day, so the day of a span's end is within the span.
            retires_before=None if end is None else (end + timedelta(days=1, microseconds=-1)).date(),
            sort=sort,
        )
        page = catalog.model_search.search(session, query, limit=limit)
        everything = catalog.model_search.ModelQuery(provider=query.provider)
        any_model = bool(page.models or catalog.model_search.search(session, everything, limit=1).models)
        samples = catalog.providers.sample_slugs(session)
    found = [{**model, "sample": model["provider"] in samples} for model in page.models]
    if as_json:
        emit_json(found)
        return
    if not found:
        note("no model matches" if any_model else _no_models(slug))
        return
    title = "all providers" if slug is None else marked(slug, sample=slug in samples)
    title += f": {len(found)} {'model' if len(found) == 1 else 'models'}"
    if moment is not None:
        title += f" as of {iso(moment)}"
    left_out = {"provider"} if slug is not None else set()
    left_out.update(() if end is not None else _ENDS)
    names = chosen or [name for name in _COLUMNS if name not in left_out]
    cells = {name: [_cell(name, model) for model in found] for name in names}
    # A column that is empty only takes width from the others, unless it was asked for.
    shown = {name: column for name, column in cells.items() if chosen or any(column)}
    draw(
        table(
            title,
            [_heading(name) for name in shown],
            zip(*shown.values(), strict=True),
            right=tuple(HEADINGS.values()),
            spare=() if chosen else [_heading(name) for name in _SPARE],
            lead=1 if slug is not None or chosen else 2,
            wide=wide,
        )
    )
    if page.last is not None:
        note(f"the first {limit}; there are more, see --limit")


@app.command("show")
def show_model(
    slug: SlugArgument,
    model: Annotated[str, typer.Argument(help="The model's id.")],
    as_json: JsonOption = False,
) -> None:
    """Show a model: every fact with its source, its prices and their history, and what changed."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        found = sync.model_details.model_details(session, provider, model)
    if as_json:
        document = asdict(found)
        document["model"] = named_as_in_the_api(document["model"]) | {"sample": provider.is_sample}
        for part in ("overrides", "changes"):
            document[part] = [named_as_in_the_api(each) for each in document[part]]
        emit_json(document)
        return
    draw(*details(f"{marked(slug, sample=provider.is_sample)}: {model}", found))


app.command("compare")(compare_models)


def _no_models(slug: str | None) -> str:
    if slug is None:
        return "no provider has models yet; next: provider-pipeline providers add, provider-pipeline sync --all"
    return f"{slug} has no models yet; next: provider-pipeline sync {slug}"


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _cell(name: str, model: Mapping[str, Any]) -> Any:
    value = model[name]
    if name in _CELLS:
        return _CELLS[name](model)
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, dict):
        return compact(value)
    return iso(value) if isinstance(value, datetime) else value


def _number(name: str, model: Mapping[str, Any]) -> str | None:
    return number(model[name])


def _status(model: Mapping[str, Any]) -> Text:
    status, new_id = model["status"], model["renamed_to"]
    return Text(f"{status}, now {new_id}" if new_id else status, style=_STYLES[status])


def _successor(model: Mapping[str, Any]) -> Any:
    successor = model["successor_model_id"]
    return Text(f"{successor} (not listed here)", style="dim") if model["successor_is_listed"] is False else successor


def _prices(model: Mapping[str, Any]) -> list[str]:
    parts = rules.model_prices.price_parts(model["prices"])
    return [f"{name} {rules.model_prices.price_text(price)}" for (name, above), price in parts.items() if not above]


_CELLS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    **{name: partial(_number, name) for name in HEADINGS},
    "provider": lambda model: marked(model["provider"], sample=model["sample"]),
    "status": _status,
    "prices": _prices,
    "capabilities": abilities,
    "successor_model_id": _successor,
    "overridden_fields": lambda model: " ".join(without_second_names(model["overridden_fields"])),
}
