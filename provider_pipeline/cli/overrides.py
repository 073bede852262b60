"""`provider-pipeline overrides`: values that people set, one by one or from files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from provider_pipeline import catalog, overrides, rules
from provider_pipeline.cli.console import draw, emit_json, iso, named_as_in_the_api, note, say, table
from provider_pipeline.cli.parameters import (
    TIME_HELP,
    ByOption,
    JsonOption,
    OptionalSlugArgument,
    ReasonOption,
    SlugArgument,
    WideOption,
    optional_moment,
    read_json,
)

app = typer.Typer(
    help="State values that win over the listing: single ones, files, a peer's prices.", no_args_is_help=True
)

_STYLES = {"set": "green", "changed": "yellow", "removed": "red"}
_SHOWN = 50

_ModelArgument = Annotated[str, typer.Argument(help="The model's id.")]
_FieldArgument = Annotated[
    str,
    typer.Argument(
        help="A column such as context_length, capabilities.NAME, prices.NAME, metadata_json.NAME, or canonical_id."
    ),
]
_DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


@app.command("set")
def set_override(
    slug: SlugArgument,
    model: _ModelArgument,
    field: _FieldArgument,
    value: Annotated[str, typer.Argument(help="Its value, as JSON or plain text; null means unknown.")],
    reason: ReasonOption,
    until: Annotated[str | None, typer.Option(help=f"When the listing counts again: {TIME_HELP}.")] = None,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Allow a model that the provider has not listed so far.")
    ] = False,
    by: ByOption = None,
) -> None:
    """Set a field of a model; it wins over the listing, and the next sync writes it."""
    end = optional_moment(until, direction="ahead")
    if end is not None and end <= datetime.now(UTC):
        raise typer.BadParameter(f"{until!r} is in the past", param_hint="--until")
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        catalog.model_overrides.put(
            session, provider.id, model, field, _value(value), reason=reason, created_by_id=by, expires_at=end
        )
        if not unlisted:
            catalog.known_values.require_model(session, model, slug)
        session.commit()
    say(f"{slug}: {field} of {model} is set; it shows after: provider-pipeline sync {slug}")


@app.command("list")
def list_overrides(
    slug: OptionalSlugArgument = None,
    caught_up: Annotated[
        bool, typer.Option("--caught-up", help="Only those whose value the provider now lists itself; they can go.")
    ] = False,
    wide: WideOption = False,
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
        emit_json([named_as_in_the_api(asdict(each)) for each in found])
        return
    if not found:
        note("no override matches")
        return
    now = datetime.now(UTC)
    columns = ("provider", "model", "field", "value", "listed", "from", "until", "source", "reason", "by")
    rows = [_override_cells(each, now) for each in found]
    unsaid = {"source": rules.overrides.PERSON}
    # A column that says nothing in any row only takes width from the others.
    shown = [at for at, name in enumerate(columns) if any(row[at] not in (None, unsaid.get(name)) for row in rows)]
    cells = ([row[at] for at in shown] for row in rows)
    spare = ("by", "source", "from", "until", "listed")
    draw(table("overrides", [columns[at] for at in shown], cells, spare=spare, lead=2, wide=wide))


@app.command()
def remove(slug: SlugArgument, model: _ModelArgument, field: _FieldArgument) -> None:
    """Remove an override: the listing counts again from the next sync on."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        removed = catalog.model_overrides.remove(session, provider.id, model, field)
        session.commit()
    if not removed:
        raise typer.BadParameter(f"{slug} has no override of {field} for {model}")
    say(f"{slug}: {field} of {model} is as listed again, after: provider-pipeline sync {slug}")


