"""`provider-pipeline providers apply`: the catalogue's providers as a folder of files says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from provider_pipeline import catalog, presets, sync
from provider_pipeline.cli.console import JsonOption, draw, emit_json, fail, note
from provider_pipeline.cli.provider_choice import a_person_is_there
from provider_pipeline.cli.provider_options import NewHostsOption
from provider_pipeline.cli.provider_plan import plan_table, print_done, print_needs
from provider_pipeline.errors import ConfigurationError


def apply(
    directory: Annotated[Path, typer.Argument(help="A folder of provider files (docs/provider-files.md).")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Disable the providers that are not in the folder; their rows stay.")
    ] = False,
    new_hosts: NewHostsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a folder's providers, or change them to what it says; shows the plan first.

    All of it is done or, if any part cannot be, nothing. A second time nothing changes. Without --yes, and without a
    terminal to ask at, the plan is shown and nothing is done: exit code 2 if it holds any change. The same, even with
    --yes, if a key would go to another host than before, unless --new-host names that.
    """
    wanted = [
        presets.wanted.wanted_provider(file, os.environ) for file in presets.library.load_provider_folder(directory)
    ]
    with catalog.database.open_catalog() as database:
        plan = _plan(database, wanted, prune=prune)
        if not as_json:
            draw(plan_table(plan))
        named = _confirmed_hosts(plan, new_hosts or [], yes=yes) if plan.changes_anything else []
        if plan.changes_anything and named is not None and _agreed(yes=yes):
            _carry_out(database, wanted, plan, prune=prune, new_hosts=named)
            done = True
        else:
            done = not plan.changes_anything
    if as_json:
        emit_json({"applied": done, "providers": [each.to_json() for each in plan.providers]})
    elif not plan.changes_anything:
        note("nothing to change")
        print_needs(plan)
    elif done:
        print_done(plan)
    if not done:
        hosts = "".join(f" --new-host {host}" for host in sorted({each.host for _, each in plan.new_hosts}))
        note(f"nothing was done; to do it without being asked, give --yes{hosts}")
        raise typer.Exit(2)


def _confirmed_hosts(plan: presets.registration.Plan, named: list[str], *, yes: bool) -> list[str] | None:
    """The confirmed new hosts for known keys; None if one is not confirmed."""
    for slug, each in plan.new_hosts:
        if not sync.key_hosts.unconfirmed([each], named):
            continue
        fail(f"{slug}: {each}")
        if yes or not a_person_is_there() or not typer.confirm(f"Send it to {each.host}?", err=True):
            return None
        named = [*named, each.host]
    return named


def _agreed(*, yes: bool) -> bool:
    return yes or (a_person_is_there() and typer.confirm("Do it?", err=True))


def _plan(
    database: catalog.database.Database, wanted: list[presets.wanted.Wanted], *, prune: bool
) -> presets.registration.Plan:
    with database.session() as session:
        return presets.registration.plan_providers(session, wanted, environ=os.environ, whole=True, prune=prune)


def _carry_out(
    database: catalog.database.Database,
    wanted: list[presets.wanted.Wanted],
    shown: presets.registration.Plan,
    *,
    prune: bool,
    new_hosts: list[str],
) -> None:
    with database.session() as session:
        plan = presets.registration.plan_providers(session, wanted, environ=os.environ, whole=True, prune=prune)
        if plan != shown:
            raise ConfigurationError(
                "the catalogue was changed since the plan was made; nothing was done", hint="look at the plan again"
            )
        presets.registration.apply_plan(session, plan, new_hosts=new_hosts)
        session.commit()
