"""RULE_GEN tasks: requests for a new rule, and the decisions on proposed ones."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Path, Query

from provider_pipeline import catalog
from provider_pipeline.api.access import Admin, Reader, RequestContext, Syncer
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import (
    ApprovalRequest,
    ClaimRequest,
    DecisionRequest,
    Key,
    Limit,
    OfProvider,
    ProposalRequest,
    ReleaseRequest,
)
from provider_pipeline.api.response_models import ActiveRuleResponse, RepairResponse, TaskResponse, stored_fields
from provider_pipeline.api.routing import costs, router
from provider_pipeline.sync.repair.review import approve_task, propose_rule, reject_task

routes = router("tasks")

_TaskId = Annotated[Key, Path(description="The task's number.")]
_Status = Annotated[
    Literal["open", "all", "PENDING", "RUNNING", "NEEDS_REVIEW", "SUCCEEDED", "FAILED", "CANCELLED"],
    Query(description="`open` means not finished."),
]


@routes.get("/tasks", response_model=list[TaskResponse])
def list_tasks(context: Reader, provider: OfProvider = None, status: _Status = "open", limit: Limit = 100) -> Any:
    """The newest tasks, oldest first."""
    if provider is not None:
        context.provider(provider)
    statuses = {"open": catalog.tasks.OPEN_STATUSES, "all": None}.get(status, [status])
    found = catalog.tasks.list_tasks(context.session, status=statuses, slug=provider, limit=limit)
    return [stored_fields(each) for each in found]


@routes.get("/tasks/{task_id}", response_model=TaskResponse)
def show_task(context: Reader, task_id: _TaskId) -> Any:
    """A task: the failure that opened it, and its result so far."""
    return stored_fields(catalog.tasks.get(context.session, task_id))


@routes.post("/tasks/{task_id}/claim", response_model=TaskResponse, responses=responses(409))
def claim_task(context: Syncer, task_id: _TaskId, body: ClaimRequest) -> Any:
    """Claims a task for a while. 409: another worker has it, or it is not due."""
    task = catalog.tasks.get(context.session, task_id)
    claimed = catalog.task_claims.claim(
        context.session,
        worker=body.worker,
        now=datetime.now(UTC),
        lease=timedelta(seconds=body.lease_seconds),
        task_id=task_id,
        token_id=context.caller.id,
    )
    context.session.commit()
    if claimed is None:
        state = f"is with {task.claimed_by}" if task.claimed_by else f"is {task.status}"
        raise ProblemError(409, "task-not-free", f"task {task_id} {state} and cannot be claimed now")
    return stored_fields(claimed)


@routes.post("/tasks/{task_id}/extend", response_model=TaskResponse, responses=responses(409))
def extend_task(context: Syncer, task_id: _TaskId, body: ClaimRequest) -> Any:
    """Renews a claim, from now. 409: the token does not hold it, or no longer."""
    lease = timedelta(seconds=body.lease_seconds)
    catalog.task_claims.extend(
        context.session, task_id, worker=body.worker, now=datetime.now(UTC), lease=lease, token_id=context.caller.id
    )
    context.session.commit()
    return _current(context, task_id)


@routes.post("/tasks/{task_id}/release", response_model=TaskResponse, responses=responses(409))
def release_task(context: Syncer, task_id: _TaskId, body: ReleaseRequest) -> Any:
    """Gives a claimed task back; it is retried after a pause. 409: as for `extend`."""
    catalog.task_claims.release(
        context.session,
        task_id,
        worker=body.worker,
        now=datetime.now(UTC),
        reason=body.reason,
        token_id=context.caller.id,
    )
    context.session.commit()
    return _current(context, task_id)


@routes.post("/tasks/{task_id}/propose", response_model=RepairResponse, responses=responses(409))
@costs(slow="computation", large_body=True)
def propose_for_task(context: Syncer, task_id: _TaskId, body: ProposalRequest) -> Any:
    """Proposes a rule for a task. If it passes the gates, it is activated; otherwise it waits for a person's decision.

    If it does not say where to send requests (endpoint, detail, pagination), the active rule's places are kept; a rule
    that sends requests elsewhere always waits. A claimed task can be answered only with the token that claimed it.
    """
    catalog.tasks.get(context.session, task_id)
    context.session.rollback()
    repair = propose_rule(
        context.session,
        task_id,
        body.rule,
        author=body.author,
        worker=body.worker,
        token_id=context.caller.id,
        note=body.note,
        created_by_id=context.created_by_id,
    )
    return repair.to_json() | {"version": repair.version, "report": repair.report}


@routes.post("/tasks/{task_id}/approve", response_model=ActiveRuleResponse, responses=responses(409))
def approve_proposal(context: Admin, task_id: _TaskId, body: ApprovalRequest) -> Any:
    """Activates a task's proposed rule although it failed a gate. 409: the proposed version is not `version`."""
    slug = catalog.tasks.get(context.session, task_id).slug
    version = approve_task(
        context.session, task_id, reason=body.reason, version=body.version, created_by_id=context.created_by_id
    )
    return {"provider": slug, "active": version}


@routes.post("/tasks/{task_id}/reject", response_model=TaskResponse, responses=responses(409))
def reject_proposal(context: Admin, task_id: _TaskId, body: DecisionRequest) -> Any:
    """Rejects a task's proposed rule; the task stays open."""
    reject_task(context.session, task_id, reason=body.reason, created_by_id=context.created_by_id)
    return _current(context, task_id)


@routes.post("/tasks/{task_id}/retry", response_model=TaskResponse, responses=responses(409))
def retry_task(context: Admin, task_id: _TaskId, body: DecisionRequest) -> Any:
    """Reopens a task from the beginning."""
    catalog.tasks.retry(context.session, task_id, reason=body.reason, created_by_id=context.created_by_id)
    context.session.commit()
    return _current(context, task_id)


@routes.post("/tasks/{task_id}/cancel", response_model=TaskResponse, responses=responses(409))
def cancel_task(context: Admin, task_id: _TaskId, body: DecisionRequest) -> Any:
    """Closes an open task without a rule."""
    result = {"reason": body.reason, "created_by_id": context.created_by_id}
    catalog.tasks.set_status(context.session, task_id, "CANCELLED", result=result)
    context.session.commit()
    return _current(context, task_id)


def _current(context: RequestContext, task_id: int) -> dict[str, Any]:
    return stored_fields(catalog.tasks.get(context.session, task_id))
