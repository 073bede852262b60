"""`provider-pipeline patterns`: which name patterns the rules share, and the rollout of other ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_pipeline import catalog, sync
from provider_pipeline.cli.console import draw, emit_json, iso, say, table
from provider_pipeline.cli.parameters import ByOption, JsonOption, ReasonOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

_SHOWN_MODELS = 20

app = typer.Typer(help="Try and activate the name patterns that all rules share.", no_args_is_help=True)

_Digest = Annotated[
    str | None,
    typer.Option("--set", help="The first digits of a set's digest; default: the newest candidate.", metavar="DIGEST"),
]


@app.command("list")
def list_sets(as_json: JsonOption = False) -> None:
    """List the contents of the pattern set: which one is active, and what a trial of the others found."""
    with catalog.database.open_catalog() as database, database.session() as session:
        _note_shipped(session)
        stored = catalog.pattern_sets.list_pattern_sets(session)
    if as_json:
        emit_json([asdict(each) for each in stored])
        return
    rows = (
        (
            *(_short(each.digest), each.status, each.package_version, iso(each.created_at)),
            iso(each.activated_at),
            None if each.report is None else _summary(each.report),
        )
        for each in stored
    )
    draw(table("pattern sets", ("digest", "status", "package", "stored", "activated", "trial"), rows))


@app.command("try")
def try_set(digest: _Digest = None, as_json: JsonOption = False) -> None:
    """Read the newest accepted listing of every provider with a set and the active one, and store what would change."""
    with catalog.database.open_catalog() as database, database.session() as session:
        _note_shipped(session)
        stored = catalog.pattern_sets.find(session, digest)
        report = sync.repair.pattern_trial.try_pattern_set(session, stored.digest)
        session.commit()
    if as_json:
        emit_json(report)
        return
    say(f"pattern set {_short(stored.digest)}: {_summary(report)}")
    changes = list(_changes(report))
    if changes:
        draw(
            table("capabilities", ("change", "models"), report["totals"]["capabilities"].items(), right=("models",)),
            table("models", ("provider", "model", "change"), changes[:_SHOWN_MODELS]),
        )
    if len(changes) > _SHOWN_MODELS:
        say(f"and {len(changes) - _SHOWN_MODELS} more models (complete with --json)")
    for slug, reason in report["skipped"].items():
        say(f"{slug}: not tried: {reason}")


@app.command()
def activate(
    reason: ReasonOption,
    digest: _Digest = None,
    force: Annotated[bool, typer.Option("--force", help="Activate it although it was not tried.")] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a set the active one: the next sync of every provider reads its listing with it."""
    with catalog.database.open_catalog() as database, database.session() as session:
        stored = catalog.pattern_sets.find(session, digest)
        if not force:
            sync.repair.pattern_trial.require_tried(session, stored)
        catalog.pattern_sets.activate(session, stored.digest, reason=reason, created_by_id=by)
        session.commit()
    _print_active(stored.digest, as_json)


@app.command()
def rollback(reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Make the set active again that was active before."""
    with catalog.database.open_catalog() as database, database.session() as session:
        digest = catalog.pattern_sets.roll_back(session, reason=reason, created_by_id=by)
        session.commit()
    _print_active(digest, as_json)


def _note_shipped(session: Session) -> None:
    if catalog.pattern_sets.note_shipped(session):
        session.commit()


def _print_active(digest: str, as_json: bool) -> None:
    if as_json:
        emit_json({"active": digest})
    else:
        say(f"pattern set {_short(digest)} is active; the next syncs use it")


def _changes(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    words = {True: "yes", False: "no", None: "unknown"}
    for one in report["providers"]:
        for model_id, changes in one["changes"].items():
            text = ", ".join(f"{name} {words[old]} -> {words[new]}" for name, (old, new) in changes.items())
            yield one["provider"], model_id, text


def _summary(report: Mapping[str, Any]) -> str:
    totals = report["totals"]
    return f"{totals['changed']} of {totals['models']} models of {totals['providers']} providers change"


def _short(digest: str) -> str:
    return digest[: catalog.pattern_sets.SHORT_DIGEST]
