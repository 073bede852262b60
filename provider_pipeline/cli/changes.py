"""`provider-pipeline changes`: what changed about the models, when and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli.console import JsonOption, change_texts, draw, emit_json, marked, note, table
from provider_pipeline.cli.moments import TIME_HELP, optional_moment

_STYLES = {
    "added": "green",
    "renamed": "cyan",
    "updated": "",
    "missing": "yellow",
    "removed": "red",
    "restored": "green",
}


class ChangeKind(StrEnum):
    """What can happen to a model."""

    added = "added"
    renamed = "renamed"
    updated = "updated"
    missing = "missing"
    removed = "removed"
    restored = "restored"


class ChangeCause(StrEnum):
    """What brings a change about."""

    provider = "provider"
    rule = "rule"
    override = "override"


def changes(
    since: Annotated[str | None, typer.Option(help=f"Only changes then or later: {TIME_HELP}.")] = None,
    until: Annotated[str | None, typer.Option(help="Only earlier changes.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.", metavar="SLUG")] = None,
    kind: Annotated[ChangeKind | None, typer.Option(help="Only changes of this kind.")] = None,
    cause: Annotated[ChangeCause | None, typer.Option(help="Only changes put down to this.")] = None,
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
    draw(
        table(
            "changes",
            ("when (UTC)", "provider", "model", "kind", "cause", "what"),
            (
                (
                    change.changed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
                    marked(change.slug, sample=change.slug in samples),
                    change.model_id,
                    Text(change.kind, style=_STYLES[change.kind]),
                    change.cause,
                    change_texts({name: pair for name, pair in change.changed.items() if name != "status"}),
                )
                for change in found
            ),
        )
    )
    if len(found) == limit:
        note(f"the newest {limit}; there may be more, see --limit and --since")
