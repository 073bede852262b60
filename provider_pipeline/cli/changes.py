"""`provider-pipeline changes` and `notifications`: what changed about the models, and what the webhook was told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, get_args

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import (
    change_texts,
    draw,
    draw_list,
    emit_json,
    iso,
    marked,
    named_as_in_the_api,
    note,
    table,
)
from provider_pipeline.cli.parameters import TIME_HELP, JsonOption, OptionalSlugArgument, optional_moment
from provider_pipeline.rules.model_columns import Cause, ChangeKind

_STYLES = {"added": "green", "renamed": "cyan", "missing": "yellow", "removed": "red", "restored": "green"}


def changes(
    slug: OptionalSlugArgument = None,
    provider: Annotated[str | None, typer.Option(help="The same as SLUG, as the API calls it.", hidden=True)] = None,
    since: Annotated[str | None, typer.Option(help=f"Only changes then or later: {TIME_HELP}.")] = None,
    until: Annotated[str | None, typer.Option(help="Only earlier changes.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of the model with this id.")] = None,
    field: Annotated[
        str | None, typer.Option(help="Only of this field: a column such as context_length, or one as prices.NAME.")
    ] = None,
    kind: Annotated[
        ChangeKind | None,
        typer.Option(metavar="KIND", help=f"Only changes of this kind: {', '.join(get_args(ChangeKind))}."),
    ] = None,
    cause: Annotated[Cause | None, typer.Option(help="Only changes with this cause.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """List what changed about the models, newest first."""
    if slug is not None and provider is not None and slug != provider:
        raise typer.BadParameter(f"--provider {provider} contradicts {slug}")
    slug = slug or provider
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        if model is not None:
            catalog.known_values.require_model(session, model, slug)
        if field is not None:
            catalog.known_values.require_field(field)
        found = catalog.history.list_changes(
            session,
            since=optional_moment(since),
            until=optional_moment(until),
            slug=slug,
            model_id=model,
            field=field,
            kind=kind,
            cause=cause,
            limit=limit,
        )
        samples = catalog.providers.sample_slugs(session)
    if as_json:
        emit_json([named_as_in_the_api(asdict(change)) | {"sample": change.slug in samples} for change in found])
        return
    if not found:
        note("no change matches")
        return
    rows = (
        (
            iso(change.changed_at),
            Text(change.kind, style=_STYLES.get(change.kind, "")),
            marked(change.slug, sample=change.slug in samples),
            change.model_id,
            change.cause,
            change_texts(change.changed),
        )
        for change in found
    )
    columns = ("when", "kind", "provider", "model", "cause", "what")
    draw(table("changes", columns, rows, spare=("cause",), lead=4))
    if len(found) == limit:
        note(f"the newest {limit}; there may be more, see --limit and --since")


def notifications(
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Only pending or abandoned ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the webhook's notifications, newest first: delivered, due again, or given up, and why."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = catalog.notifications.find(session, undelivered_only=undelivered, limit=limit)
    if as_json:
        emit_json([asdict(each) | {"state": _state(each)} for each in found])
        return
    rows = ((iso(each.created_at), each.kind, _state(each), each.attempts, each.last_error) for each in found)
    columns = ("when", "kind", "state", "attempts", "last error")
    drawn = table("notifications", columns, rows, right=("attempts",))
    draw_list(drawn, empty="no notification is undelivered" if undelivered else "there are no notifications yet")


def _state(each: catalog.notifications.Notification) -> str:
    if each.delivered_at is not None:
        return f"delivered {iso(each.delivered_at)}"
    return f"due {iso(each.next_attempt_at)}" if each.next_attempt_at is not None else "given up"