@app.command("apply")
def apply_files(
    path: Annotated[Path, typer.Argument(help="A file of overrides (YAML or CSV), or a folder of them.")],
    dry_run: _DryRunOption = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what the set stated before and no longer does.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--set", help="The set's name; by default the file's or the folder's.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a set of overrides: all of it, or nothing; doing it again changes nothing (docs/overrides.md)."""
    files = overrides.files.read_files(path, name=name)
    with catalog.database.open_catalog() as database, database.session() as session:
        stated = overrides.entries.stated_overrides(session, files.entries)
        changes = catalog.model_overrides.apply_set(session, files.name, stated, prune=prune, created_by_id=by)
        if not dry_run:
            session.commit()
        unlisted = catalog.model_overrides.unlisted(session, stated)
    _print_changes(files.name, changes, len(stated), dry_run=dry_run, as_json=as_json, unlisted=unlisted)


@app.command("import")
def import_peer(
    peer: Annotated[Literal["litellm", "genai-prices"], typer.Argument(help="Whose file it is.")],
    file: Annotated[Path, typer.Argument(help="The peer's price file, as JSON.")],
    version: Annotated[str, typer.Option("--release", help="The peer's release the file is from; it is recorded.")],
    dry_run: _DryRunOption = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill prices that listings do not state from a peer's file; a listed value is never overwritten.

    An import replaces the one before it of the same peer.
    """
    document = read_json(file)
    with catalog.database.open_catalog() as database, database.session() as session:
        slugs = [each.slug for each in catalog.providers.list_providers(session, enabled_only=False)]
        found = overrides.peers.read_peer(peer, document, version=version, slugs=slugs)
        stated = overrides.entries.stated_overrides(session, found.entries)
        changes = catalog.model_overrides.apply_set(session, peer, stated, prune=True, created_by_id=by)
        if not dry_run:
            session.commit()
    _print_changes(peer, changes, len(stated), dry_run=dry_run, as_json=as_json, skipped=found.skipped)


def _print_changes(
    name: str,
    changes: Sequence[catalog.model_overrides.OverrideChange],
    stated: int,
    *,
    dry_run: bool,
    as_json: bool,
    skipped: Mapping[str, int] | None = None,
    unlisted: Sequence[tuple[str, str]] | None = None,
) -> None:
    counts: Counter[str] = Counter(each.action for each in changes)
    totals = {action: counts[action] for action in _STYLES}
    totals["unchanged"] = stated - totals["set"] - totals["changed"]
    if as_json:
        document = {
            "set": name,
            "applied": not dry_run,
            **totals,
            "changes": [named_as_in_the_api(asdict(each)) for each in changes],
        }
        if unlisted is not None:
            document["unlisted"] = [{"provider": slug, "model_id": model_id} for slug, model_id in unlisted]
        emit_json(document if skipped is None else {**document, "skipped": dict(skipped)})
        return
    if changes:
        title = f"{name}: the first {_SHOWN} of {len(changes)} changes" if len(changes) > _SHOWN else name
        draw(table(title, ("provider", "model", "field", "was", "will be"), map(_change_cells, changes[:_SHOWN])))
    if skipped:
        draw(table("left out", ("why", "values"), list(skipped.items()), right=("values",)))
    say(f"{name}: {', '.join(f'{count} {action}' for action, count in totals.items())}")
    for slug, model_id in (unlisted or ())[:_SHOWN]:
        note(f"{slug} has not listed {model_id} so far: check the id, or wait until it does")
    if dry_run and changes:
        note("nothing was done; without --dry-run it is")
    elif changes:
        note("it shows after the providers' next syncs: provider-pipeline sync --all")


def _change_cells(change: catalog.model_overrides.OverrideChange) -> tuple[Any, ...]:
    model = change.model_id if change.match != "re2" else f"re:{change.model_id}"
    since = "" if change.valid_from is None else f" from {change.valid_from.date().isoformat()}"
    was = None if change.action == "set" else _short(change.was)
    will_be = Text("removed", style="red") if change.action == "removed" else _short(change.value)
    return change.slug, Text(model, style=_STYLES[change.action]), change.field + since, was, will_be


def _short(value: Any) -> str:
    """A value in a table; a price as its amount, with the unit, currency and tiers that are unusual."""
    if isinstance(value, dict) and "amount" in value:
        tiers = "".join(f", above {tier['above']:,}: {tier['amount']:g}" for tier in value.get("tiers", ()))
        per = "" if value["unit"] == "million_tokens" else f" per {value['unit']}"
        return f"{value['amount']:g} {value['currency']}{per}{tiers}"
    return value if isinstance(value, str) else "unknown" if value is None else json.dumps(value, ensure_ascii=False)


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
        listed = Text(_short(override.listed_value))
    until = None
    if override.expires_at is not None:
        until = Text(iso(override.expires_at) or "", style="red" if override.expires_at <= now else "")
    since = iso(override.valid_from)
    source = f"{override.source} (fills gaps)" if override.fills_gaps else override.source
    return (
        *(override.slug, override.model_id, override.field, _short(override.override_value)),
        *(listed, since, until, source, override.reason, override.created_by_id),
    )
