"""`provider-pipeline demo`: the whole pipeline on sample providers, with nothing to set up.

Here: the order of the demo and its summary. The sync itself is `sync_all_providers_job`, run by Dagster in a process of
its own, against real HTTP and a real PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from provider_pipeline import catalog, samples, sync
from provider_pipeline.cli.console import JsonOption, draw, emit_json, note, outcome_table, say, stdout
from provider_pipeline.cli.sample_providers import (
    ListingsOption,
    delete_demo,
    demo_workbench,
    prepare_samples,
    sample_keys,
    sample_server,
)
from provider_pipeline.cli.tasks import task_document, task_table
from provider_pipeline.cli.workbench import MODULE, WORKSPACE, Workbench, dagster_command, run_logged

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class _Result:
    summaries: list[dict[str, Any]]
    tasks: list[catalog.tasks.Task]
    as_expected: bool


def demo(
    listings: ListingsOption = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove all that the demo wrote, and do nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sync a fleet of sample providers through Dagster into an embedded PostgreSQL of the demo's own.

    Your own catalogue is not touched. Exit code 0 when the deliberately broken samples are the only ones not written.
    """
    if delete:
        if listings is not None:
            raise typer.BadParameter("--delete removes everything of the demo, and goes alone")
        _delete()
        return
    server = sample_server(listings)
    with demo_workbench(listings) as bench, server:
        note(f"{len(server.providers)} sample providers are served at {server.url}")
        result = _run(bench, server, whole=listings is not None)
    if as_json:
        emit_json(
            {
                "providers": [summary | {"sample": True} for summary in result.summaries],
                "tasks": [task_document(task) for task in result.tasks],
                "as_expected": result.as_expected,
            }
        )
    else:
        _draw(stdout(), result, listings)
    raise typer.Exit(0 if result.as_expected else 1)


def _delete() -> None:
    folder = delete_demo()
    say("there is no demo to remove" if folder is None else f"removed {folder}")


def _run(bench: Workbench, server: samples.server.SampleServer, *, whole: bool) -> _Result:
    """Runs the demo.

    Args:
        bench: Where it runs.
        server: The providers.
        whole: Each sample is its provider's whole listing: a file of a folder has no further pages.
    """
    started = datetime.now(UTC)
    keys = sample_keys(server)
    without_rule = {
        slug: sync.outcome.SyncOutcome(slug, "failed", reason=f"no rule: {error}")
        for slug, error in prepare_samples(bench.database, server, keys, whole=whole).items()
    }
    note(f"running sync_all_providers_job through Dagster (log: {bench.log_file('demo-run')})")
    run_logged(
        bench, dagster_command("job", "execute", *MODULE, "-j", "sync_all_providers_job"), "demo-run", extra=keys
    )
    note("evaluating rule_generation_sensor")
    run_logged(
        bench, dagster_command("sensor", "preview", "rule_generation_sensor", *WORKSPACE), "demo-sensor", extra=keys
    )
    with bench.database.session() as session:
        summaries = [
            without_rule[provider.slug].summary()
            if provider.slug in without_rule
            else _last_result(session, provider.slug, since=started) or _not_run(provider.slug).summary()
            for provider in server.providers
        ]
        tasks = catalog.tasks.list_tasks(session, status=catalog.tasks.OPEN_STATUSES)
    not_written = {summary["provider"] for summary in summaries if summary["status"] != "synced"}
    broken = {provider.slug for provider in server.providers if provider.broken}
    # A broken one may have been repaired since, by a rule that `dev` had written.
    return _Result(summaries, tasks, not_written <= broken)


def _last_result(session: Session, slug: str, *, since: datetime) -> dict[str, Any] | None:
    """What the run recorded for this provider; None when it did not reach it."""
    state = catalog.sync_state.get(session, catalog.providers.get(session, slug).id)
    reached = state.last_checked_at is not None and state.last_checked_at >= since
    return state.last_result if reached else None


def _not_run(slug: str) -> sync.outcome.SyncOutcome:
    return sync.outcome.SyncOutcome(slug, "failed", reason="the run did not reach this provider; see its log")


def _draw(console: Console, result: _Result, listings: Path | None) -> None:
    samples = {summary["provider"] for summary in result.summaries}
    tasks = [task_table(result.tasks, samples=samples)] if result.tasks else []
    outcomes = outcome_table("sync_all_providers_job", result.summaries, samples=samples)
    draw(outcomes, *tasks, *_closing(result, listings), console=console)


def _closing(result: _Result, listings: Path | None) -> Iterator[str]:
    synced = sum(summary["status"] == "synced" for summary in result.summaries)
    models = sum(summary["models"] for summary in result.summaries if summary["status"] == "synced")
    yield f"{synced} of {len(result.summaries)} providers are synced, {models} models."
    if listings is None and result.as_expected and synced < len(result.summaries):
        yield "The others are broken on purpose: their rows are as they were before."
    yield "These are sample providers, in a catalogue of the demo's own: yours has none of them."
    command = "make demo-ui" if listings is None else f"provider-pipeline dev --demo --listings {listings}"
    yield f"See it in the Dagster UI: {command}, then http://127.0.0.1:3000"
