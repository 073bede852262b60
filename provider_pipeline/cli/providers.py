"""`provider-pipeline providers`: who is asked for models."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from provider_pipeline import catalog
from provider_pipeline.cli import provider_add, provider_apply, provider_check, provider_detect
from provider_pipeline.cli.completion import SlugArgument, complete_slug
from provider_pipeline.cli.console import JsonOption, draw, emit_json, marked, models_table, say, table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(help="The providers.", no_args_is_help=True)
app.command()(provider_add.add)
app.command()(provider_apply.apply)
app.command()(provider_check.check)
app.command()(provider_detect.detect)


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the providers, disabled ones too."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = [_document(session, each) for each in catalog.providers.list_providers(session, enabled_only=False)]
    if as_json:
        emit_json(found)
        return
    draw(
        table(
            "providers",
            ("slug", "name", "enabled", "rule", "models", "last success", "failures", "base URL"),
            (
                (
                    marked(each["slug"], sample=each["sample"]),
                    each["name"],
                    Text("yes", style="green") if each["enabled"] else Text("no", style="yellow"),
                    each["rule_version"],
                    each["active_models"],
                    each["last_success_at"],
                    each["consecutive_failures"],
                    each["base_url"],
                )
                for each in found
            ),
            right=("rule", "models", "failures"),
        )
    )


@app.command()
def show(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Show one provider: its settings, its state, its models."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        document = _document(session, provider)
        models = catalog.models.load(session, provider.id)
    if as_json:
        emit_json(document | {"models": models})
        return
    heading = marked(slug, sample=provider.is_sample)
    draw(table(heading, ("setting", "value"), document.items()), models_table("models", models, "status"))


@app.command()
def acceptances(
    slug: Annotated[str | None, typer.Argument(help="Only of this provider.", autocompletion=complete_slug)] = None,
    as_json: JsonOption = False,
) -> None:
    """List the held listings that somebody took nevertheless, newest first: what, who and why."""
    with catalog.database.open_catalog() as database, database.session() as session:
        if slug is not None:
            catalog.providers.get(session, slug)
        found = catalog.acceptances.find(session, slug=slug)
    if as_json:
        emit_json(
            [asdict(each) | {"created_at": _iso(each.created_at), "used_at": _iso(each.used_at)} for each in found]
        )
        return
    draw(
        table(
            "held listings that were taken",
            ("when", "provider", "guards", "reason", "author", "by", "raw response"),
            (
                (
                    _iso(each.used_at),
                    each.slug,
                    ", ".join(each.kinds),
                    each.reason,
                    each.author,
                    each.created_by_id,
                    each.raw_response_id,
                )
                for each in found
            ),
            right=("by", "raw response"),
        )
    )


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


def _document(session: Session, provider: catalog.providers.Provider) -> dict[str, Any]:
    shown = catalog.health.provider_overview(session, provider)
    return shown | {name: _iso(shown[name]) for name in ("last_checked_at", "last_success_at")}


def _iso(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
