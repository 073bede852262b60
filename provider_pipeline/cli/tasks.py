"""`provider-pipeline tasks`: what waits for somebody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.cli.console import (
    ByOption,
    JsonOption,
    ReasonOption,
    draw,
    drawn_report,
    emit_json,
    marked,
    say,
    table,
)

_OpenOption = Annotated[bool, typer.Option("--open/--all", help="Only open tasks, or all.")]
_TIMES = ("created_at", "started_at", "finished_at", "next_attempt_at", "claimed_until")

app = typer.Typer(help="The RULE_GEN tasks: what waits for a new rule, or for somebody's decision.")


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
        draw(task_table(found, samples=samples))


@app.command()
def show(task_id: int, as_json: JsonOption = False) -> None:
    """Show what failed, what is known of it, and what came of the task so far."""
    with catalog.database.open_catalog() as database, database.session() as session:
        task = catalog.tasks.get(session, task_id)
    if as_json:
        emit_json(task_document(task))
        return
    draw(*_drawn(task))


@app.command()
def retry(task_id: int, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Have a task that failed, was cancelled or waits for a person taken up again, from the beginning."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.tasks.retry(session, task_id, reason=reason, created_by_id=by)
        session.commit()
        task = catalog.tasks.get(session, task_id)
    _say(task, as_json)


@app.command()
def cancel(task_id: int, reason: ReasonOption, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Close an open task without an answer; a worker at it is told when it wants to answer."""
    with catalog.database.open_catalog() as database, database.session() as session:
        catalog.tasks.set_status(session, task_id, "CANCELLED", result={"reason": reason, "created_by_id": by})
        session.commit()
        task = catalog.tasks.get(session, task_id)
    _say(task, as_json)


def task_document(task: catalog.tasks.Task) -> dict[str, Any]:
    """A task as plain JSON."""
    names = ("id", "type", "status", "attempts", "claimed_by", "proposed_version", "created_by_id")
    times = {name: getattr(task, name) for name in _TIMES}
    return {
        "provider": task.slug,
        **{name: getattr(task, name) for name in names},
        **{name: time.isoformat() if time else None for name, time in times.items()},
        "config": task.config,
        "result": task.result,
        "report": task.report,
    }


def task_table(found: list[catalog.tasks.Task], *, samples: Collection[str]) -> Table:
    """Tasks, one line each: what failed first, and on which raw response; those of sample providers are marked."""
    return table(
        "RULE_GEN tasks",
        ("task", "provider", "status", "raw response", "what failed"),
        (
            (
                task.id,
                marked(task.slug, sample=task.slug in samples),
                task.status,
                task.config.get("raw_response_id"),
                task.first_error,
            )
            for task in found
        ),
        right=("task", "raw response"),
    )


def _drawn(task: catalog.tasks.Task) -> Iterator[RenderableType]:
    document = task_document(task)
    config, report = document.pop("config"), document.pop("report")
    result = document.pop("result") or {}
    yield table(
        f"task {task.id}: {task.slug}",
        ("", "value"),
        (
            *(
                (name, value)
                for name, value in document.items()
                if value is not None and name not in ("id", "provider")
            ),
            ("raw_response_id", config.get("raw_response_id")),
        ),
    )
    if result:
        yield table("what came of it", ("about", "what"), ((name, _lines(value)) for name, value in result.items()))
    yield table(
        "what failed",
        ("severity", "issue", "message"),
        ((issue.get("severity"), issue.get("type"), issue.get("message")) for issue in config.get("issues", ())),
    )
    if evidence := config.get("evidence"):
        yield table("evidence", ("about", "what"), ((name, _lines(value)) for name, value in evidence.items()))
    if report:
        yield drawn_report(report)


def _lines(value: Any) -> list[Any] | str:
    """Free JSON for people: a list line by line, an object as the sentence it holds or as its entries."""
    if isinstance(value, list):
        return [_lines(each) for each in value]
    if isinstance(value, dict):
        return str(value["text"]) if "text" in value else ", ".join(f"{name}: {each}" for name, each in value.items())
    return str(value)


def _say(task: catalog.tasks.Task, as_json: bool) -> None:
    if as_json:
        emit_json(task_document(task))
    else:
        say(f"task {task.id} of {task.slug} is {task.status}")
