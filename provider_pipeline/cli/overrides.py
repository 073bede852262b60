"""`provider-pipeline overrides`: what people know better than a listing, field by field."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import (
    ByOption,
    JsonOption,
    ReasonOption,
    draw,
    emit_json,
    note,
    say,
    table,
)
from provider_pipeline.cli.moments import TIME_HELP, optional_moment

app = typer.Typer(help="Values that hold whatever a listing says.", no_args_is_help=True)

_FieldArgument = Annotated[
    str, typer.Argument(help="A column such as context_length, or capabilities.NAME or metadata_json.NAME.")
]


@app.command("set")
def set_value(
    slug: str,
    model: str,
    field: _FieldArgument,
    value: Annotated[str, typer.Argument(help="Its value, as JSON or as plain text; null says that nothing is known.")],
    reason: ReasonOption,
    until: Annotated[str | None, typer.Option(help=f"When the listing counts again: {TIME_HELP}.")] = None,
    by: ByOption = None,
) -> None:
    """Set a field of a model, whatever the provider lists; it shows after the next sync."""
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


@app.command("list")
def list_all(
    slug: Annotated[str | None, typer.Argument(help="Only this provider's.", metavar="[SLUG]")] = None,
    caught_up: Annotated[
        bool, typer.Option("--caught-up", help="Only those that the provider lists itself by now, so that they can go.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List what is set, by whom and why, beside what the provider lists."""
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
    draw(table("overrides", columns, (_cells(each, now) for each in found)))


@app.command()
def remove(slug: str, model: str, field: _FieldArgument) -> None:
    """Let the listing count again for a field of a model, from the next sync on."""
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


def _cells(override: catalog.model_overrides.Override, now: datetime) -> tuple[Any, ...]:
    if override.listed_at is None:
        listed = Text("not seen yet", style="dim")
    elif override.listed_value == override.override_value:
        listed = Text("the same", style="green")
    else:
        listed = Text(json.dumps(override.listed_value, ensure_ascii=False))
    if override.expires_at is None:
        until = Text("-")
    else:
        ended = override.expires_at <= now
        until = Text(override.expires_at.isoformat(sep=" ", timespec="minutes"), style="red" if ended else "")
    return (
        override.slug,
        override.model_id,
        override.field,
        json.dumps(override.override_value, ensure_ascii=False),
        listed,
        until,
        override.reason,
        override.created_by_id,
    )
