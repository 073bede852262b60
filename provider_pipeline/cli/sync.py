"""`provider-pipeline sync`: sync providers now, without Dagster."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from provider_pipeline import catalog, listing, rules, sync
from provider_pipeline.cli.console import (
    change_lines,
    draw,
    emit_json,
    fail,
    outcome_line,
    outcome_parts,
    say,
    stderr,
)
from provider_pipeline.cli.parameters import (
    ByOption,
    EveryOption,
    JsonOption,
    SlugsArgument,
    WorkersOption,
    wanted_slugs,
)


def sync_providers(
    slugs: SlugsArgument = None,
    every: EveryOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything, show the changes, and roll back.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GUARD",
            help=f"Accept a listing that this guard holds: {', '.join(rules.issues.GUARDS)}, all; may be repeated.",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why that listing is right; recorded with your name.")] = None,
    by: ByOption = None,
    workers: WorkersOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Sync providers. Exit code 1: something was blocked or failed."""
    accepted = sync.plan.accept_guards(accept or [], reason, author=getpass.getuser(), created_by_id=by)
    if accepted is not None and every:
        raise typer.BadParameter("--accept is for one listing that you have looked at: name its provider")
    if bool(slugs) is every:
        raise typer.BadParameter("name the providers to sync, or give --all (and not both)")
    with catalog.database.open_catalog(client_name="the CLI") as database:
        with database.session() as session:
            wanted = wanted_slugs(session, slugs, every=every)
            samples = catalog.providers.sample_slugs(session)
        outcomes = _sync(database, wanted, workers=workers, keep="nothing" if dry_run else "all", accept=accepted)
        if not dry_run:
            with database.session() as session:
                for outcome in outcomes:
                    if outcome.status == "blocked":
                        sync.repair.worker.open_task_for(session, outcome)
                sync.events.refresh_canonical_models(session, now=datetime.now(UTC))
                session.commit()
    outcomes.sort(key=lambda outcome: outcome.slug)
    if outcomes and all(outcome.status == "skipped" for outcome in outcomes):
        fail("nothing was synced: other processes are syncing every one of these providers")
    if as_json:
        emit_json(
            [
                outcome.summary()
                | {"sample": outcome.slug in samples, "changes": [asdict(change) for change in outcome.changes]}
                for outcome in outcomes
            ]
        )
    elif outcomes:
        summaries = (outcome.summary() for outcome in outcomes)
        draw(*outcome_parts("dry run" if dry_run else "sync", summaries, samples=samples))
        if dry_run:
            _print_changes(outcomes)
    raise typer.Exit(0 if all(outcome.status == "synced" for outcome in outcomes) else 1)


def _sync(
    database: catalog.database.Database,
    slugs: list[str],
    *,
    workers: int,
    keep: sync.outcome.WriteMode,
    accept: sync.plan.AcceptedGuards | None,
) -> list[sync.outcome.SyncOutcome]:
    console = stderr()
    attempts = sync.fleet.attempt_many(
        database.session,
        slugs,
        client=listing.client.ListingClient(),
        max_workers=workers,
        keep=keep,
        accept=accept,
    )
    if console.is_terminal:
        from provider_pipeline.cli.progress import with_progress  # noqa: PLC0415 - scripts draw none

        return list(with_progress(attempts, len(slugs), console))
    outcomes = []
    for outcome in attempts:
        outcomes.append(outcome)
        draw(outcome_line(outcome), console=console)
    return outcomes


def _print_changes(outcomes: list[sync.outcome.SyncOutcome]) -> None:
    for outcome in outcomes:
        for line in change_lines(outcome.changes, outcome.total_changes):
            say(f"{outcome.slug}: {line}")
