"""Decisions of people and agents on a RULE_GEN task: propose a rule, approve, reject, or answer it now."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import CatalogError
from provider_pipeline.sync.plan import store_rule
from provider_pipeline.sync.repair.activation import parse_given_rule
from provider_pipeline.sync.repair.worker import LEASE, Repair, answer_task, worker_name

_TASKS = "provider-pipeline tasks"


def propose_rule(
    session: Session,
    task_id: int,
    document: Mapping[str, Any],
    *,
    author: Literal["person", "agent"],
    worker: str | None = None,
    token_id: int | None = None,
    note: str | None = None,
    created_by_id: int | None = None,
) -> Repair:
    """Answers a task with a rule from outside, judged by the gates at once. Commits.

    The rule may be in either written form; endpoints that it omits are copied from the active rule. If the task
    is claimed, `worker` must be the name of the claim, and `token_id` the API token that made it (None: the operator).

    Raises:
        InvalidRuleError: The rule is invalid; the task is unchanged.
        TaskClaimLostError: Another worker or token has claimed the task, or it is finished.
        CatalogError: Another worker took the task, and judges the proposed rule.
    """
    task = catalog.tasks.get(session, task_id)
    rule = parse_given_rule(session, task.provider_id, document)
    version = store_rule(
        session,
        task.provider_id,
        rule,
        origin="proposed",
        metadata={**rule.metadata, **({"note": note} if note else {})},
        sample_id=task.raw_response_id,
        author=author,
        created_by_id=created_by_id,
        reason=note or "proposed",
        task_id=task_id,
    )
    catalog.task_claims.propose(session, task_id, version, worker=worker, token_id=token_id)
    session.commit()
    judge = worker_name()
    claimed = catalog.task_claims.claim(session, worker=judge, now=datetime.now(UTC), lease=LEASE, task_id=task_id)
    session.commit()
    if claimed is None:
        raise CatalogError(
            f"task {task_id} was taken by another worker, which judges the proposed rule version {version}",
            hint=f"see its result: provider-pipeline tasks show {task_id}",
        )
    return answer_task(session, claimed, worker=judge)


def answer_now(session: Session, task_id: int, slug: str, *, reason: str = "") -> Repair:
    """Answers one task now, even if it waits for a person or its next attempt, or has failed. Commits.

    The task must be about the provider. If it is not due, a reason is required and recorded.

    Raises:
        CatalogError: There is no such task of this provider; it is answered or running; or it is not due and there is
            no reason.
        ProviderPipelineError: The task was released, and is retried after a pause.
    """
    task = catalog.tasks.get(session, task_id)
    if task.slug != slug:
        raise CatalogError(f"task {task_id} is about {task.slug}, not {slug}", hint=f"see those of {slug}: {_TASKS}")
    now = datetime.now(UTC)
    if not catalog.task_claims.is_due(task, now):
        if not reason.strip() and task.status not in ("RUNNING", "SUCCEEDED"):
            raise CatalogError(
                f"task {task_id} is {task.status}, and not due", hint="say why it is to be retried: give a reason"
            )
        catalog.tasks.retry(session, task_id, reason=reason)
    worker = worker_name()
    claimed = catalog.task_claims.claim(session, worker=worker, now=now, lease=LEASE, task_id=task_id)
    session.commit()
    if claimed is None:
        raise CatalogError(f"task {task_id} was taken by another worker", hint=f"see its result: {_TASKS}")
    return answer_task(session, claimed, worker=worker)


def approve_task(
    session: Session, task_id: int, *, reason: str, version: int | None = None, created_by_id: int | None = None
) -> int:
    """Activates the rule that a task proposes although it failed a gate, and closes the task. Commits.

    Returns the version that is now active. `version` is the reviewed one, in case another has been proposed since;
    None approves any.

    Raises:
        CatalogError: The task does not await a decision, proposes no rule, or now proposes another one.
    """
    task = _waiting(session, task_id)
    if version is not None and version != task.proposed_version:
        raise CatalogError(
            f"task {task_id} does not propose rule version {version} any more, but {task.proposed_version}",
            hint=f"look at it first: {_TASKS} show {task_id}",
        )
    version = task.proposed_version
    if version is None:
        raise CatalogError(
            f"task {task_id} proposes no rule",
            hint=f"propose one: provider-pipeline tasks propose {task_id} --rule FILE; or accept what is held: "
            f"provider-pipeline sync {task.slug} --accept GUARD --reason WHY",
        )
    catalog.rule_versions.activate_rule(
        session, task.provider_id, version, reason=reason, created_by_id=created_by_id, task_id=task_id
    )
    decided = {"approved": {"reason": reason, "created_by_id": created_by_id}, "rule_version": version}
    catalog.tasks.set_status(session, task_id, "SUCCEEDED", result={**(task.result or {}), **decided})
    session.commit()
    return version


def reject_task(session: Session, task_id: int, *, reason: str, created_by_id: int | None = None) -> None:
    """Rejects the rule that a task proposes, which is then never activated automatically. Commits.

    The task stays open: its provider still needs a rule.

    Raises:
        CatalogError: The task does not wait for a decision, or proposes no rule.
    """
    task = _waiting(session, task_id)
    if task.proposed_version is None:
        raise CatalogError(f"task {task_id} proposes no rule", hint="there is nothing to reject")
    catalog.rule_versions.set_status(
        session,
        task.provider_id,
        task.proposed_version,
        "rejected",
        reason=reason,
        created_by_id=created_by_id,
        task_id=task_id,
    )
    decided = {"rejected": {"reason": reason, "created_by_id": created_by_id}}
    catalog.tasks.set_status(session, task_id, "NEEDS_REVIEW", result={**(task.result or {}), **decided})
    session.commit()


def _waiting(session: Session, task_id: int) -> catalog.tasks.Task:
    task = catalog.tasks.get(session, task_id)
    if task.status != "NEEDS_REVIEW":
        raise CatalogError(
            f"task {task_id} is {task.status}: only one that NEEDS_REVIEW can be decided",
            hint=f"see provider-pipeline tasks show {task_id}",
        )
    return task
