"""`provider-pipeline providers apply`: make the catalogue's providers match a folder of files; and plans in print."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from provider_pipeline import catalog, listing, presets, sync
from provider_pipeline.cli.console import EXIT_PENDING, draw, emit_json, fail, note, say, table
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.cli.provider_input import NewHostsOption, is_interactive
from provider_pipeline.errors import ConfigurationError

_STYLES = {"add": "green", "change": "yellow", "disable": "red", "not in the folder": "dim", "unchanged": "dim"}
_LOUD = "bold red"
_DONE = {"add": "added", "change": "changed", "disable": "disabled; its rows stay", "unchanged": "unchanged"}


def apply(
    directory: Annotated[Path, typer.Argument(help="A folder of provider files (docs/provider-files.md).")],
    yes: Annotated[bool, typer.Option("--yes", help="Carry out the plan without asking.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Disable the providers that are not in the folder; their rows stay.")
    ] = False,
    new_hosts: NewHostsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register or change providers so that they match a folder of files; shows the plan first.

    All of the plan is done, or nothing; doing it again changes nothing. A provider without a rule gets one from its
    first page, which is fetched; if that fails, nothing is done. Without --yes, and without a terminal to ask at, the
    plan is only shown, with exit code 3 if something is to be done. The same happens, even with --yes, if a key would
    go to another host than before, unless --new-host names that host.
    """
    wanted = [
        presets.requested.requested_provider(file, os.environ)
        for file in presets.library.load_provider_folder(directory)
    ]
    with catalog.database.open_catalog() as database:
        plan = _plan(database, wanted, prune=prune)
        if not as_json:
            draw(plan_table(plan))
        pending = plan.changes_anything or bool(plan.without_rule)
        named = _confirmed_hosts(plan, new_hosts or [], yes=yes) if pending else []
        done = not pending
        if pending and named is not None and _agreed(yes=yes):
            plan = _carry_out(database, wanted, plan, prune=prune, new_hosts=named)
            done = True
    if as_json:
        emit_json({"applied": done, "providers": [each.to_json() for each in plan.providers]})
    elif not pending:
        note("nothing to change")
        print_needs(plan)
    elif done:
        print_done(plan)
    if not done:
        hosts = "".join(f" --new-host {host}" for host in sorted({each.host for _, each in plan.new_hosts}))
        note(f"nothing was done; to do it without being asked, give --yes{hosts}")
        raise typer.Exit(EXIT_PENDING)


def _confirmed_hosts(plan: presets.plan.Plan, named: list[str], *, yes: bool) -> list[str] | None:
    """The confirmed new hosts for known keys; None if one is not confirmed."""
    for slug, each in plan.new_hosts:
        if not sync.key_hosts.unconfirmed([each], named):
            continue
        fail(f"{slug}: {each}")
        if yes or not is_interactive() or not typer.confirm(f"Send it to {each.host}?", err=True):
            return None
        named = [*named, each.host]
    return named


def _agreed(*, yes: bool) -> bool:
    return yes or (is_interactive() and typer.confirm("Do it?", err=True))


def _plan(
    database: catalog.database.Database, wanted: list[presets.requested.RequestedProvider], *, prune: bool
) -> presets.plan.Plan:
    with database.session() as session:
        return presets.plan.plan_providers(session, wanted, environ=os.environ, whole=True, prune=prune)


def _carry_out(
    database: catalog.database.Database,
    wanted: list[presets.requested.RequestedProvider],
    shown: presets.plan.Plan,
    *,
    prune: bool,
    new_hosts: list[str],
) -> presets.plan.Plan:
    with database.session() as session:
        plan = presets.plan.plan_providers(session, wanted, environ=os.environ, whole=True, prune=prune)
        if plan != shown:
            raise ConfigurationError(
                "the catalogue has changed since the plan was made; nothing was done", hint="run the command again"
            )
        presets.registration.apply_plan(session, plan, new_hosts=new_hosts)
        ready = presets.registration.write_first_rules(session, plan, client=listing.client.ListingClient())
        session.commit()
    return ready


def plan_table(plan: presets.plan.Plan) -> Table:
    """A plan, field by field."""
    return table("plan", ("provider", "action", "field", "is", "will be"), _rows(plan))


def print_done(plan: presets.plan.Plan) -> None:
    """Print what was done, one line for each provider, and what each needs next."""
    for each in plan.providers:
        if each.action in _DONE:
            say(f"{each.slug}: {_done(each)}")
            if each.action == "add" and each.requested is not None and each.requested.file.note:
                note(f"{each.slug}: {each.requested.file.note}")
    print_needs(plan)


def print_needs(plan: presets.plan.Plan) -> None:
    """Print what is missing before the providers can be synced."""
    for each in plan.providers:
        if each.missing is not None:
            text = each.missing
            note(text if text.startswith(f"{each.slug}: ") else f"{each.slug}: {text}")


def _done(each: presets.plan.PlannedProvider) -> str:
    text = _DONE[each.action]
    if each.action == "change":
        text = f"{text} ({', '.join(change.field for change in each.changes)})"
    if each.action == "disable":
        return text
    return f"{text}; next: {each.next_step or f'provider-pipeline sync {each.slug}'}"


def _rows(plan: presets.plan.Plan) -> Iterator[tuple[Any, ...]]:
    for each in plan.providers:
        action = Text(each.action, style=_STYLES[each.action])
        if not each.changes:
            yield each.slug, action if each.enabled else Text(f"{each.action} (disabled)", style="dim"), "", "", ""
        for number, change in enumerate(each.changes):
            first = (each.slug, action) if number == 0 else ("", "")
            yield *first, change.field, _written(change.old), _written(change.new)
        for host in each.new_hosts:
            known = f"{host.key}: {', '.join(host.known)}"
            yield "", "", Text("KEY GOES TO", style=_LOUD), known, Text(host.host, _LOUD)


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
