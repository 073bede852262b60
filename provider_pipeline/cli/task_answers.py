"""`provider-pipeline tasks answer|claim|propose|approve|reject`: answers, from the built-in agent or from outside.

Here: commands; each is a call into `sync`. Not here: listing tasks (`tasks.py`). Any agent can work with `claim` and
`propose`: the evidence is JSON, and the rule it submits passes the same gates as a generated one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from provider_pipeline import catalog, sync
from provider_pipeline.cli.console import (
    ByOption,
    JsonOption,
    ReasonOption,
    draw,
    drawn_report,
    emit_json,
    note,
    read_json,
    say,
)
from provider_pipeline.cli.tasks import task_document
from provider_pipeline.errors import CatalogError


def answer(slug: str, as_json: JsonOption = False) -> None:
    """Have the built-in agent answer a provider's tasks now. Exit code 1 when one needs a person."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.providers.get(session, slug)
        repairs = sync.repair.worker.answer_tasks(session, slug)
    if as_json:
        emit_json([repair.to_json() for repair in repairs])
    elif not repairs:
        note(f"{slug}: no task is due")
    else:
        for repair in repairs:
            draw(drawn_report(repair.report))
    raise typer.Exit(1 if any(repair.status == "needs_review" for repair in repairs) else 0)


def claim(
    task_id: Annotated[int | None, typer.Argument(help="The task; the oldest that is due when left out.")] = None,
    worker: Annotated[str | None, typer.Option(help="A name that is nobody else's; made up when left out.")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="How long the task is the worker's.")] = 60,
) -> None:
    """Take a task, and print its evidence as JSON: what failed, what changed, and where the response is stored."""
    name = worker or sync.repair.worker.worker_name()
    with catalog.database.open_catalog() as database, database.session() as session:
        now = datetime.now(UTC)
        task = catalog.task_claims.claim(
            session, worker=name, now=now, lease=timedelta(minutes=minutes), task_id=task_id
        )
        session.commit()
        if task is None:
            if task_id is None:
                raise CatalogError("no task is due", hint="see provider-pipeline tasks")
            found = catalog.tasks.get(session, task_id)
            state = f"is with {found.claimed_by}" if found.claimed_by else f"is {found.status}, and not due"
            raise CatalogError(f"task {task_id} {state}", hint="a task that waits for a person takes `tasks propose`")
    emit_json(
        task_document(task)
        | {
            "worker": name,
            "next": [
                f"provider-pipeline raw export {task.raw_response_id} FILE",
                f"provider-pipeline tasks propose {task.id} --rule FILE --worker {name}",
            ],
        }
    )


def propose(
    task_id: int,
    rule: Annotated[Path, typer.Option(help="The rule as JSON, in either form of docs/rules.md.", exists=True)],
    worker: Annotated[str | None, typer.Option(help="The name under which the task was claimed, if it was.")] = None,
    author: Annotated[Literal["person", "agent"], typer.Option(help="Who wrote the rule.")] = "person",
    remark: Annotated[str | None, typer.Option("--note", help="What its author says about it.")] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a task with a rule of your own, judged at once. Exit code 1 when it does not pass every gate."""
    with catalog.database.open_catalog() as database, database.session() as session:
        repair = sync.repair.review.propose_rule(
            session, task_id, read_json(rule), author=author, worker=worker, note=remark, created_by_id=by
        )
    if as_json:
        emit_json(repair.to_json())
    else:
        draw(drawn_report(repair.report))
    passed = repair.rejected is None and (repair.activated or repair.status == "kept")
    raise typer.Exit(0 if passed else 1)


def approve(
    task_id: int,
    reason: ReasonOption,
    looked_at: Annotated[
        int | None, typer.Option("--version", help="The version looked at: one proposed since is not activated.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Activate the rule that a task proposes although a gate held it, and close the task."""
    with catalog.database.open_catalog() as database, database.session() as session:
        version = sync.repair.review.approve_task(session, task_id, reason=reason, version=looked_at, created_by_id=by)
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
    else:
        say(
            f"{task.slug}: rule version {version} is active; next: provider-pipeline sync {task.slug} "
            "(with --accept GUARD, where the report says that history holds the listing too)"
        )


def reject(task_id: int, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Reject the rule that a task proposes; the task stays open for another one."""
    with catalog.database.open_catalog() as database, database.session() as session:
        sync.repair.review.reject_task(session, task_id, reason=reason, created_by_id=by)
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
    else:
        say(f"{task.slug}: rule version {task.proposed_version} is rejected; task {task_id} waits for another")
