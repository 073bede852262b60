"""`agent_task`: opening, reading and deciding RULE_GEN tasks; `task_claims` shares them among workers.

    PENDING -> RUNNING -> SUCCEEDED     answered
       ^          |-----> FAILED        given up after its last attempt
       |          |-----> NEEDS_REVIEW  a person must decide
       |----------'       (released: tried again later)
       '--- a person retries a FAILED, CANCELLED or NEEDS_REVIEW task, or a rule is proposed for an open one

Open tasks (PENDING, RUNNING, NEEDS_REVIEW) are CANCELLED when the provider syncs successfully without them.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import agent_task, provider
from provider_pipeline.errors import CatalogError, NoSuchEntryError
from provider_pipeline.rules.issues import SHAPE_GREW

OPEN_STATUSES = ("PENDING", "RUNNING", "NEEDS_REVIEW")
FINISHED_STATUSES = ("SUCCEEDED", "FAILED", "CANCELLED")
IS_GROWTH = func.coalesce(agent_task.c.config["issues"].contains([{"type": SHAPE_GREW}]), False)
"""Whether a task asks for more than the active rule reads; such tasks are less urgent than failures."""
UNCLAIMED: Mapping[str, Any] = {"claimed_by": None, "claimed_until": None, "claimed_token_id": None}


@dataclass(frozen=True)
class Task:
    """A row of `agent_task`; its columns are explained by the table's comments."""

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
        """Whether two workers vanished while judging the proposed rule.

        A single one may have been killed or lost the database, which is not the rule's fault.
        """
        return self.times_judged > 1

    @property
    def times_judged(self) -> int:
        """The number of workers that vanished while judging the proposed rule."""
        judging = (self.result or {}).get("judging")
        if isinstance(judging, dict) and judging["version"] == self.proposed_version:
            return int(judging["times"])
        return 0

    @property
    def is_growth(self) -> bool:
        """Whether it asks for more than the active rule reads, which reads its listing well."""
        return any(issue.get("type") == SHAPE_GREW for issue in self.config.get("issues", ()))

    @property
    def first_error(self) -> str | None:
        """The message of the first error, if any."""
        issues = self.config.get("issues", ())
        return next((issue["message"] for issue in issues if issue.get("severity") == "error"), None)


@dataclass(frozen=True)
class TaskRef:
    """A task, and whether the call created it or found one open for the same failure."""

    id: int
    created: bool


def failure_signature(issues: Iterable[Mapping[str, Any]]) -> str:
    """A fingerprint of the kind of failure, as 64 hexadecimal digits: which errors on which fields.

    Ignores the issues' order, number and texts. Without errors, it covers all issues.
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
    """Ask for a new rule, unless a task is already open for the same kind of failure.

    An open task is not changed, except that one waiting for a person is due again when another listing fails in the
    same way: a rule may be found for that one.
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
        # The open task was finished between the two statements.
    raise CatalogError("the RULE_GEN task keeps changing", hint="try again")


def was_asked(session: Session, provider_id: int, issues: Iterable[Mapping[str, Any]]) -> bool:
    """Whether there ever was a task for this kind of failure, or one of the provider waits for a worker."""
    return bool(
        session.scalar(
            select(func.count())
            .where(agent_task.c.provider_id == provider_id)
            .where(
                or_(
                    agent_task.c.signature == failure_signature(issues),
                    agent_task.c.status.in_(("PENDING", "RUNNING")),
                )
            )
        )
    )


def _ask_again(session: Session, task_id: int, raw_response_id: int | None, issues: list[dict[str, Any]]) -> None:
    """Make a task that waits for a person due again if this is another listing."""
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


def add_evidence(session: Session, task_id: int, evidence: Mapping[str, Any]) -> None:
    """Merge facts about the failure into an open task's `config["evidence"]`, replacing existing keys.

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
        NoSuchEntryError: No task has that number.
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
        status: One status or several.
        since: Only tasks that are open, or were opened or ended since then.
        limit: Only this many of the newest tasks.
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
    """Set the status of an open task; a worker that has claimed it loses its claim.

    Args:
        status: PENDING, NEEDS_REVIEW, SUCCEEDED, FAILED or CANCELLED; only `task_claims.claim` makes a task RUNNING.
        result: None keeps what is stored.

    Raises:
        CatalogError: There is no such status or task, or the task is finished.
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
    """Cancel a provider's open tasks and return their keys; workers lose their claims.

    Tasks about what an accepted listing has gained stay: it is still there.
    """
    cancelled = session.scalars(
        update(agent_task)
        .where(agent_task.c.provider_id == provider_id, agent_task.c.status.in_(OPEN_STATUSES), ~IS_GROWTH)
        .values(status="CANCELLED", finished_at=func.now(), result={"reason": reason}, **UNCLAIMED)
        .returning(agent_task.c.id)
    )
    return sorted(cancelled)


def retry(session: Session, task_id: int, *, reason: str, created_by_id: int | None = None) -> None:
    """Reset a task: due at once, with all its attempts left and no proposal.

    Args:
        task_id: A task that is not RUNNING and did not succeed.
        reason: Added to its result, which keeps what the last attempt stored.

    Raises:
        CatalogError: There is no such task, it is running or has succeeded, or another is open for the same failure.
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
    """Update a task that meets a condition.

    Raises:
        CatalogError: There is no such task, or it does not meet the condition.
    """
    changed = session.scalar(
        update(agent_task).where(agent_task.c.id == task_id, allowed).values(**values).returning(agent_task.c.id)
    )
    if changed is None:
        raise CatalogError(f"task {task_id} is {get(session, task_id).status} already")


def _tasks() -> Select[Any]:
    columns = [agent_task.c[name] for name in Task.__dataclass_fields__ if name != "slug"]
    return select(provider.c.slug, *columns).join(provider, provider.c.id == agent_task.c.provider_id)
