"""`provider-pipeline models` and `overrides`: the table, now or at a past moment, and values that people set."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import (
    MODEL_NUMBERS,
    draw,
    emit_json,
    marked,
    model_cells,
    note,
    say,
    table,
)
from provider_pipeline.cli.parameters import (
    TIME_HELP,
    ByOption,
    JsonOption,
    OptionalSlugArgument,
    ReasonOption,
    optional_moment,
)

app = typer.Typer(help="The models.", no_args_is_help=True)
overrides_app = typer.Typer(help="Values that win over whatever a listing says.", no_args_is_help=True)

_STYLES = {"active": "green", "missing": "yellow", "removed": "red"}
_ENDS = ("retires on", "successor")
_COLUMNS = ("provider", "model", "status", "family", *MODEL_NUMBERS, "capabilities", *_ENDS, "set by people")

_FieldArgument = Annotated[
    str, typer.Argument(help="A column such as context_length, or capabilities.NAME or metadata_json.NAME.")
]
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
    # A column with the same value in every row only takes width from the others.
    left_out = {"provider"} if slug is not None else set()
    if not any(model["overridden_fields"] for model in found):
        left_out.add("set by people")
    if ends_within is None:
        left_out.update(_ENDS)
    shown = [position for position, name in enumerate(_COLUMNS) if name not in left_out]
    rows = ([cells[position] for position in shown] for cells in map(_model_cells, found))
    draw(table(title, [_COLUMNS[position] for position in shown], rows, right=MODEL_NUMBERS))


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
        " ".join(model["overridden_fields"]),
    )


def _unverified(model: dict[str, Any]) -> Text:
    return Text(f"{model['successor_model_id']} (not listed here)", style="dim")


@overrides_app.command("set")
def set_override(
    slug: str,
    model: str,
    field: _FieldArgument,
    value: Annotated[str, typer.Argument(help="Its value, as JSON or plain text; null means unknown.")],
    reason: ReasonOption,
    until: Annotated[str | None, typer.Option(help=f"When the listing counts again: {TIME_HELP}.")] = None,
    by: ByOption = None,
) -> None:
    """Set a field of a model, whatever the provider lists; the next sync writes it."""
    end = optional_moment(until, direction="ahead")
    if end is not None and end <= datetime.now(UTC):
        raise typer.BadParameter(f"{until!r} is in the past", param_hint="--until")
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        catalog.model_overrides.put(
            session, provider.id, model, field, _value(value), reason=reason, created_by_id=by, expires_at=end
        )
        session.commit()
    say(f"{slug}: {field} of {model} is set; it shows after: provider-pipeline sync {slug}")


@overrides_app.command("list")
def list_overrides(
    slug: OptionalSlugArgument = None,
    caught_up: Annotated[
        bool, typer.Option("--caught-up", help="Only those whose value the provider now lists itself; they can go.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the overrides, who set them and why, beside what the provider lists."""
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = (
            catalog.model_overrides.caught_up(session, slug)
            if caught_up
            else catalog.model_overrides.list_overrides(session, slug=slug)
        )
    if as_json:
        emit_json([asdict(each) for each in found])
        return
    if not found:
        note("no such override")
        return
    now = datetime.now(UTC)
    columns = ("provider", "model", "field", "value", "listed", "until", "reason", "by")
    draw(table("overrides", columns, (_override_cells(each, now) for each in found)))


@overrides_app.command()
def remove(slug: str, model: str, field: _FieldArgument) -> None:
    """Remove an override: the listing counts again from the next sync on."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        removed = catalog.model_overrides.remove(session, provider.id, model, field)
        session.commit()
    if not removed:
        raise typer.BadParameter(f"{slug} has no override of {field} for {model}")
    say(f"{slug}: {field} of {model} is as listed again, after: provider-pipeline sync {slug}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _override_cells(override: catalog.model_overrides.Override, now: datetime) -> tuple[Any, ...]:
    if override.listed_at is None:
        listed = Text("not seen yet", style="dim")
    elif override.listed_value == override.override_value:
        listed = Text("the same", style="green")
    else:
        listed = Text(json.dumps(override.listed_value, ensure_ascii=False))
    until = Text("-")
    if override.expires_at is not None:
        ended = override.expires_at <= now
        until = Text(override.expires_at.isoformat(sep=" ", timespec="minutes"), style="red" if ended else "")
    value = json.dumps(override.override_value, ensure_ascii=False)
    return (
        *(override.slug, override.model_id, override.field, value),
        *(listed, until, override.reason, override.created_by_id),
    )
