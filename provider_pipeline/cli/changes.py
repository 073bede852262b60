"""`provider-pipeline changes` and `notifications`: what changed about the models, and what the webhook was told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Annotated, Literal

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import change_texts, draw, emit_json, iso, marked, note, table
from provider_pipeline.cli.parameters import TIME_HELP, JsonOption, optional_moment

# As the catalogue knows them; spelt out here because `--help` must not load it.
ChangeKind = Literal["added", "renamed", "updated", "missing", "removed", "restored"]
ChangeCause = Literal["provider", "rule", "override"]

_STYLES = {"added": "green", "renamed": "cyan", "missing": "yellow", "removed": "red", "restored": "green"}


def changes(
    since: Annotated[str | None, typer.Option(help=f"Only changes then or later: {TIME_HELP}.")] = None,
    until: Annotated[str | None, typer.Option(help="Only earlier changes.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.", metavar="SLUG")] = None,
    kind: Annotated[ChangeKind | None, typer.Option(help="Only changes of this kind.")] = None,
    cause: Annotated[ChangeCause | None, typer.Option(help="Only changes with this cause.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """List what changed about the models, newest first."""
    with catalog.database.open_catalog() as database, database.session() as session:
        if provider is not None:
            catalog.providers.get(session, provider)
        found = catalog.history.list_changes(
            session,
            since=optional_moment(since),
            until=optional_moment(until),
            slug=provider,
            kind=kind,
            cause=cause,
            limit=limit,
        )
        samples = catalog.providers.sample_slugs(session)
    if as_json:
        emit_json([asdict(change) | {"sample": change.slug in samples} for change in found])
        return
    if not found:
        note("no such change")
        return
    rows = (
        (
            change.changed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            marked(change.slug, sample=change.slug in samples),
            change.model_id,
            Text(change.kind, style=_STYLES.get(change.kind, "")),
            change.cause,
            change_texts({name: pair for name, pair in change.changed.items() if name != "status"}),
        )
        for change in found
    )
    draw(table("changes", ("when (UTC)", "provider", "model", "kind", "cause", "what"), rows))
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
    draw(table("notifications", ("when", "kind", "state", "attempts", "last error"), rows, right=("attempts",)))


def _state(each: catalog.notifications.Notification) -> str:
    if each.delivered_at is not None:
        return f"delivered {iso(each.delivered_at)}"
    return f"due {iso(each.next_attempt_at)}" if each.next_attempt_at is not None else "given up"
