"""`provider-pipeline providers`: list, show, check, enable and disable; the commands that add some are imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from provider_pipeline import catalog, listing, sync
from provider_pipeline.cli import provider_add, provider_apply, provider_detect, provider_input
from provider_pipeline.cli.console import (
    draw,
    draw_list,
    emit_json,
    fail,
    iso,
    marked,
    models_table,
    named_as_in_the_api,
    say,
    table,
)
from provider_pipeline.cli.parameters import (
    EveryOption,
    JsonOption,
    OptionalSlugArgument,
    SlugArgument,
    SlugsArgument,
    WorkersOption,
    wanted_slugs,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(help="Add, check, change and list providers.", no_args_is_help=True)
app.command("presets")(provider_input.list_presets)
app.command()(provider_add.add)
app.command()(provider_detect.detect)
app.command()(provider_apply.apply)

_STAGES = {
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
_STAGE_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the providers, including disabled ones."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = _documents(session, catalog.providers.list_providers(session, enabled_only=False))
    if as_json:
        emit_json(found)
        return
    columns = ("slug", "name", "enabled", "rule", "models", "last success", "failures", "base URL")
    rows = (
        (
            marked(each["slug"], sample=each["sample"]),
            each["name"],
            Text("yes", style="green") if each["enabled"] else Text("no", style="yellow"),
            *(each["rule_version"], each["active_models"], each["last_success_at"]),
            *(each["consecutive_failures"], each["base_url"]),
        )
        for each in found
    )
    right, spare = ("rule", "models", "failures"), ("base URL", "name", "failures")
    drawn = table("providers", columns, rows, right=right, spare=spare)
    draw_list(drawn, empty="there are no providers yet; next: provider-pipeline providers add")


@app.command()
def show(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Show one provider: its settings, its state, its models."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        (document,) = _documents(session, [provider])
        models = catalog.models.load(session, provider.id)
    if as_json:
        emit_json(document | {"models": models})
        return
    heading = marked(slug, sample=provider.is_sample)
    draw(table(heading, ("setting", "value"), document.items()), models_table("models", models, "status"))


@app.command()
def check(
    slugs: SlugsArgument = None,
    every: EveryOption = False,
    workers: WorkersOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Fetch providers' whole listings, and show which stages succeed; nothing is written.

    Exit code 1: a stage failed.
    """
    if bool(slugs) is every:
        raise typer.BadParameter("name the providers to check, or give --all (and not both)")
    with catalog.database.open_catalog() as database:
        with database.session() as session:
            wanted = wanted_slugs(session, slugs, every=every)
        found = sync.health.check_many(
            database.session, wanted, client=listing.client.ListingClient(), max_workers=workers
        )
        reports = sorted(found, key=lambda report: report.slug)
    if as_json:
        emit_json([report.to_json() for report in reports])
    else:
        _print_health(reports)
    raise typer.Exit(0 if all(report.healthy for report in reports) else 1)


def _print_health(reports: Sequence[sync.health.HealthReport]) -> None:
    rows = ((report.slug, *map(_stage_cell, report.stages)) for report in reports)
    if reports:
        draw(table("health", ("provider", *_STAGES.values()), rows))
    for report in reports:
        if report.reason is not None:
            text = report.reason
            fail(text if report.slug in text else f"{report.slug}: {text}", hint=report.hint)


def _stage_cell(stage: sync.health.StageReport) -> Text:
    if stage.status == "skipped":
        word = stage.detail if stage.detail != "not reached" else "-"
    elif stage.status == "failed":
        word = f"failed: {stage.detail}" if stage.detail else "failed"
    else:
        word = stage.detail or "ok"
    return Text(word, style=_STAGE_STYLES[stage.status])


@app.command()
def acceptances(slug: OptionalSlugArgument = None, as_json: JsonOption = False) -> None:
    """List the held listings that were accepted, newest first: what, who and why."""
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = catalog.acceptances.find(session, slug=slug)
    if as_json:
        emit_json([named_as_in_the_api(asdict(each)) for each in found])
        return
    columns = ("when", "provider", "guards", "reason", "author", "by", "raw response")
    rows = (
        (
            *(iso(each.used_at), each.slug, ", ".join(each.kinds), each.reason),
            *(each.author, each.created_by_id, each.raw_response_id),
        )
        for each in found
    )
    drawn = table("accepted listings", columns, rows, right=("by", "raw response"))
    draw_list(drawn, empty="no held listing was accepted")


@app.command()
def disable(slug: SlugArgument) -> None:
    """Stop syncing a provider; its rows stay."""
    _set_enabled(slug, enabled=False)


@app.command()
def enable(slug: SlugArgument) -> None:
    """Sync a provider again."""
    _set_enabled(slug, enabled=True)


def _set_enabled(slug: str, *, enabled: bool) -> None:
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.providers.set_enabled(session, slug, enabled)
        session.commit()
    say(f"{slug}: {'enabled' if enabled else 'disabled; its rows stay'}")


def _documents(session: Session, providers: Sequence[catalog.providers.Provider]) -> list[dict[str, Any]]:
    return [
        shown | {name: iso(shown[name]) for name in ("last_checked_at", "last_success_at")}
        for shown in catalog.health.provider_overviews(session, providers)
    ]
