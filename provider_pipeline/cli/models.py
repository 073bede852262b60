"""`provider-pipeline models`: the table, now or at a past moment."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from provider_pipeline import catalog, sync
from provider_pipeline.cli.console import (
    MODEL_NUMBERS,
    draw,
    emit_json,
    marked,
    model_cells,
    note,
    table,
)
from provider_pipeline.cli.model_details import details
from provider_pipeline.cli.offers import compare_models
from provider_pipeline.cli.parameters import (
    TIME_HELP,
    JsonOption,
    OptionalSlugArgument,
    SlugArgument,
    optional_moment,
)
from provider_pipeline.rules.model_columns import without_second_names

app = typer.Typer(help="The models.", no_args_is_help=True)

_STYLES = {"active": "green", "missing": "yellow", "removed": "red"}
_ENDS = ("retires on", "successor")
_COLUMNS = ("provider", "model", "status", "family", *MODEL_NUMBERS, "capabilities", *_ENDS, "set by people")

ModelStatus = Literal["active", "missing", "removed"]


@app.command("list")
def list_models(
    slug: OptionalSlugArgument = None,
    as_of: Annotated[str | None, typer.Option(help=f"As they were then: {TIME_HELP}.")] = None,
    status: Annotated[ModelStatus | None, typer.Option(help="Only models of this status.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only models that have this capability.")] = None,
    ends_within: Annotated[
        str | None, typer.Option(help="Only models whose end is known and near: a span such as 60d, or the last day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models of one provider or of all, as they are or as they were."""
    moment = optional_moment(as_of)
    last = optional_moment(ends_within, direction="ahead")
    retires_before = None if last is None else last.date() + timedelta(days=1)
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = catalog.history.list_models(
            session, slug=slug, as_of=moment, status=status, capability=capability, retires_before=retires_before
        )
        samples = catalog.providers.sample_slugs(session)
    found = [{**model, "sample": model["slug"] in samples} for model in found]
    if as_json:
        emit_json(found)
        return
    if not found:
        note("no such model")
        return
    title = "all providers" if slug is None else marked(slug, sample=slug in samples)
    title += f": {len(found)} model(s)"
    if moment is not None:
        title += f" as of {moment.isoformat(sep=' ', timespec='seconds')}"
    # A column that is empty, or has the same value in every row, only takes width from the others.
    left_out = {"provider"} if slug is not None else set()
    if ends_within is None:
        left_out.update(_ENDS)
    cells = dict(zip(_COLUMNS, zip(*map(_model_cells, found), strict=True), strict=True))
    shown = {name: column for name, column in cells.items() if name not in left_out and any(column)}
    draw(table(title, list(shown), zip(*shown.values(), strict=True), right=MODEL_NUMBERS))


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
        emit_json(asdict(found) | {"sample": provider.is_sample})
        return
    draw(*details(f"{marked(slug, sample=provider.is_sample)}: {model}", found))


app.command("compare")(compare_models)


def _model_cells(model: dict[str, Any]) -> tuple[Any, ...]:
    status = f"{model['status']}, now {model['renamed_to']}" if model["renamed_to"] else model["status"]
    return (
        marked(model["slug"], sample=model["sample"]),
        model["model_id"],
        Text(status, style=_STYLES[model["status"]]),
        model["family"],
        *model_cells(model),
        model["retires_on"],
        model["successor_model_id"] if model["successor_is_listed"] in (None, True) else _unverified(model),
        " ".join(without_second_names(model["overridden_fields"])),
    )


def _unverified(model: dict[str, Any]) -> Text:
    return Text(f"{model['successor_model_id']} (not listed here)", style="dim")
