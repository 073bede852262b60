"""RULE_GEN tasks: what waits for a rule, or for somebody's decision."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Path, Query

from provider_pipeline import catalog
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import Approval, ClaimBody, Decision, Key, ProposalBody, ReleaseBody
from provider_pipeline.api.response_models import ActiveRule, RepairDocument, TaskDocument
from provider_pipeline.api.routes.common import Limit, OfProvider, document_of, router
from provider_pipeline.api.routing import costs
from provider_pipeline.api.service import Admin, Call, Reader, Syncer
from provider_pipeline.sync.repair.review import approve_task, propose_rule, reject_task

routes = router("tasks")

_TaskId = Annotated[Key, Path(description="The task's number.")]
_Status = Annotated[
    Literal["open", "all", "PENDING", "RUNNING", "NEEDS_REVIEW", "SUCCEEDED", "FAILED", "CANCELLED"],
    Query(description="`open` are those that are not finished."),
]


@routes.get("/tasks", response_model=list[TaskDocument])
def list_tasks(call: Reader, provider: OfProvider = None, status: _Status = "open", limit: Limit = 100) -> Any:
    """The newest tasks, oldest first."""
    if provider is not None:
        call.provider(provider)
    statuses = {"open": catalog.tasks.OPEN_STATUSES, "all": None}.get(status, [status])
    found = catalog.tasks.list_tasks(call.session, status=statuses, slug=provider, limit=limit)
    return [document_of(each) for each in found]


@routes.get("/tasks/{task_id}", response_model=TaskDocument)
def show_task(call: Reader, task_id: _TaskId) -> Any:
    """What failed, what is known of it, and what came of the task so far."""
    return document_of(catalog.tasks.get(call.session, task_id))


@routes.post("/tasks/{task_id}/claim", response_model=TaskDocument, responses=responses(409))
def claim(call: Syncer, task_id: _TaskId, body: ClaimBody) -> Any:
    """Takes a task, for a while. 409: somebody else has it, or it is not due."""
    task = catalog.tasks.get(call.session, task_id)
    claimed = catalog.task_claims.claim(
        call.session,
        worker=body.worker,
        now=datetime.now(UTC),
        lease=timedelta(seconds=body.lease_seconds),
        task_id=task_id,
        token_id=call.caller.id,
    )
    call.session.commit()
    if claimed is None:
        state = f"is with {task.claimed_by}" if task.claimed_by else f"is {task.status}"
        raise ProblemError(409, "task-not-free", f"task {task_id} {state}, and cannot be taken now")
    return document_of(claimed)


@routes.post("/tasks/{task_id}/extend", response_model=TaskDocument, responses=responses(409))
def extend(call: Syncer, task_id: _TaskId, body: ClaimBody) -> Any:
    """Keeps a claimed task for longer, from now. 409: the token has not claimed it, or not any more."""
    lease = timedelta(seconds=body.lease_seconds)
    catalog.task_claims.extend(
        call.session, task_id, worker=body.worker, now=datetime.now(UTC), lease=lease, token_id=call.caller.id
    )
    call.session.commit()
    return _now(call, task_id)


@routes.post("/tasks/{task_id}/release", response_model=TaskDocument, responses=responses(409))
def release(call: Syncer, task_id: _TaskId, body: ReleaseBody) -> Any:
    """Gives a claimed task back unanswered; it is tried again after a pause. 409: as for `extend`."""
    catalog.task_claims.release(
        call.session,
        task_id,
        worker=body.worker,
        now=datetime.now(UTC),
        reason=body.reason,
        token_id=call.caller.id,
    )
    call.session.commit()
    return _now(call, task_id)


@routes.post("/tasks/{task_id}/propose", response_model=RepairDocument, responses=responses(409))
@costs(slow="computation", large_body=True)
def propose(call: Syncer, task_id: _TaskId, body: ProposalBody) -> Any:
    """Answers a task with a rule. It passes the gates that every rule passes, or waits for a person.

    What it leaves out of where it asks (endpoint, detail, pagination) stays as the active rule has it; a rule that asks
    elsewhere always waits. A task that is claimed is answered by the token that claimed it.
    """
    catalog.tasks.get(call.session, task_id)
    call.session.rollback()
    repair = propose_rule(
        call.session,
        task_id,
        body.rule,
        author=body.author,
        worker=body.worker,
        token_id=call.caller.id,
        note=body.note,
        created_by_id=call.created_by_id,
    )
    return repair.to_json() | {"version": repair.version, "report": repair.report}


@routes.post("/tasks/{task_id}/approve", response_model=ActiveRule, responses=responses(409))
def approve(call: Admin, task_id: _TaskId, body: Approval) -> Any:
    """Activates the rule that a task proposes, although it failed a gate. 409: it proposes another than `version`."""
    slug = catalog.tasks.get(call.session, task_id).slug
    version = approve_task(
        call.session, task_id, reason=body.reason, version=body.version, created_by_id=call.created_by_id
    )
    return {"provider": slug, "active": version}


@routes.post("/tasks/{task_id}/reject", response_model=TaskDocument, responses=responses(409))
def reject(call: Admin, task_id: _TaskId, body: Decision) -> Any:
    """Rejects the rule that a task proposes; the task stays open."""
    reject_task(call.session, task_id, reason=body.reason, created_by_id=call.created_by_id)
    return _now(call, task_id)


@routes.post("/tasks/{task_id}/retry", response_model=TaskDocument, responses=responses(409))
def retry(call: Admin, task_id: _TaskId, body: Decision) -> Any:
    """Has a task taken up again, from the beginning."""
    catalog.tasks.retry(call.session, task_id, reason=body.reason, created_by_id=call.created_by_id)
    call.session.commit()
    return _now(call, task_id)


@routes.post("/tasks/{task_id}/cancel", response_model=TaskDocument, responses=responses(409))
def cancel(call: Admin, task_id: _TaskId, body: Decision) -> Any:
    """Closes an open task without an answer."""
    decided = {"reason": body.reason, "created_by_id": call.created_by_id}
    catalog.tasks.set_status(call.session, task_id, "CANCELLED", result=decided)
    call.session.commit()
    return _now(call, task_id)


def _now(call: Call, task_id: int) -> dict[str, Any]:
    return document_of(catalog.tasks.get(call.session, task_id))
