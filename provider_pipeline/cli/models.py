"""`provider-pipeline models`: the table itself, now or at a past moment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import JsonOption, draw, emit_json, marked, note, number, table
from provider_pipeline.cli.moments import TIME_HELP, optional_moment
from provider_pipeline.rules.model_columns import HEADINGS

app = typer.Typer(help="The models.", no_args_is_help=True)

_STYLES = {"active": "green", "missing": "yellow", "removed": "red"}
_COLUMNS = ("provider", "model", "status", "family", *HEADINGS.values(), "capabilities", "set by people")


class ModelStatus(StrEnum):
    """What a model can be."""

    active = "active"
    missing = "missing"
    removed = "removed"


@app.command("list")
def list_models(
    slug: Annotated[str | None, typer.Argument(help="Only this provider's.", metavar="[SLUG]")] = None,
    as_of: Annotated[str | None, typer.Option(help=f"As they were then: {TIME_HELP}.")] = None,
    status: Annotated[ModelStatus | None, typer.Option(help="Only models of this status.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only models that have this capability.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models of one provider or of all, as they are or as they were."""
    moment = optional_moment(as_of)
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = catalog.history.list_models(session, slug=slug, as_of=moment, status=status, capability=capability)
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
    # A column that says the same in every row only takes the width from the others.
    left_out = {"provider"} if slug is not None else set()
    if not any(model["overridden_fields"] for model in found):
        left_out.add("set by people")
    shown = [position for position, name in enumerate(_COLUMNS) if name not in left_out]
    rows = ([cells[position] for position in shown] for cells in map(_cells, found))
    draw(table(title, [_COLUMNS[position] for position in shown], rows, right=(*HEADINGS.values(),)))


def _cells(model: dict[str, Any]) -> tuple[Any, ...]:
    return (
        marked(model["slug"], sample=model["sample"]),
        model["model_id"],
        Text(_status(model), style=_STYLES[model["status"]]),
        model["family"],
        *(number(model[name]) for name in HEADINGS),
        " ".join(sorted(name for name, has in model["capabilities"].items() if has)),
        " ".join(model["overridden_fields"]),
    )


def _status(model: dict[str, Any]) -> str:
    return f"{model['status']}, now {model['renamed_to']}" if model["renamed_to"] else str(model["status"])
