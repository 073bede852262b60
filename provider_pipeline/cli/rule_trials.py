"""`provider-pipeline rules trial start|status|stop`: a rule reads along with the active one before anybody decides.

Here: commands. Not here: what a trial does in each sync and at its end (`sync.trials`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, sync
from provider_pipeline.cli.console import (
    ByOption,
    JsonOption,
    ReasonOption,
    draw,
    emit_json,
    read_json,
    say,
    table,
)

app = typer.Typer(help="Rules on trial: they read every listing beside the active rule, and write nothing.")


@app.command()
def start(
    slug: str,
    reason: ReasonOption,
    version: Annotated[int | None, typer.Option(min=1, help="A stored version.")] = None,
    rule: Annotated[Path | None, typer.Option(help="A rule as JSON, in either form.", exists=True)] = None,
    syncs: Annotated[int | None, typer.Option(min=1, help="End after so many syncs.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="End after so many days.")] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Activate it at the end if it passes every gate; else only report.")
    ] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a stored version, or a rule from a file, on trial for some syncs or days, whichever ends first."""
    if (version is None) is (rule is None):
        raise typer.BadParameter("give --version, or --rule with a file")
    if syncs is None and days is None:
        raise typer.BadParameter("a trial needs an end: give --syncs, --days, or both")
    with catalog.database.open_catalog() as database, database.session() as session:
        provider = catalog.providers.get(session, slug)
        if rule is not None:
            version = sync.repair.trials.store_for_trial(
                session, provider.id, read_json(rule), reason=reason, created_by_id=by
            )
        now = datetime.now(UTC)
        trial = catalog.trials.start(
            session,
            provider.id,
            version or 0,
            now=now,
            reason=reason,
            until_syncs=syncs,
            until_at=now + timedelta(days=days) if days is not None else None,
            policy="promote" if promote else "report",
            created_by_id=by,
        )
        session.commit()
        report = sync.repair.trials.report_trial(session, trial)
    if as_json:
        emit_json(_document(report))
    else:
        say(f"{slug}: rule version {trial.version} is on trial (trial {trial.id})")


@app.command()
def status(
    slug: Annotated[str | None, typer.Argument(help="Only this provider's trials.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials and what they have found so far."""
    with catalog.database.open_catalog() as database, database.session() as session:
        reports = [
            sync.repair.trials.report_trial(session, trial) for trial in catalog.trials.list_trials(session, slug=slug)
        ]
    if as_json:
        emit_json([_document(report) for report in reports])
        return
    draw(
        table(
            "trials",
            ("trial", "provider", "version", "status", "syncs", "listings", "until", "policy", "so far"),
            (
                (
                    report.trial.id,
                    report.trial.slug,
                    report.trial.version,
                    report.trial.status,
                    report.trial.syncs,
                    report.trial.responses,
                    _until(report.trial),
                    report.trial.policy,
                    _so_far(report),
                )
                for report in reports
            ),
            right=("trial", "version", "syncs", "listings"),
        )
    )


@app.command()
def stop(trial_id: int, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """End a trial early; its scores stay."""
    with catalog.database.open_catalog() as database, database.session() as session:
        trial = catalog.trials.end(session, trial_id, status="stopped", now=datetime.now(UTC), reason=reason)
        session.commit()
        report = sync.repair.trials.report_trial(session, trial)
    if as_json:
        emit_json(_document(report))
    else:
        say(f"{trial.slug}: trial {trial.id} is stopped")


def _until(trial: catalog.trials.RuleTrial) -> str:
    ends = [
        f"{trial.until_syncs} syncs" if trial.until_syncs is not None else "",
        f"{trial.until_at:%Y-%m-%d %H:%M}" if trial.until_at is not None else "",
    ]
    return " or ".join(end for end in ends if end)


def _so_far(report: sync.repair.trials.TrialReport) -> str:
    if report.trial.end_reason:
        return report.trial.end_reason
    if not report.shadows:
        return "no listing yet"
    failed = [gate for gate in report.gates if not gate.passed]
    return f"fails {failed[0].name.replace('_', ' ')}: {failed[0].actual}" if failed else "passes every gate"


def _document(report: sync.repair.trials.TrialReport) -> dict[str, Any]:
    trial = report.trial
    return {
        "id": trial.id,
        "provider": trial.slug,
        "version": trial.version,
        "status": trial.status,
        "policy": trial.policy,
        "syncs": trial.syncs,
        "responses": trial.responses,
        "until_syncs": trial.until_syncs,
        "until_at": trial.until_at.isoformat() if trial.until_at else None,
        "reason": trial.reason,
        "end_reason": trial.end_reason,
        "passed": report.passed,
        "gates": [gate.to_json() for gate in report.gates],
        "shadows": [shadow.to_json() for shadow in report.shadows],
    }
