"""Answering RULE_GEN tasks: a candidate rule, its trial beside the active one, and what becomes of both.

Here: the order of the steps, and the transactions around them. Not here: writing rules (`provider_pipeline.rules`), the
evidence (`evaluation.py`), the verdict (`gates.py`) and its report (`report.py`). The concept: whoever answers a task,
the built-in generator, a person or an agent from outside, the rule passes the same gates; one that fails a gate waits
for a person, with a report that names the change.
"""

import os
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ModelSyncerError, ProviderPipelineError, RuleMissingError, TaskClaimLostError
from provider_pipeline.rules import PLAUSIBILITY_ISSUES, Difference, ExtractionRule
from provider_pipeline.sync.candidates import Candidate, differences_since, generated_candidate, proposed_candidate
from provider_pipeline.sync.evaluation import evaluate_candidate
from provider_pipeline.sync.gates import Evidence, Gate, judge_candidate
from provider_pipeline.sync.report import report_markdown
from provider_pipeline.sync.stored import StoredResponse, stored_rule

LEASE: Final = timedelta(minutes=15)
"""How long a worker keeps a task without a word; a rule for thousands of models takes seconds."""

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Repair:
    """What came of answering one task, or of looking for a better rule without one.

    Attributes:
        slug: The provider.
        status: `activated`: the candidate is the active rule now; `kept`: the active rule fits, and nothing better was
            found; `needs_review`: a person must decide.
        reason: One line that says why.
        fits: Whether the rule that is active now reads the response.
        version: The candidate's version; None when there is no candidate.
        rule: The candidate.
        models: Models that the candidate extracts from the response.
        gates: What each gate found.
        differences: What changed between the last good response and this one.
        report: All of it for a person, as markdown.
        raw_response_id: The response.
        task_id: The task, if there was one.
    """

    slug: str
    status: Literal["activated", "kept", "needs_review"]
    reason: str
    fits: bool
    version: int | None
    rule: ExtractionRule | None
    models: int
    gates: tuple[Gate, ...]
    differences: tuple[Difference, ...]
    report: str
    raw_response_id: int
    task_id: int | None

    @property
    def activated(self) -> bool:
        """Whether the candidate is the active rule now."""
        return self.status == "activated"


