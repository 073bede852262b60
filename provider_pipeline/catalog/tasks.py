"""Tasks for an agent: what a failed check asks for.

Here: opening, listing and finishing the rows of `agent_task`. Not here: who works on them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import agent_task, provider
from provider_pipeline.errors import CatalogError

OPEN_STATUSES = ("PENDING", "RUNNING")
_FINISHED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class TaskRef:
    """A task, and whether the call made it.

    Attributes:
        id: The task's key.
        created: False if an open task for the same failure was there before.
    """

    id: int
    created: bool


@dataclass(frozen=True)
class Task:
    """A task as stored; see the comments on the table for what each column means."""

    id: int
    slug: str
    type: str
    status: str
    signature: str
    config: dict[str, Any]
    raw_response_id: int | None
    result: dict[str, Any] | None
    created_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def failure_signature(issues: Iterable[Mapping[str, Any]]) -> str:
    """What kind of failure a list of issues is: the same however often, and in whatever order, they come.

    Counts the types of the errors and the fields they name (their `field`, if any), not their numbers or texts; without
    an error, the types of whatever there is.

    Returns:
        64 hexadecimal digits.
    """
    listed = list(issues)
    errors = [issue for issue in listed if issue.get("severity") == "error"]
    kinds = sorted({(str(issue.get("type")), str(issue.get("field") or "")) for issue in errors or listed})
    return hashlib.sha256(json.dumps(kinds).encode()).hexdigest()


def open_rule_gen_task(
    session: Session,
    provider_id: int,
    *,
    raw_response_id: int | None,
    issues: Iterable[Mapping[str, Any]],
    created_by_id: int | None = None,
) -> TaskRef:
    """Ask for a new rule, unless an open task already does for the same kind of failure.

    A task that is already open is left exactly as it is, so that reporting the same failure again changes nothing.

    Args:
        session: Session to write with.
        provider_id: The provider whose rule does not fit.
        raw_response_id: The stored listing it does not fit, if there is one.
        issues: The verdict's issues.
        created_by_id: Who asked for the sync, if anybody.
    """
    listed = [dict(issue) for issue in issues]
    signature = failure_signature(listed)
    adding = (
        insert(agent_task)
        .values(
            provider_id=provider_id,
            type="RULE_GEN",
            signature=signature,
            config={"raw_response_id": raw_response_id, "issues": listed},
            created_by_id=created_by_id,
        )
        .on_conflict_do_nothing(
            index_elements=["provider_id", "signature"],
            index_where=(agent_task.c.type == "RULE_GEN") & agent_task.c.status.in_(OPEN_STATUSES),
        )
        .returning(agent_task.c.id)
    )
    existing = select(agent_task.c.id).where(
        agent_task.c.provider_id == provider_id,
        agent_task.c.signature == signature,
        agent_task.c.type == "RULE_GEN",
        agent_task.c.status.in_(OPEN_STATUSES),
    )
    for _ in range(3):
        if (task_id := session.scalar(adding)) is not None:
            return TaskRef(task_id, created=True)
        if (task_id := session.scalar(existing)) is not None:
            return TaskRef(task_id, created=False)
        # Somebody finished the open task between the two statements.
    raise CatalogError("the RULE_GEN task keeps changing", hint="try again")


def list_tasks(session: Session, *, status: str | None = None, slug: str | None = None) -> list[Task]:
    """Tasks, oldest first.

    Args:
        session: Session to read with.
        status: Only tasks of this status.
        slug: Only tasks about this provider.
    """
    columns = [agent_task.c[name] for name in Task.__dataclass_fields__ if name != "slug"]
    query = select(provider.c.slug, *columns).join(provider, provider.c.id == agent_task.c.provider_id)
    if status is not None:
        query = query.where(agent_task.c.status == status)
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    return [Task(**row) for row in session.execute(query.order_by(agent_task.c.id)).mappings()]


def open_tasks(session: Session, slug: str) -> list[Task]:
    """A provider's open tasks, oldest first."""
    return [task for task in list_tasks(session, slug=slug) if task.status in OPEN_STATUSES]


def set_task_status(session: Session, task_id: int, status: str, result: Mapping[str, Any] | None = None) -> None:
    """Move an open task on; a finished one stays as it is.

    Args:
        session: Session to write with.
        task_id: The task.
        status: PENDING, RUNNING, SUCCEEDED, FAILED or CANCELLED.
        result: What came of it; None keeps what is stored.

    Raises:
        CatalogError: There is no such status, no such task, or it is finished already.
    """
    if status not in OPEN_STATUSES + _FINISHED:
        raise CatalogError(f"no task status {status!r}", hint=f"one of {', '.join(OPEN_STATUSES + _FINISHED)}")
    values: dict[str, Any] = {
        "status": status,
        "finished_at": func.now() if status in _FINISHED else None,
    }
    if status == "RUNNING":
        values["started_at"] = func.now()
    if result is not None:
        values["result"] = dict(result)
    changed = session.scalar(
        update(agent_task)
        .where(agent_task.c.id == task_id, agent_task.c.status.in_(OPEN_STATUSES))
        .values(**values)
        .returning(agent_task.c.id)
    )
    if changed is None:
        found = session.scalar(select(agent_task.c.status).where(agent_task.c.id == task_id))
        raise CatalogError(f"task {task_id} is {found} already" if found else f"no task {task_id}")
