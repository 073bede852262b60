"""`provider-pipeline notifications`: what is told to the webhook, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import JsonOption, draw, emit_json, table


def notifications(
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Only those that wait or were given up.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what is told to the webhook, newest first: delivered, due again, or given up, and why."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = catalog.notifications.find(session, undelivered_only=undelivered, limit=limit)
    if as_json:
        emit_json([asdict(each) | {"state": _state(each)} for each in found])
        return
    draw(
        table(
            "notifications",
            ("when", "kind", "state", "attempts", "last error"),
            (
                (each.created_at.isoformat(timespec="seconds"), each.kind, _state(each), each.attempts, each.last_error)
                for each in found
            ),
            right=("attempts",),
        )
    )


def _state(each: catalog.notifications.Notification) -> str:
    if each.delivered_at is not None:
        return f"delivered {each.delivered_at.isoformat(timespec='seconds')}"
    if each.next_attempt_at is not None:
        return f"due {each.next_attempt_at.isoformat(timespec='seconds')}"
    return "given up"