def worker_name() -> str:
    """A name that no other worker has, on any machine, not even an earlier process of the same number."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def answer_tasks(
    session: Session, slug: str, *, worker: str | None = None, clock: Clock = lambda: datetime.now(UTC)
) -> list[Repair]:
    """Answers every RULE_GEN task of a provider that is due, oldest first. Commits; uses no network.

    A task that another worker has is left to it. An error gives the task back, to be tried again after a pause.

    Raises:
        ModelSyncerError: There is no stored response to learn from.
    """
    name = worker or worker_name()
    repairs = []
    while (task := catalog.claim_task(session, worker=name, now=clock(), lease=LEASE, slug=slug)) is not None:
        session.commit()
        repairs.append(answer_task(session, task, worker=name, clock=clock))
    session.commit()
    return repairs


def answer_task(
    session: Session, task: catalog.Task, *, worker: str, clock: Clock = lambda: datetime.now(UTC)
) -> Repair:
    """Answers one task that this worker has claimed, and commits.

    The rule that was proposed for it is judged, or one that the generator writes from the failing response.

    Raises:
        TaskClaimLostError: Another worker has taken the task over meanwhile; nothing was changed.
        ProviderPipelineError: The task was given back, to be tried again after a pause.
    """
    try:
        repair = _repair(session, task.slug, task)
        _finish(session, task, repair, worker)
        session.commit()
    except ProviderPipelineError as error:
        session.rollback()
        if not isinstance(error, TaskClaimLostError):
            catalog.release_task(session, task.id, worker=worker, now=clock(), reason=str(error))
            session.commit()
        raise
    return repair


def improve_rule(session: Session, slug: str) -> Repair:
    """Looks for a better rule in the provider's newest response, without a task, and commits.

    Raises:
        ModelSyncerError: There is no stored response to learn from.
    """
    repair = _repair(session, slug, None)
    session.commit()
    return repair


def _repair(session: Session, slug: str, task: catalog.Task | None) -> Repair:
    provider = catalog.get_provider(session, slug)
    failing_id = _newest_response(session, provider.id, task)
    response = StoredResponse(session, failing_id)
    active_version = _active(session, provider.id)
    active = None if active_version is None else stored_rule(active_version)
    differences = differences_since(session, provider.id, active, response)
    found = proposed_candidate(session, provider.id, task) or generated_candidate(active, response)
    if isinstance(found, str):
        return _reviewed(slug, task, failing_id, f"no rule can be written: {found}", differences)
    evidence = evaluate_candidate(session, provider.id, found.rule, active, response, doubt=found.doubt)
    if active is not None and found.rule.digest == active.digest:
        return _nothing_better(slug, task, failing_id, evidence, differences, found, active_version)
    gates = judge_candidate(evidence)
    failed = [gate for gate in gates if not gate.passed]
    reason = _reason(failed, found)
    version, rejected = _store(session, provider.id, found, failing_id, gates, evidence, task, reason=reason)
    if rejected:
        reason = f"rule version {version} passes every gate, but was rejected before"
    if not failed and not rejected:
        return _judged(slug, "activated", reason, True, version, found, gates, differences, evidence, task, failing_id)
    fits = evidence.failing.active is not None and evidence.failing.active.valid
    return _judged(slug, "needs_review", reason, fits, version, found, gates, differences, evidence, task, failing_id)


def _judged(
    slug: str,
    status: Literal["activated", "kept", "needs_review"],
    reason: str,
    fits: bool,
    version: int | None,
    found: Candidate | None,
    gates: Sequence[Gate],
    differences: Sequence[Difference],
    evidence: Evidence | None,
    task: catalog.Task | None,
    failing_id: int,
) -> Repair:
    report = report_markdown(
        slug,
        reason=reason,
        differences=differences,
        gates=gates,
        evidence=evidence,
        next_steps=_next_steps(slug, status, version, task, failing_id),
    )
    return Repair(
        slug=slug,
        status=status,
        reason=reason,
        fits=fits,
        version=version,
        rule=None if found is None else found.rule,
        models=0 if evidence is None else evidence.failing.candidate.models,
        gates=tuple(gates),
        differences=tuple(differences),
        report=report,
        raw_response_id=failing_id,
        task_id=None if task is None else task.id,
    )


def _reviewed(
    slug: str, task: catalog.Task | None, failing_id: int, reason: str, differences: Sequence[Difference]
) -> Repair:
    return _judged(slug, "needs_review", reason, False, None, None, (), differences, None, task, failing_id)


def _nothing_better(
    slug: str,
    task: catalog.Task | None,
    failing_id: int,
    evidence: Evidence,
    differences: Sequence[Difference],
    found: Candidate,
    active: catalog.StoredRuleVersion | None,
) -> Repair:
    """The rule that a sample of the response asks for is the active one already."""
    version = None if active is None else active.version
    fits = evidence.failing.candidate.valid
    held = [] if task is None else [each for each in task.config.get("issues", ()) if each.get("severity") == "error"]
    if fits and held and all(each.get("type") in PLAUSIBILITY_ISSUES for each in held):
        reason = f"the rule reads the response, and the listing itself is in question: {held[0].get('message')}"
        return _judged(slug, "needs_review", reason, fits, version, found, (), differences, evidence, task, failing_id)
    if fits:
        reason = f"rule version {version} fits, and no better one was found"
        return _judged(slug, "kept", reason, fits, version, found, (), differences, evidence, task, failing_id)
    reason = f"no better rule than version {version} can be written: {evidence.failing.candidate.reason}"
    return _judged(slug, "needs_review", reason, fits, version, found, (), differences, evidence, task, failing_id)


def _finish(session: Session, task: catalog.Task, repair: Repair, worker: str) -> None:
    catalog.add_task_evidence(
        session,
        task.id,
        {
            "raw_response_id": repair.raw_response_id,
            "differences": [difference.to_json() for difference in repair.differences],
        },
    )
    needs_review = repair.status == "needs_review"
    proposed = repair.version if needs_review and repair.gates else None
    catalog.finish_task(
        session,
        task.id,
        worker=worker,
        status="NEEDS_REVIEW" if needs_review else "SUCCEEDED",
        result={
            "reason": repair.reason,
            "rule_version": repair.version,
            "raw_response_id": repair.raw_response_id,
            "gates": [gate.to_json() for gate in repair.gates],
        },
        report=repair.report,
        proposed_version=proposed,
    )


def _newest_response(session: Session, provider_id: int, task: catalog.Task | None) -> int:
    """The response of the last attempt, which may be an old one again; else that of the task."""
    last = catalog.get_sync_state(session, provider_id).last_result or {}
    for known in (last.get("raw_response_id"), None if task is None else task.raw_response_id):
        if known is not None:
            return int(known)
    slug = task.slug if task is not None else last.get("provider")
    raise ModelSyncerError(
        f"{slug or 'the provider'}: there is no stored response to write a rule from",
        hint=f"fetch one with: provider-pipeline rules generate {slug or 'SLUG'}",
    )


def _active(session: Session, provider_id: int) -> catalog.StoredRuleVersion | None:
    try:
        return catalog.active_rule(session, provider_id)
    except RuleMissingError:
        return None


def _reason(failed: Sequence[Gate], found: Candidate) -> str:
    what = "the proposed rule" if found.version is not None else "the new rule"
    if not failed:
        return f"{what} passes every gate"
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{what} fails the gate {failed[0].name}: {failed[0].actual}{more}"


def _store(
    session: Session,
    provider_id: int,
    found: Candidate,
    sample_id: int,
    gates: Sequence[Gate],
    evidence: Evidence,
    task: catalog.Task | None,
    *,
    reason: str,
) -> tuple[int, bool]:
    """Stores the candidate, and activates it when it passed; its version, and whether a person rejected it before."""
    passed = all(gate.passed for gate in gates)
    scores = {"gates": [gate.to_json() for gate in gates], "failing": evidence.failing.to_json()}
    stored = found.rule.to_stored()
    version = found.version or catalog.add_rule_version(
        session,
        provider_id,
        model_list_config=stored.model_list_config,
        endpoints_config=stored.endpoints_config,
        metadata=found.metadata,
        digest=found.rule.digest,
        sample_id=sample_id,
        origin="regenerated",
        activate=False,
        reason="written from the failing response",
        task_id=None if task is None else task.id,
    )
    status = catalog.get_rule_version(session, provider_id, version).status
    task_id = None if task is None else task.id
    if status == "rejected":
        return version, True
    if passed:
        catalog.activate_rule(session, provider_id, version, reason=reason, scores=scores, task_id=task_id)
    elif status != "active":
        catalog.set_rule_status(
            session, provider_id, version, "needs_review", reason=reason, scores=scores, task_id=task_id
        )
    return version, False


def _next_steps(
    slug: str, status: str, version: int | None, task: catalog.Task | None, failing_id: int
) -> tuple[str, ...]:
    if status != "needs_review":
        return ()
    look = f"provider-pipeline raw show {failing_id}"
    if task is None:
        return (look,)
    decide = (f"provider-pipeline tasks approve {task.id} --reason WHY",) if version is not None else ()
    return (
        *decide,
        f"provider-pipeline tasks propose {task.id} --rule FILE",
        f"provider-pipeline sync {slug} --accept GUARD --reason WHY",
        look,
    )
