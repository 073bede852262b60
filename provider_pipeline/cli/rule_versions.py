"""`provider-pipeline rules versions|diff|activate|rollback|trial`: which rule is active, how it came to be, and trials.

A trial reads every listing beside the active rule, without writing, before anyone decides (`sync.repair.trials`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from provider_pipeline import catalog, rules, sync
from provider_pipeline.cli.console import draw, draw_list, emit_json, iso, say, say_lines, table
from provider_pipeline.cli.parameters import (
    ByOption,
    JsonOption,
    OptionalSlugArgument,
    ReasonOption,
    SlugArgument,
    read_json,
)

trial_app = typer.Typer(help="Try a rule on every listing beside the active one, writing nothing.")

_TrialArgument = Annotated[int, typer.Argument(metavar="TRIAL", help="The trial, as `rules trial status` numbers it.")]
_Version = Annotated[int, typer.Argument(min=1, help="A rule version of the provider.")]


def versions(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """List a provider's rule versions: status, author, and the reason for the status."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        found = catalog.rule_versions.list_rule_versions(session, provider_id)
        events = catalog.rule_versions.events(session, provider_id)
    history = {each.version: [event for event in events if event.version == each.version] for each in found}
    if as_json:
        emit_json(
            [
                {"provider": slug, **_version_document(each), "events": list(map(_event, history[each.version]))}
                for each in found
            ]
        )
        return
    rows = (
        (
            *(each.version, each.status, each.author, each.created_by_id, each.parent_version),
            iso(each.created_at),
            history[each.version][-1].reason if history[each.version] else None,
        )
        for each in found
    )
    columns = ("version", "status", "author", "by", "parent", "made", "why")
    draw(table(f"{slug}: rule versions", columns, rows, right=("version", "by", "parent")))


def diff(
    slug: SlugArgument,
    before: _Version,
    after: _Version,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the difference between two rule versions."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        old, new = (
            sync.plan.stored_rule(session, catalog.rule_versions.get(session, provider_id, version))
            for version in (before, after)
        )
    differences: list[rules.difference.RuleDifference] = rules.difference.rule_differences(old, new)
    if as_json:
        emit_json([asdict(each) for each in differences])
    elif markdown:
        say_lines(rules.difference.difference_markdown(differences))
    else:
        for line in rules.difference.difference_lines(differences):
            say(line)


def activate(
    slug: SlugArgument, version: _Version, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Make a rule version the active one; the next sync reads with it."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        catalog.rule_versions.activate_rule(session, provider_id, version, reason=reason, created_by_id=by)
        session.commit()
    _print_active(slug, version, as_json)


def rollback(slug: SlugArgument, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Reactivate the version that was active before the present one."""
    with catalog.database.open_catalog() as database, database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        version = catalog.rule_versions.roll_back(session, provider_id, reason=reason, created_by_id=by)
        session.commit()
    _print_active(slug, version, as_json)


def _print_active(slug: str, version: int, as_json: bool) -> None:
    if as_json:
        emit_json({"provider": slug, "active": version})
    else:
        say(f"{slug}: rule version {version} is active; read the listing with it: provider-pipeline sync {slug}")


@trial_app.command()
def start(
    slug: SlugArgument,
    reason: ReasonOption,
    version: Annotated[int | None, typer.Option(min=1, help="A stored version.")] = None,
    rule: Annotated[Path | None, typer.Option(help="A rule as JSON, in either form.", exists=True)] = None,
    syncs: Annotated[int | None, typer.Option(min=1, help="End after this many syncs.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="End after this many days.")] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Activate it at the end if it passes every gate; else only report.")
    ] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a stored version, or a rule from a file, on trial until it has had enough syncs or days."""
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
        emit_json(_trial_document(report))
    else:
        say(f"{slug}: rule version {trial.version} is on trial (trial {trial.id})")


@trial_app.command()
def status(
    slug: OptionalSlugArgument = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trials and their results so far."""
    with catalog.database.open_catalog() as database, database.session() as session:
        reports = [
            sync.repair.trials.report_trial(session, trial) for trial in catalog.trials.list_trials(session, slug=slug)
        ]
    if as_json:
        emit_json([_trial_document(report) for report in reports])
        return
    names = ("id", "slug", "version", "status", "syncs", "responses")
    rows = (
        (
            *(getattr(report.trial, name) for name in names),
            *(_until(report.trial), report.trial.policy, _so_far(report)),
        )
        for report in reports
    )
    columns = ("trial", "provider", "version", "status", "syncs", "listings", "until", "policy", "so far")
    drawn = table("trials", columns, rows, right=("trial", "version", "syncs", "listings"))
    draw_list(drawn, empty="there are no trials yet")


@trial_app.command()
def stop(trial_id: _TrialArgument, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """End a trial early; its scores stay."""
    with catalog.database.open_catalog() as database, database.session() as session:
        trial = catalog.trials.end(session, trial_id, status="stopped", now=datetime.now(UTC), reason=reason)
        session.commit()
        report = sync.repair.trials.report_trial(session, trial)
    if as_json:
        emit_json(_trial_document(report))
    else:
        say(f"{trial.slug}: trial {trial.id} is stopped")


def _version_document(version: catalog.rule_versions.StoredRuleVersion) -> dict[str, Any]:
    names = ("version", "status", "author", "created_by_id", "parent_version", "origin", "digest", "sample_id")
    return {name: getattr(version, name) for name in names} | {"created_at": version.created_at}


def _event(event: catalog.rule_versions.RuleEvent) -> dict[str, Any]:
    names = ("status", "reason", "scores", "task_id", "created_by_id")
    return {name: getattr(event, name) for name in names} | {"created_at": event.created_at}


def _until(trial: catalog.trials.RuleTrial) -> str:
    ends = [
        f"{trial.until_syncs} syncs" if trial.until_syncs is not None else "",
        iso(trial.until_at) or "",
    ]
    return " or ".join(end for end in ends if end)


def _so_far(report: sync.repair.trials.TrialReport) -> str:
    if report.trial.end_reason:
        return report.trial.end_reason
    if not report.shadows:
        return "no listing yet"
    failed = [gate for gate in report.gates if not gate.passed]
    return f"fails {failed[0].name.replace('_', ' ')}: {failed[0].actual}" if failed else "passes every gate"


def _trial_document(report: sync.repair.trials.TrialReport) -> dict[str, Any]:
    trial = report.trial
    names = ("id", "version", "status", "policy", "syncs", "responses", "until_syncs", "reason", "end_reason")
    return {
        "provider": trial.slug,
        **{name: getattr(trial, name) for name in names},
        "until_at": trial.until_at,
        "passed": report.passed,
        "gates": [gate.to_json() for gate in report.gates],
        "shadows": [shadow.to_json() for shadow in report.shadows],
    }
