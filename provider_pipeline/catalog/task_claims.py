"""Leases that let workers share RULE_GEN tasks: claiming, extending, answering and releasing them.

A killed worker stops extending its lease, and another takes the task over; later calls of the first change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog import rule_versions, tasks
from provider_pipeline.catalog.tables import agent_task, provider
from provider_pipeline.catalog.tasks import UNCLAIMED, Task
from provider_pipeline.errors import CatalogError, TaskClaimLostError

_ANSWERS = ("SUCCEEDED", "FAILED", "CANCELLED", "NEEDS_REVIEW")


@dataclass(frozen=True)
class Retries:
    """Exponential backoff: `base` after the first attempt, doubling up to `cap`; FAILED after `attempts`."""

    base: timedelta = timedelta(minutes=5)
    cap: timedelta = timedelta(hours=6)
    attempts: int = 5

    def pause(self, attempts: int) -> timedelta:
        """The pause after this many attempts."""
        doublings = min(max(attempts - 1, 0), 30)  # a timedelta overflows
        return min(self.cap, self.base * (1 << doublings))


DEFAULT_RETRIES = Retries()


def is_due(task: Task, now: datetime) -> bool:
    """Whether `claim` would give this task to a worker."""
    if task.status == "RUNNING":
        return task.claimed_until is not None and task.claimed_until <= now
    return task.status == "PENDING" and (task.next_attempt_at is None or task.next_attempt_at <= now)


def claim(
    session: Session,
    *,
    worker: str,
    now: datetime,
    lease: timedelta,
    slug: str | None = None,
    task_id: int | None = None,
    token_id: int | None = None,
    retries: Retries = DEFAULT_RETRIES,
) -> Task | None:
    """Claim the oldest task that is due or whose claim expired, failures first; None if there is none. Commit at once.

    Two workers never get the same task. A task whose worker vanished on the last attempt becomes FAILED.

    Args:
        worker: A unique name, never reused by a later process on the same machine.
        now: Leases compare the clocks of different machines.
        lease: Must be much longer than the clock skew between the workers' machines.
        slug: Only a task of this provider.
        task_id: Only this task.
        token_id: The API token that claims it, without which the HTTP API refuses later calls; None for this program or
            its operator, for whom the worker's name is enough.
    """
    available = (
        select(agent_task.c.id, agent_task.c.attempts)
        .join(provider, provider.c.id == agent_task.c.provider_id)
        .where(
            or_(
                and_(
                    agent_task.c.status == "PENDING",
                    or_(agent_task.c.next_attempt_at.is_(None), agent_task.c.next_attempt_at <= now),
                ),
                and_(agent_task.c.status == "RUNNING", agent_task.c.claimed_until <= now),
            )
        )
        .order_by(tasks.IS_GROWTH, agent_task.c.id)
        .limit(1)
        .with_for_update(of=agent_task, skip_locked=True)
    )
    if slug is not None:
        available = available.where(provider.c.slug == slug)
    if task_id is not None:
        available = available.where(agent_task.c.id == task_id)
    while (found := session.execute(available).one_or_none()) is not None:
        if found.attempts < retries.attempts:
            session.execute(
                update(agent_task)
                .where(agent_task.c.id == found.id)
                .values(
                    status="RUNNING",
                    attempts=agent_task.c.attempts + 1,
                    next_attempt_at=None,
                    claimed_by=worker,
                    claimed_until=now + lease,
                    claimed_token_id=token_id,
                    started_at=func.now(),
                )
            )
            return tasks.get(session, found.id)
        reason = f"every one of its {found.attempts} attempts ended without a word from its worker"
        session.execute(
            update(agent_task).where(agent_task.c.id == found.id).values(**_failed({"reason": reason}), **UNCLAIMED)
        )
    return None


def extend(
    session: Session, task_id: int, *, worker: str, now: datetime, lease: timedelta, token_id: int | None = None
) -> None:
    """Extend a claim until `lease` from now. Commit at once.

    Raises:
        TaskClaimLostError: The worker does not have it any more, or not with this token.
    """
    _change_claimed(session, task_id, worker, {"claimed_until": now + lease}, token_id)


def finish(
    session: Session,
    task_id: int,
    *,
    worker: str,
    status: str,
    result: Mapping[str, Any],
    report: str | None = None,
    proposed_version: int | None = None,
) -> None:
    """Answer a task. An activation and its answer belong in one transaction, the answer last.

    A late worker then activates nothing, and locks are taken in the order of syncs, which lock the provider first.

    Args:
        status: SUCCEEDED, FAILED, CANCELLED, or NEEDS_REVIEW where a person must decide.
        report: For people, as Markdown; None keeps what is stored.
        proposed_version: The rule version it is about; None keeps what is stored.

    Raises:
        TaskClaimLostError: The worker does not have it any more; nothing was changed.
        CatalogError: There is no such answer.
    """
    if status not in _ANSWERS:
        raise CatalogError(f"a task cannot end as {status!r}", hint=f"one of {', '.join(_ANSWERS)}")
    values: dict[str, Any] = {"status": status, "result": dict(result), **UNCLAIMED}
    if status != "NEEDS_REVIEW":
        values["finished_at"] = func.now()
    if report is not None:
        values["report"] = report
    if proposed_version is not None:
        values["proposed_version"] = proposed_version
    _change_claimed(session, task_id, worker, values)


def release(
    session: Session,
    task_id: int,
    *,
    worker: str,
    now: datetime,
    reason: str,
    token_id: int | None = None,
    retries: Retries = DEFAULT_RETRIES,
) -> Task:
    """Release a task unanswered: retried after a pause, or FAILED after its last attempt.

    Raises:
        TaskClaimLostError: The worker does not have it any more, or not with this token; nothing was changed.
    """
    attempts = tasks.get(session, task_id).attempts
    if attempts >= retries.attempts:
        values = _failed({"reason": reason, "attempts": attempts})
    else:
        values = {
            "status": "PENDING",
            "next_attempt_at": now + retries.pause(attempts),
            "result": {"reason": reason, "attempts": attempts},
        }
    _change_claimed(session, task_id, worker, {**values, **UNCLAIMED}, token_id)
    return tasks.get(session, task_id)


def propose(
    session: Session,
    task_id: int,
    version: int,
    *,
    worker: str | None = None,
    token_id: int | None = None,
    report: str | None = None,
) -> None:
    """Answer an open task with a stored rule version to be judged; the task is due at once.

    Args:
        worker: The worker that claimed the task; None for an unclaimed one.
        token_id: The API token that answers, if any.
        report: The author's comment, as Markdown; None keeps what is stored.

    Raises:
        TaskClaimLostError: Another worker or token has it, or it is finished; nothing was changed.
        NoSuchEntryError: The provider has no such version.
    """
    rule_versions.get(session, tasks.get(session, task_id).provider_id, version)
    values: dict[str, Any] = {"status": "PENDING", "next_attempt_at": None, "attempts": 0, "proposed_version": version}
    if report is not None:
        values["report"] = report
    _change_claimed(session, task_id, worker, {**values, **UNCLAIMED}, token_id)


def begin_judging(session: Session, task: Task, *, worker: str) -> None:
    """Record that the proposed rule is being judged, in case the worker vanishes. Commit at once.

    Raises:
        TaskClaimLostError: The worker does not have the task any more.
    """
    judging = {"version": task.proposed_version, "times": task.times_judged + 1}
    _change_claimed(session, task.id, worker, {"result": {"judging": judging}})


def drop_proposal(session: Session, task_id: int, *, worker: str, reason: str) -> None:
    """Go on without the proposed rule.

    Raises:
        TaskClaimLostError: The worker does not have the task any more; nothing was changed.
    """
    _change_claimed(session, task_id, worker, {"proposed_version": None, "result": {"reason": reason}})


def _failed(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": "FAILED", "finished_at": func.now(), "result": dict(result)}


def _change_claimed(
    session: Session, task_id: int, worker: str | None, values: Mapping[str, Any], token_id: int | None = None
) -> None:
    """Update a task that the worker has claimed, or an unclaimed one if `worker` is None.

    Raises:
        TaskClaimLostError: The task is not claimed by this worker, or is claimed although none was expected.
    """
    held: ColumnElement[bool]
    if worker is None:
        held = agent_task.c.status.in_(("PENDING", "NEEDS_REVIEW"))
    else:
        held = and_(agent_task.c.status == "RUNNING", agent_task.c.claimed_by == worker)
        if token_id is not None:
            held = and_(held, agent_task.c.claimed_token_id == token_id)
    changed = session.scalar(
        update(agent_task).where(agent_task.c.id == task_id, held).values(**values).returning(agent_task.c.id)
    )
    if changed is None:
        raise TaskClaimLostError(
            f"task {task_id} {_lost(tasks.get(session, task_id), worker)}",
            hint="nothing was changed; see provider-pipeline tasks",
        )


def _lost(task: Task, worker: str | None) -> str:
    if task.claimed_by is None:
        return f"is {task.status}" + (f", and not with {worker} any more" if worker else "")
    if task.claimed_by == worker:
        return f"is with {worker}, but was not claimed with this token"
    return f"is with {task.claimed_by}" + (f", and not with {worker} any more" if worker else "")
