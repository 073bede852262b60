"""`provider-pipeline tasks`: RULE_GEN tasks, and their answers from the built-in agent, a person or any other agent.

An agent of your own works with `claim` and `propose`: the evidence is JSON, and its rule passes the same gates as a
generated one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from provider_pipeline import catalog, sync
from provider_pipeline.cli.console import draw, draw_list, drawn_report, emit_json, marked, note, say, table
from provider_pipeline.cli.parameters import ByOption, JsonOption, ReasonOption, SlugArgument, read_json
from provider_pipeline.cli.tables import FittedTable
from provider_pipeline.errors import CatalogError

_TaskArgument = Annotated[int, typer.Argument(metavar="TASK", help="The task, as `tasks` numbers it.")]
_OpenOption = Annotated[bool, typer.Option("--open/--all", help="Only open tasks, or all.")]
_TIMES = ("created_at", "started_at", "finished_at", "next_attempt_at", "claimed_until")

app = typer.Typer(help="Look at and decide RULE_GEN tasks: providers that wait for a new rule or for you.")


@app.callback(invoke_without_command=True)
def tasks(context: typer.Context, open_only: _OpenOption = True, as_json: JsonOption = False) -> None:
    """List the RULE_GEN tasks."""
    if context.invoked_subcommand is None:
        list_tasks(open_only, as_json)


@app.command("list")
def list_tasks(open_only: _OpenOption = True, as_json: JsonOption = False) -> None:
    """List the RULE_GEN tasks."""
    with catalog.database.open_catalog() as database, database.session() as session:
        found = catalog.tasks.list_tasks(session, status=catalog.tasks.OPEN_STATUSES if open_only else None)
        samples = catalog.providers.sample_slugs(session)
    if as_json:
        emit_json([task_document(task) for task in found])
    else:
        empty = "no RULE_GEN task is open" if open_only else "there are no RULE_GEN tasks yet"
        draw_list(task_table(found, samples=samples), empty=empty)


@app.command()
def show(task_id: _TaskArgument, as_json: JsonOption = False) -> None:
    """Show what failed, the evidence, and the result so far."""
    with catalog.database.open_catalog() as database, database.session() as session:
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
        return
    draw(*_drawn(task))


@app.command()
def retry(task_id: _TaskArgument, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Restart a task that failed, was cancelled or waits for a person."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.tasks.retry(session, task_id, reason=reason, created_by_id=by)
        session.commit()
        task = catalog.tasks.get(session, task_id)
    _print_status(task, as_json)


@app.command()
def cancel(task_id: _TaskArgument, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Close an open task without an answer; a worker that holds it learns so when it answers."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.tasks.set_status(session, task_id, "CANCELLED", result={"reason": reason, "created_by_id": by})
        session.commit()
        task = catalog.tasks.get(session, task_id)
    _print_status(task, as_json)


@app.command()
def answer(slug: SlugArgument, as_json: JsonOption = False) -> None:
    """Let the built-in agent answer a provider's tasks now. Exit code 1 if one needs a person."""
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


@app.command()
def claim(
    task_id: Annotated[
        int | None, typer.Argument(metavar="TASK", help="The task; default: the oldest that is due.")
    ] = None,
    worker: Annotated[str | None, typer.Option(help="A unique name; default: a generated one.")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="How long the worker holds the task.")] = 60,
) -> None:
    """Claim a task, and print its evidence as JSON: what failed, what changed, and where the response is stored."""
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
            raise CatalogError(
                f"task {task_id} {state}", hint="answer a task that waits for a person with `tasks propose`"
            )
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


@app.command()
def propose(
    task_id: _TaskArgument,
    rule: Annotated[Path, typer.Option(help="The rule as JSON, in either form of docs/rules.md.", exists=True)],
    worker: Annotated[str | None, typer.Option(help="The name under which the task was claimed, if it was.")] = None,
    author: Annotated[Literal["person", "agent"], typer.Option(help="Who wrote the rule.")] = "person",
    remark: Annotated[str | None, typer.Option("--note", help="The author's remark.")] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a task with your own rule, which is judged at once. Exit code 1 unless it passes every gate."""
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


@app.command()
def approve(
    task_id: _TaskArgument,
    reason: ReasonOption,
    looked_at: Annotated[
        int | None, typer.Option("--version", help="The version you looked at: a newer proposal is not activated.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Activate a task's proposed rule although a gate held it, and close the task."""
    with catalog.database.open_catalog() as database, database.session() as session:
        version = sync.repair.review.approve_task(session, task_id, reason=reason, version=looked_at, created_by_id=by)
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
    else:
        say(
            f"{task.slug}: rule version {version} is active; next: provider-pipeline sync {task.slug} "
            "(with --accept GUARD, if the report says that a guard holds the listing too)"
        )


@app.command()
def reject(task_id: _TaskArgument, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Reject a task's proposed rule; the task stays open for another one."""
    with catalog.database.open_catalog() as database, database.session() as session:
        sync.repair.review.reject_task(session, task_id, reason=reason, created_by_id=by)
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
    else:
        say(f"{task.slug}: rule version {task.proposed_version} is rejected; task {task_id} waits for another")


def task_document(task: catalog.tasks.Task) -> dict[str, Any]:
    """A task as plain JSON."""
    names = ("id", "type", "status", "attempts", "claimed_by", "proposed_version", "created_by_id")
    return {
        "provider": task.slug,
        **{name: getattr(task, name) for name in names},
        **{name: getattr(task, name) for name in _TIMES},
        **{name: getattr(task, name) for name in ("raw_response_id", "config", "result", "report")},
    }


def task_table(found: list[catalog.tasks.Task], *, samples: Collection[str]) -> FittedTable:
    """Tasks, one line each: what failed first, and on which raw response; sample providers are marked."""
    rows = (
        (
            *(task.id, marked(task.slug, sample=task.slug in samples), task.status),
            *(task.config.get("raw_response_id"), task.first_error),
        )
        for task in found
    )
    columns = ("task", "provider", "status", "raw response", "what failed")
    return table("RULE_GEN tasks", columns, rows, right=("task", "raw response"))


def _drawn(task: catalog.tasks.Task) -> Iterator[RenderableType]:
    document = task_document(task)
    config, report = document.pop("config"), document.pop("report")
    result = document.pop("result") or {}
    known = {name: value for name, value in document.items() if value is not None and name not in ("id", "provider")}
    known["raw_response_id"] = config.get("raw_response_id")
    yield table(f"task {task.id}: {task.slug}", ("", "value"), known.items())
    if result:
        yield table("result", ("about", "what"), ((name, _lines(value)) for name, value in result.items()))
    columns = ("severity", "type", "message")
    rows = (tuple(issue.get(name) for name in columns) for issue in config.get("issues", ()))
    yield table("what failed", ("severity", "issue", "message"), rows)
    if evidence := config.get("evidence"):
        yield table("evidence", ("about", "what"), ((name, _lines(value)) for name, value in evidence.items()))
    if report:
        yield drawn_report(report)


def _lines(value: Any) -> list[Any] | str:
    """Any JSON as text: a list line by line, an object as its `text` if it has one, else as its entries."""
    if isinstance(value, list):
        return [_lines(each) for each in value]
    if isinstance(value, dict):
        return str(value["text"]) if "text" in value else ", ".join(f"{name}: {each}" for name, each in value.items())
    return str(value)


def _print_status(task: catalog.tasks.Task, as_json: bool) -> None:
    if as_json:
        emit_json(task_document(task))
    else:
        say(f"task {task.id} of {task.slug} is {task.status}")
