"""Answering RULE_GEN tasks: a candidate rule, its trial beside the active one, and what becomes of both.

Here: the order of the steps, and the transactions around them. Not here: writing rules (`provider_pipeline.rules`), the
evidence (`evaluation.py`), the verdict (`gates.py`), what becomes of a candidate (`adoption.py`) and the report
(`report.py`). The concept: whoever answers a task,
the built-in generator, a person or an agent from outside, the rule passes the same gates; one that fails a gate waits
for a person, with a report that names the change.
"""

import os
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import (
    ModelSyncerError,
    ProviderPipelineError,
    RuleJudgingError,
    RuleValidationError,
    TaskClaimLostError,
)
from provider_pipeline.rules.difference import difference_lines, rule_differences
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import Difference
from provider_pipeline.sync.config import StoredResponse
from provider_pipeline.sync.events import RULE_REPAIRED, TASK_NEEDS_REVIEW, task_answered
from provider_pipeline.sync.repair.activation import Adoption, Decision, active_version, adopt, readable_rule
from provider_pipeline.sync.repair.candidates import (
    Candidate,
    differences_between,
    last_good_response,
    proposed_candidate,
    with_history,
    with_proven_paging,
    written_candidate,
)
from provider_pipeline.sync.repair.generate import ListingPlace, active_places, stored_sample
from provider_pipeline.sync.repair.promotion import Gate
from provider_pipeline.sync.repair.report import report_markdown

LEASE: Final = timedelta(minutes=15)
"""How long a claim lasts. A rule for thousands of models takes seconds; a dozen of the largest stored responses take
longer than this, and the worker extends its claim between them."""

_EXTENDED_EVERY: Final = LEASE / 3

_WORKERS: Final = "provider-pipeline:"

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
        rejected: Why the rule that was proposed for the task was rejected without a judgement; None if it was not.
    """

    slug: str
    status: Decision
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
    rejected: str | None = None

    @property
    def activated(self) -> bool:
        """Whether the candidate is the active rule now."""
        return self.status == "activated"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON, but for the rule, which is stored, and the report, which says the same to people."""
        return {
            "provider": self.slug,
            "task": self.task_id,
            "status": self.status,
            "reason": self.reason,
            "rejected": self.rejected,
            "rule_version": self.version,
            "models": self.models,
            "raw_response_id": self.raw_response_id,
            "gates": [gate.to_json() for gate in self.gates],
            "differences": [difference.to_json() for difference in self.differences],
        }


def worker_name() -> str:
    """A name that no other worker has, on any machine, not even an earlier process of the same number."""
    return f"{_WORKERS}{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_own_worker(name: str) -> bool:
    """Whether a name is of the form that only this program's own workers have."""
    return name.startswith(_WORKERS)


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
    while (task := catalog.task_claims.claim(session, worker=name, now=clock(), lease=LEASE, slug=slug)) is not None:
        session.commit()
        repairs.append(answer_task(session, task, worker=name, clock=clock))
    session.commit()
    return repairs


def answer_task(
    session: Session, task: catalog.tasks.Task, *, worker: str, clock: Clock = lambda: datetime.now(UTC)
) -> Repair:
    """Answers one task that this worker has claimed, and commits.

    The rule that was proposed for it is judged, or one that the generator writes from the failing response. A proposed
    rule whose judging does not come to an end is rejected, and the task goes on as if there had been none; so it does
    if two earlier workers vanished over the judging.

    Raises:
        TaskClaimLostError: Another worker has taken the task over meanwhile; nothing was changed.
        ProviderPipelineError: The task was given back, to be tried again after a pause.
    """
    kept_at = clock()

    def keep_task() -> None:
        nonlocal kept_at
        if (now := clock()) - kept_at >= _EXTENDED_EVERY:
            catalog.task_claims.extend(session, task.id, worker=worker, now=now, lease=LEASE)
            session.commit()
            kept_at = now

    try:
        repair = _judged_or_rejected(session, task, worker, keep_task)
        _finish(session, task, repair, worker, clock())
        session.commit()
    except TaskClaimLostError:
        session.rollback()
        raise
    except (ProviderPipelineError, KeyboardInterrupt) as error:
        session.rollback()
        reason = str(error) or "interrupted"
        catalog.task_claims.release(session, task.id, worker=worker, now=clock(), reason=reason)
        session.commit()
        raise
    return repair


def _judged_or_rejected(session: Session, task: catalog.tasks.Task, worker: str, between: Callable[[], None]) -> Repair:
    """The repair with the proposed rule or, where that cannot be judged, without one."""
    if task.proposed_version is None:
        return _repair(session, task.slug, task, between)
    try:
        if task.lost_its_judge:
            raise RuleJudgingError("two earlier workers vanished while it was judged")
        catalog.task_claims.begin_judging(session, task, worker=worker)
        session.commit()
        return _repair(session, task.slug, task, between)
    except RuleJudgingError as error:
        session.rollback()
        reason = f"the proposed rule version {task.proposed_version} is rejected: {error.message}"
        _reject(session, task, worker, reason)
        session.commit()
    repair = _repair(session, task.slug, replace(task, proposed_version=None), between, preface=reason)
    return replace(repair, rejected=reason)


def _reject(session: Session, task: catalog.tasks.Task, worker: str, reason: str) -> None:
    version = catalog.rule_versions.get(session, task.provider_id, task.proposed_version or 0)
    if version.status != "active":
        catalog.rule_decisions.set_status(
            session, task.provider_id, version.version, "rejected", reason=reason, task_id=task.id
        )
    catalog.task_claims.drop_proposal(session, task.id, worker=worker, reason=reason)


