"""`provider-pipeline providers check`: whether providers can be synced, and if not, how far it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from provider_pipeline import catalog, listing, sync
from provider_pipeline.cli.completion import complete_slug
from provider_pipeline.cli.console import JsonOption, draw, emit_json, fail, note, table

_COLUMNS = {
    "settings": "settings",
    "key": "key",
    "name": "DNS",
    "connection": "connection",
    "tls": "TLS",
    "authorised": "authorised",
    "listing": "listing",
    "rule": "rule",
    "last_success": "last success",
}
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def check(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(help="Providers to check.", metavar="SLUG...", autocompletion=complete_slug),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every enabled provider.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Providers at the same time.")] = 8,
    as_json: JsonOption = False,
) -> None:
    """Ask providers for their whole listing, and say how far that comes; nothing is written.

    Exit code 0: all are well; 1: a stage failed; 2: usage.
    """
    if bool(slugs) is every:
        raise typer.BadParameter("name the providers to check, or give --all (and not both)")
    with catalog.database.open_catalog() as database:
        with database.session() as session:
            wanted = (
                [provider.slug for provider in catalog.providers.list_providers(session, enabled_only=True)]
                if every
                else [catalog.providers.get(session, slug).slug for slug in slugs or ()]
            )
        if not wanted:
            note("no provider is enabled; add one with: provider-pipeline providers add")
        found = sync.health.check_many(
            database.session, wanted, client=listing.client.ListingClient(), max_workers=workers
        )
        reports = sorted(found, key=lambda report: report.slug)
    if as_json:
        emit_json([report.to_json() for report in reports])
    else:
        _print(reports)
    raise typer.Exit(0 if all(report.healthy for report in reports) else 1)


def _print(reports: Sequence[sync.health.HealthReport]) -> None:
    draw(
        table(
            "health",
            ("provider", *_COLUMNS.values()),
            ((report.slug, *(_cell(stage) for stage in report.stages)) for report in reports),
        )
    )
    for report in reports:
        if report.reason is not None:
            text = report.reason
            fail(text if report.slug in text else f"{report.slug}: {text}", hint=report.hint)


def _cell(stage: sync.health.StageReport) -> Text:
    if stage.status == "skipped":
        word = stage.detail if stage.detail != "not reached" else "-"
    elif stage.status == "failed":
        word = f"failed: {stage.detail}" if stage.detail else "failed"
    else:
        word = stage.detail or "ok"
    return Text(word, style=_STYLES[stage.status])
