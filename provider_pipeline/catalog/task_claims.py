"""How workers share tasks: one at a time, each for a while, and not for ever.

Here: taking a task, keeping it, answering it or giving it back, and answers from outside. Not here: what the statuses
mean and what people decide (`tasks`).

A claim is a row lock that outlives its transaction: `claimed_by` and `claimed_until`. Whoever commits a claim has the
task until then; a worker that was killed simply does not extend it, and another takes the task over. Every later call
names its worker, and changes nothing when the claim has gone to somebody else: an activation and the answer that goes
with it belong in one transaction, the answer last, so that a late worker activates nothing. (Last, because a sync locks
its provider before it closes tasks; the other order could end in a deadlock.) Leases compare the clocks of different
machines, so they should be long against the difference between those.

A claim that was made over the HTTP API also holds the token's number, and only that token may use it there. A caller
without a token is this program or its operator: to them the worker's name is enough.
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
    """How often a task is attempted, and how long after a failed attempt the next one may begin.

    Attributes:
        base: Pause after the first attempt; each further one is twice as long.
        cap: Longest pause.
        attempts: Attempts after which a task has FAILED.
    """

    base: timedelta = timedelta(minutes=5)
    cap: timedelta = timedelta(hours=6)
    attempts: int = 5

    def pause(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts, at least one."""
        doublings = min(attempts - 1, 30)  # a timedelta has an end
        return min(self.cap, self.base * (1 << doublings))


DEFAULT_RETRIES = Retries()


def is_due(task: Task, now: datetime) -> bool:
    """Whether `claim_task` would give this task to a worker."""
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
    """Take the oldest task that is due, or whose worker let its claim end. Commit at once, so that others see it.

    Two workers never get the same task. A task whose last worker vanished on its last attempt has FAILED.

    Args:
        worker: Names this claimant and no other, not even an earlier process on the same machine.
        lease: How long the claim lasts unless it is extended.
        slug: Only a task about this provider.
        task_id: Only this task.
        token_id: The API token that claims it, if one does.
        retries: How many attempts a task has.

    Returns:
        The task, now RUNNING; None if there is none to take.
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
        .order_by(agent_task.c.id)
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
    """Keep a task for longer: until `lease` from now. Commit at once, so that others see it.

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
    """Answer a task.

    Args:
        status: SUCCEEDED, FAILED, CANCELLED, or NEEDS_REVIEW where a person must decide.
        result: What came of it.
        report: The same for people, as Markdown; None keeps what is stored.
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
    """Give a task back unanswered: to be tried again after a pause, or FAILED if that was its last attempt.

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
    """Answer an open task with a stored rule version, which is to be judged like any other: the task is due at once.

    Args:
        task_id: The task: one the worker has claimed, or one that nobody has.
        version: A version of the provider's rule, already stored.
        worker: Who has claimed it; None if nobody has.
        token_id: The API token that answers, if one does.
        report: What its author says about it, as Markdown; None keeps what is stored.

    Raises:
        TaskClaimLostError: Somebody else is at it, another token claimed it, or it is finished; nothing was changed.
        RuleMissingError: The provider has no such version.
    """
    rule_versions.get(session, tasks.get(session, task_id).provider_id, version)
    values: dict[str, Any] = {"status": "PENDING", "next_attempt_at": None, "attempts": 0, "proposed_version": version}
    if report is not None:
        values["report"] = report
    _change_claimed(session, task_id, worker, {**values, **UNCLAIMED}, token_id)


def begin_judging(session: Session, task: Task, *, worker: str) -> None:
    """Note that the proposed rule is being judged. Commit at once: should the worker vanish over it, others learn why.

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
    """Change a task that the worker has, or that nobody has when there is no worker.

    Raises:
        TaskClaimLostError: It is otherwise.
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
