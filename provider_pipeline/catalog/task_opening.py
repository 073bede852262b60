"""Asking an agent for a rule: one open task per kind of failure.

Here: opening the tasks, and telling failures apart. Not here: what becomes of the tasks (`tasks`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import cast, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import agent_task
from provider_pipeline.catalog.tasks import OPEN_STATUSES
from provider_pipeline.errors import CatalogError


@dataclass(frozen=True)
class TaskRef:
    """A task, and whether the call made it.

    Attributes:
        id: The task's key.
        created: False if an open task for the same failure was there before.
    """

    id: int
    created: bool


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

    A task that is already open is left exactly as it is, so that reporting the same failure again changes nothing; but
    one that waits for a person is due again when another listing fails in the same way: a rule may be found for that.

    Args:
        provider_id: The provider whose rule does not fit.
        raw_response_id: The stored listing it does not fit, if there is one.
        issues: The verdict's issues.
        created_by_id: Who asked for the sync, if anybody.
    """
    listed = [dict(issue) for issue in issues]
    signature = failure_signature(listed)
    is_open = (agent_task.c.type == "RULE_GEN") & agent_task.c.status.in_(OPEN_STATUSES)
    adding = (
        insert(agent_task)
        .values(
            provider_id=provider_id,
            type="RULE_GEN",
            signature=signature,
            config={"raw_response_id": raw_response_id, "issues": listed},
            created_by_id=created_by_id,
        )
        # Naming the partial index would need its predicate without parameters: a prepared plan cannot match those.
        .on_conflict_do_nothing()
        .returning(agent_task.c.id)
    )
    existing = select(agent_task.c.id).where(
        agent_task.c.provider_id == provider_id, agent_task.c.signature == signature, is_open
    )
    for _ in range(3):
        if (task_id := session.scalar(adding)) is not None:
            return TaskRef(task_id, created=True)
        if (task_id := session.scalar(existing)) is not None:
            _ask_again(session, task_id, raw_response_id, listed)
            return TaskRef(task_id, created=False)
        # Somebody finished the open task between the two statements.
    raise CatalogError("the RULE_GEN task keeps changing", hint="try again")


def _ask_again(session: Session, task_id: int, raw_response_id: int | None, issues: list[dict[str, Any]]) -> None:
    """Make a task that waits for a person due again, for a listing it was not answered for."""
    session.execute(
        update(agent_task)
        .where(
            agent_task.c.id == task_id,
            agent_task.c.status == "NEEDS_REVIEW",
            agent_task.c.raw_response_id.is_distinct_from(raw_response_id),
        )
        .values(
            status="PENDING",
            attempts=0,
            next_attempt_at=None,
            proposed_version=None,
            config=agent_task.c.config.op("||")(cast({"raw_response_id": raw_response_id, "issues": issues}, JSONB)),
        )
    )
