"""`provider-pipeline tasks`: what waits for somebody."""

from typing import Annotated, Any

import typer
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.cli.console import JsonOption, emit_json, stdout, table


def tasks(
    open_only: Annotated[bool, typer.Option("--open/--all", help="Only open tasks, or all.")] = True,
    as_json: JsonOption = False,
) -> None:
    """List the RULE_GEN tasks."""
    with catalog.open_catalog() as database, database.session() as session:
        found = [task for task in catalog.list_tasks(session) if not open_only or task.status in catalog.OPEN_STATUSES]
    if as_json:
        emit_json([task_document(task) for task in found])
    else:
        stdout().print(task_table(found))


def task_document(task: catalog.Task) -> dict[str, Any]:
    """A task as plain JSON."""
    return {
        "id": task.id,
        "provider": task.slug,
        "type": task.type,
        "status": task.status,
        "created_at": task.created_at.isoformat(),
        "config": task.config,
    }


def task_table(found: list[catalog.Task]) -> Table:
    """Tasks, one line each: what failed first, and on which raw response."""
    return table(
        "RULE_GEN tasks",
        ("task", "provider", "status", "raw response", "what failed"),
        (
            (
                task.id,
                task.slug,
                task.status,
                task.config.get("raw_response_id"),
                next(
                    (issue["message"] for issue in task.config.get("issues", ()) if issue.get("severity") == "error"),
                    None,
                ),
            )
            for task in found
        ),
        right=("task", "raw response"),
    )
