"""Tasks for an agent: what a failed check asks for.

Here: reading and deciding about the rows of `agent_task`, and the statuses they go through. Not here: asking for
something (`task_opening`), how workers share the tasks (`task_claims`), and what they do about them.

    PENDING -> RUNNING -> SUCCEEDED     answered
       ^          |-----> FAILED        given up after its last attempt
       |          |-----> NEEDS_REVIEW  a person must decide
       |----------'       (released: tried again later)
       '--- a person's retry of a FAILED, CANCELLED or NEEDS_REVIEW one, and a proposal for an open one

Any open task is CANCELLED when the provider is synced well without it. Open are PENDING, RUNNING and NEEDS_REVIEW.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import agent_task, provider
from provider_pipeline.errors import CatalogError, NoSuchEntryError

OPEN_STATUSES = ("PENDING", "RUNNING", "NEEDS_REVIEW")
FINISHED_STATUSES = ("SUCCEEDED", "FAILED", "CANCELLED")
UNCLAIMED: Mapping[str, Any] = {"claimed_by": None, "claimed_until": None, "claimed_token_id": None}


@dataclass(frozen=True)
class Task:
    """A task as stored; see the comments on the table for what each column means."""

    id: int
    provider_id: int
    slug: str
    type: str
    status: str
    signature: str
    config: dict[str, Any]
    raw_response_id: int | None
    result: dict[str, Any] | None
    report: str | None
    proposed_version: int | None
    attempts: int
    next_attempt_at: datetime | None
    claimed_by: str | None
    claimed_until: datetime | None
    claimed_token_id: int | None
    created_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def lost_its_judge(self) -> bool:
        """Whether two workers began to judge the proposed rule and vanished.

        One may have been killed, or lost the database: the rule is not to blame for that.
        """
        return self.times_judged > 1

    @property
    def times_judged(self) -> int:
        """How many workers began to judge the proposed rule and vanished."""
        judging = (self.result or {}).get("judging")
        if isinstance(judging, dict) and judging["version"] == self.proposed_version:
            return int(judging["times"])
        return 0

    @property
    def first_error(self) -> str | None:
        """What failed first, in the words of the check; None if no error was handed over."""
        issues = self.config.get("issues", ())
        return next((issue["message"] for issue in issues if issue.get("severity") == "error"), None)


def add_evidence(session: Session, task_id: int, evidence: Mapping[str, Any]) -> None:
    """Add what is known of the failure to an open task's `config["evidence"]`; a key that is there is replaced.

    Raises:
        CatalogError: No such task, or it is finished.
    """
    present = func.coalesce(agent_task.c.config["evidence"], func.jsonb_build_object())
    merged = present.op("||")(cast(dict(evidence), JSONB))
    _change(
        session,
        task_id,
        agent_task.c.status.in_(OPEN_STATUSES),
        {"config": agent_task.c.config.op("||")(func.jsonb_build_object("evidence", merged))},
    )


def get(session: Session, task_id: int) -> Task:
    """One task.

    Raises:
        NoSuchEntryError: There is none of that number.
    """
    row = session.execute(_tasks().where(agent_task.c.id == task_id)).one_or_none()
    if row is None:
        raise NoSuchEntryError(f"no task {task_id}")
    return Task(**row._mapping)


def list_tasks(
    session: Session,
    *,
    status: str | Collection[str] | None = None,
    slug: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[Task]:
    """Tasks, oldest first.

    Args:
        status: Only tasks of this status, or of one of these.
        slug: Only tasks about this provider.
        since: Only those that are open, or were opened or ended since then.
        limit: Only the newest so many.
    """
    query = _tasks()
    if status is not None:
        query = query.where(agent_task.c.status.in_([status] if isinstance(status, str) else status))
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    if since is not None:
        is_open = agent_task.c.status.in_(OPEN_STATUSES)
        query = query.where(or_(is_open, agent_task.c.created_at >= since, agent_task.c.finished_at >= since))
    newest_first = session.execute(query.order_by(agent_task.c.id.desc()).limit(limit)).all()
    return [Task(**row._mapping) for row in reversed(newest_first)]


def set_status(session: Session, task_id: int, status: str, result: Mapping[str, Any] | None = None) -> None:
    """Decide about an open task, whoever has it: a worker at it loses its claim. A finished one stays as it is.

    Args:
        status: PENDING, NEEDS_REVIEW, SUCCEEDED, FAILED or CANCELLED; only `claim_task` makes a task RUNNING.
        result: What came of it; None keeps what is stored.

    Raises:
        CatalogError: There is no such status, no such task, or it is finished already.
    """
    allowed = ("PENDING", "NEEDS_REVIEW", *FINISHED_STATUSES)
    if status not in allowed:
        raise CatalogError(f"a task cannot be given the status {status!r}", hint=f"one of {', '.join(allowed)}")
    values: dict[str, Any] = {"status": status, **UNCLAIMED}
    if status in FINISHED_STATUSES:
        values["finished_at"] = func.now()
    if result is not None:
        values["result"] = dict(result)
    _change(session, task_id, agent_task.c.status.in_(OPEN_STATUSES), values)


def cancel_open(session: Session, provider_id: int, reason: str) -> list[int]:
    """Close every open task of a provider that needs no answer any more; a worker at one loses its claim.

    Returns:
        The tasks that were open.
    """
    cancelled = session.scalars(
        update(agent_task)
        .where(agent_task.c.provider_id == provider_id, agent_task.c.status.in_(OPEN_STATUSES))
        .values(status="CANCELLED", finished_at=func.now(), result={"reason": reason}, **UNCLAIMED)
        .returning(agent_task.c.id)
    )
    return sorted(cancelled)


def retry(session: Session, task_id: int, *, reason: str, created_by_id: int | None = None) -> None:
    """Have a task taken up again at once, from the beginning: all its attempts are before it, and no proposal.

    Args:
        task_id: A task that is not RUNNING and did not succeed.
        reason: Why, for its result, which keeps what the last attempt said besides.

    Raises:
        CatalogError: No such task, it runs or succeeded, or another is open for the same failure.
    """
    asked = {"retried": {"reason": reason, "created_by_id": created_by_id}}
    present = func.coalesce(agent_task.c.result, func.jsonb_build_object())
    try:
        with session.begin_nested():
            _change(
                session,
                task_id,
                agent_task.c.status.in_(("PENDING", "NEEDS_REVIEW", "FAILED", "CANCELLED")),
                {
                    "status": "PENDING",
                    "attempts": 0,
                    "next_attempt_at": None,
                    "proposed_version": None,
                    "finished_at": None,
                    "result": present.op("||")(cast(asked, JSONB)),
                },
            )
    except IntegrityError as error:
        raise CatalogError(
            f"task {task_id} cannot be retried: another task is open for the same failure",
            hint="see provider-pipeline tasks",
        ) from error


def _change(session: Session, task_id: int, allowed: ColumnElement[bool], values: Mapping[str, Any]) -> None:
    """Change a task that is as it must be, or say how it is.

    Raises:
        CatalogError: It is not there, or not as it must be.
    """
    changed = session.scalar(
        update(agent_task).where(agent_task.c.id == task_id, allowed).values(**values).returning(agent_task.c.id)
    )
    if changed is None:
        raise CatalogError(f"task {task_id} is {get(session, task_id).status} already")


def _tasks() -> Select[Any]:
    columns = [agent_task.c[name] for name in Task.__dataclass_fields__ if name != "slug"]
    return select(provider.c.slug, *columns).join(provider, provider.c.id == agent_task.c.provider_id)