def improve_rule(session: Session, slug: str) -> Repair:
    """Looks for a better rule in the provider's newest response, without a task, and commits.

    Raises:
        ModelSyncerError: There is no stored response to learn from.
    """
    repair = _repair(session, slug, None)
    session.commit()
    return repair


def _repair(
    session: Session,
    slug: str,
    task: catalog.tasks.Task | None,
    between: Callable[[], None] = lambda: None,
    *,
    preface: str | None = None,
) -> Repair:
    """A candidate's trial; the preface goes before the reason that is given for what became of it."""
    provider = catalog.providers.get(session, slug)
    response = StoredResponse(session, _newest_response(session, provider.id, task))
    active = active_version(session, provider.id)
    rule = readable_rule(active)
    good = None if active is None or rule is None else last_good_response(session, provider.id, active)
    differences = () if rule is None or good is None else differences_between(rule, good, response)
    try:
        candidate = proposed_candidate(session, provider.id, task) or written_candidate(
            slug, stored_sample(session, slug, response.id, active_places(session, slug) or [ListingPlace("")])
        )
    except RuleValidationError as error:
        reason = f"no rule can be written: {error.reason.removeprefix(f'{slug}: ')}"
        reason = _prefaced(preface, reason)
        return _described(slug, task, response.id, differences, rule, None, None, "needs_review", reason)
    if candidate.version is None and rule is not None:
        candidate = with_proven_paging(candidate, rule, response)
    if candidate.version is None and rule is not None and good is not None:
        candidate = with_history(candidate, rule, good, response)
    adoption = adopt(
        session,
        provider.id,
        candidate,
        response,
        origin="regenerated",
        task_id=None if task is None else task.id,
        between=between,
    )
    status, reason = adoption.status, adoption.reason
    if status == "kept" and (held := _held(session, provider.id, adoption.version, response)):
        status, reason = "needs_review", f"the rule reads the response; the listing itself is in question: {held}"
    reason = _prefaced(preface, reason)
    return _described(slug, task, response.id, differences, rule, candidate, adoption, status, reason)


def _prefaced(preface: str | None, reason: str) -> str:
    return reason if preface is None else f"{preface}; {reason}"


def _held(session: Session, provider_id: int, version: int, response: StoredResponse) -> str | None:
    """Why the last sync held this very response, read with this very rule: nothing that a new rule would change."""
    last = catalog.sync_state.get(session, provider_id).last_result or {}
    if (last.get("status"), last.get("rule_version"), last.get("raw_response_id")) != ("blocked", version, response.id):
        return None
    return next((str(each["message"]) for each in last["issues"] if each["severity"] == "error"), str(last["reason"]))


def _described(
    slug: str,
    task: catalog.tasks.Task | None,
    failing_id: int,
    differences: Sequence[Difference],
    active: ExtractionRule | None,
    candidate: Candidate | None,
    adoption: Adoption | None,
    status: Decision,
    reason: str,
) -> Repair:
    gates = () if adoption is None else adoption.gates
    version = None if adoption is None else adoption.version
    report = report_markdown(
        slug,
        reason=reason,
        differences=differences,
        rule_changes=()
        if active is None or candidate is None
        else difference_lines(rule_differences(active, candidate.rule)),
        gates=gates,
        evidence=None if adoption is None else adoption.evidence,
        next_steps=_next_steps(slug, status, version if gates else None, task, failing_id),
    )
    return Repair(
        slug=slug,
        status=status,
        reason=reason,
        fits=adoption is not None and adoption.fits,
        version=version,
        rule=None if candidate is None else candidate.rule,
        models=0 if adoption is None else adoption.evidence.failing.candidate.models,
        gates=gates,
        differences=tuple(differences),
        report=report,
        raw_response_id=failing_id,
        task_id=None if task is None else task.id,
    )


def _finish(session: Session, task: catalog.tasks.Task, repair: Repair, worker: str, now: datetime) -> None:
    found = repair.to_json()
    catalog.tasks.add_evidence(session, task.id, {key: found[key] for key in ("raw_response_id", "differences")})
    needs_review = repair.status == "needs_review"
    proposed = repair.version if needs_review and repair.gates else None
    result = {key: found[key] for key in ("reason", "rule_version", "raw_response_id", "gates")}
    if repair.status != "kept":
        task_answered(session, task, TASK_NEEDS_REVIEW if needs_review else RULE_REPAIRED, result, now=now)
    catalog.task_claims.finish(
        session,
        task.id,
        worker=worker,
        status="NEEDS_REVIEW" if needs_review else "SUCCEEDED",
        result=result,
        report=repair.report,
        proposed_version=proposed,
    )


def _newest_response(session: Session, provider_id: int, task: catalog.tasks.Task | None) -> int:
    """The response of the last attempt, which may be an old one again; else that of the task."""
    last = catalog.sync_state.get(session, provider_id).last_result or {}
    for known in (last.get("raw_response_id"), None if task is None else task.raw_response_id):
        if known is not None:
            return int(known)
    slug = task.slug if task is not None else last.get("provider")
    raise ModelSyncerError(
        f"{slug or 'the provider'}: there is no stored response to write a rule from",
        hint=f"fetch one with: provider-pipeline rules generate {slug or 'SLUG'}",
    )


def _next_steps(
    slug: str, status: str, version: int | None, task: catalog.tasks.Task | None, failing_id: int
) -> tuple[str, ...]:
    if status != "needs_review":
        return ()
    look = f"provider-pipeline raw show {failing_id}"
    if task is None:
        return (look,)
    approve = f"provider-pipeline tasks approve {task.id} --version {version} --reason WHY"
    decide = (approve,) if version is not None else ()
    return (
        *decide,
        f"provider-pipeline tasks propose {task.id} --rule FILE",
        f"provider-pipeline sync {slug} --accept GUARD --reason WHY",
        look,
    )
