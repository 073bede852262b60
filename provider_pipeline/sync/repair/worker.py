"""Opens and answers RULE_GEN tasks: finds a candidate, runs it beside the active rule, and activates or reports it."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import (
    DatabaseUnavailableError,
    ModelSyncerError,
    ProviderPipelineError,
    RuleJudgingError,
    RuleValidationError,
    TaskClaimLostError,
)
from provider_pipeline.rules.difference import difference_lines, rule_differences
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.drift import Difference
from provider_pipeline.sync.events import LISTING_BLOCKED, RULE_REPAIRED, TASK_NEEDS_REVIEW
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.plan import StoredResponse
from provider_pipeline.sync.repair.activation import (
    ActivationResult,
    Decision,
    next_steps,
    report_markdown,
    try_activate,
)
from provider_pipeline.sync.repair.candidates import (
    CandidateRule,
    ListingPlace,
    active_places,
    active_version,
    differences_between,
    generated_candidate,
    last_good_response,
    proposed_candidate,
    readable_rule,
    stored_sample,
    with_active_currency,
    with_active_paging,
    with_moved_fields,
)
from provider_pipeline.sync.repair.promotion import Gate

LEASE: Final = timedelta(minutes=15)
"""Duration of a claim. The worker extends it between responses, because a dozen of the largest take longer."""

_EXTEND_AFTER: Final = LEASE / 3

_RELEASE_PAUSES: Final = (1, 2, 4, 8, 15, 30, 60)
"""Seconds between attempts to release a task while there is no database: a server restarts within two minutes."""

_WORKER_PREFIX: Final = "provider-pipeline:"

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Repair:
    """The result of answering a task, or of a search for a better rule without one.

    Attributes:
        slug: The provider.
        status: `activated`: the candidate is now the active rule; `kept`: the active rule fits, and nothing better was
            found; `needs_review`: a person must decide.
        reason: Why, in one line.
        fits: Whether the rule that is now active fits the response.
        version: The candidate's version; None without a candidate.
        rule: The candidate.
        models: Models that the candidate extracts from the response.
        gates: Result of each gate.
        differences: Changes between the last good response and this one.
        report: The report for a person, as Markdown.
        raw_response_id: The response.
        task_id: The task, if any.
        rejected: Why the proposed rule was rejected without a verdict, if it was.
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
        """Whether the candidate is now the active rule."""
        return self.status == "activated"

    def to_json(self) -> dict[str, Any]:
        """The repair as plain JSON, without the rule (it is stored) and the report."""
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
    """A name that is unique across machines and process ids."""
    return f"{_WORKER_PREFIX}{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_own_worker(name: str) -> bool:
    """Whether a name has the form of `worker_name`."""
    return name.startswith(_WORKER_PREFIX)


def open_task(
    session: Session,
    slug: str,
    *,
    raw_response_id: int | None,
    issues: Iterable[Mapping[str, Any]],
    created_by_id: int | None = None,
) -> catalog.tasks.TaskRef:
    """Opens a task for a held listing, or finds the open one for the same failure. Commits nothing."""
    provider = catalog.providers.get(session, slug)
    listed = [dict(issue) for issue in issues]
    task = catalog.tasks.open_rule_gen_task(
        session, provider.id, raw_response_id=raw_response_id, issues=listed, created_by_id=created_by_id
    )
    if task.created:
        payload = {"provider": slug, "task": task.id, "issues": listed}
        news = catalog.notifications.News(f"{LISTING_BLOCKED}:task-{task.id}", LISTING_BLOCKED, payload, provider.id)
        catalog.notifications.enqueue(session, [news], now=datetime.now(UTC))
    return task


def open_task_for(session: Session, outcome: SyncOutcome, *, created_by_id: int | None = None) -> catalog.tasks.TaskRef:
    """`open_task` for a blocked sync."""
    return open_task(
        session,
        outcome.slug,
        raw_response_id=outcome.raw_response_id,
        issues=outcome.issues,
        created_by_id=created_by_id,
    )


def answer_tasks(
    session: Session,
    slug: str,
    *,
    worker: str | None = None,
    clock: Clock = lambda: datetime.now(UTC),
    wait: Callable[[float], object] = time.sleep,
) -> list[Repair]:
    """Answers a provider's due RULE_GEN tasks, oldest first, except those of other workers. Commits; uses no network.

    After an error the task is released, and retried after a pause.

    Raises:
        ModelSyncerError: There is no stored response to learn from.
    """
    name = worker or worker_name()
    repairs = []
    while (task := catalog.task_claims.claim(session, worker=name, now=clock(), lease=LEASE, slug=slug)) is not None:
        session.commit()
        repairs.append(answer_task(session, task, worker=name, clock=clock, wait=wait))
    session.commit()
    return repairs


def answer_task(
    session: Session,
    task: catalog.tasks.Task,
    *,
    worker: str,
    clock: Clock = lambda: datetime.now(UTC),
    wait: Callable[[float], object] = time.sleep,
) -> Repair:
    """Answers one task that this worker has claimed, and commits.

    Judges the proposed rule, or one generated from the failing response. A proposed rule whose judging fails, or during
    which two earlier workers vanished, is rejected, and the task continues without a proposal. A worker that loses the
    database waits for it (`wait`, in seconds), so that it does not count as vanished.

    Raises:
        TaskClaimLostError: Another worker has taken over the task; nothing was changed.
        ProviderPipelineError: The task was released, and is retried after a pause.
    """
    extended_at = clock()

    def extend_claim() -> None:
        nonlocal extended_at
        if (now := clock()) - extended_at >= _EXTEND_AFTER:
            catalog.task_claims.extend(session, task.id, worker=worker, now=now, lease=LEASE)
            session.commit()
            extended_at = now

    try:
        repair = _judged_or_rejected(session, task, worker, extend_claim)
        _finish(session, task, repair, worker, clock())
        session.commit()
    except TaskClaimLostError:
        session.rollback()
        raise
    except (ProviderPipelineError, KeyboardInterrupt) as error:
        _release(session, task, worker, clock, wait, reason=str(error) or "interrupted")
        raise
    return repair


def _release(
    session: Session,
    task: catalog.tasks.Task,
    worker: str,
    clock: Clock,
    wait: Callable[[float], object],
    *,
    reason: str,
) -> None:
    for pause in (*_RELEASE_PAUSES, None):
        try:
            session.rollback()
            catalog.task_claims.release(session, task.id, worker=worker, now=clock(), reason=reason)
            session.commit()
            return
        except DatabaseUnavailableError:
            if pause is None:
                raise
            wait(pause)


def _judged_or_rejected(session: Session, task: catalog.tasks.Task, worker: str, between: Callable[[], None]) -> Repair:
    """The repair with the proposed rule or, if its judging fails, without it."""
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
        catalog.rule_versions.set_status(
            session, task.provider_id, version.version, "rejected", reason=reason, task_id=task.id
        )
    catalog.task_claims.drop_proposal(session, task.id, worker=worker, reason=reason)


def improve_rule(session: Session, slug: str) -> Repair:
    """Writes a rule from the provider's newest response, activates it if it is better, and commits.

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
    """Finds a candidate and tries to activate it; `preface` precedes the reason of the result."""
    provider = catalog.providers.get(session, slug)
    response = StoredResponse(session, _newest_response(session, provider.id, task))
    active = active_version(session, provider.id)
    rule = readable_rule(session, active)
    good = None if active is None or rule is None else last_good_response(session, provider.id, active)
    differences = () if rule is None or good is None else differences_between(rule, good, response)
    try:
        candidate = proposed_candidate(session, provider.id, task) or generated_candidate(
            session,
            slug,
            stored_sample(session, slug, response.id, active_places(session, slug) or [ListingPlace("")]),
            rule,
        )
    except RuleValidationError as error:
        reason = f"no rule can be written: {error.reason.removeprefix(f'{slug}: ')}"
        reason = _prefaced(preface, reason)
        return _described(slug, task, response.id, differences, rule, None, None, "needs_review", reason)
    if candidate.version is None and rule is not None:
        candidate = with_active_currency(with_active_paging(candidate, rule, response), rule)
    if candidate.version is None and rule is not None and good is not None:
        candidate = with_moved_fields(candidate, rule, good, response)
    result = try_activate(
        session,
        provider.id,
        candidate,
        response,
        origin="regenerated",
        task_id=None if task is None else task.id,
        only_better=task is not None and task.is_growth and task.proposed_version is None,
        between=between,
    )
    status, reason = result.status, result.reason
    if status == "kept" and (held := _held(session, provider.id, result.version, response)):
        status, reason = "needs_review", f"the rule reads the response; the listing itself is in question: {held}"
    reason = _prefaced(preface, reason)
    return _described(slug, task, response.id, differences, rule, candidate, result, status, reason)


def _prefaced(preface: str | None, reason: str) -> str:
    return reason if preface is None else f"{preface}; {reason}"


def _held(session: Session, provider_id: int, version: int, response: StoredResponse) -> str | None:
    """Why the last sync held this response with this rule, if it did: a new rule would not help."""
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
    candidate: CandidateRule | None,
    result: ActivationResult | None,
    status: Decision,
    reason: str,
) -> Repair:
    gates = () if result is None else result.gates
    version = None if result is None else result.version
    report = report_markdown(
        slug,
        reason=reason,
        differences=differences,
        rule_changes=()
        if active is None or candidate is None
        else difference_lines(rule_differences(active, candidate.rule)),
        gates=gates,
        evidence=None if result is None else result.evidence,
        next_steps=next_steps(slug, status, version if gates else None, task, failing_id),
    )
    return Repair(
        slug=slug,
        status=status,
        reason=reason,
        fits=result is not None and result.fits,
        version=version,
        rule=None if candidate is None else candidate.rule,
        models=0 if result is None else result.evidence.failing.candidate.models,
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
        kind = TASK_NEEDS_REVIEW if needs_review else RULE_REPAIRED
        key = f"{kind}:task-{task.id}:raw-{repair.raw_response_id}"
        payload = {"provider": task.slug, "task": task.id, **result}
        news = catalog.notifications.News(key, kind, payload, task.provider_id)
        catalog.notifications.enqueue(session, [news], now=now)
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
    """The response of the last sync, or else of the task."""
    last = catalog.sync_state.get(session, provider_id).last_result or {}
    for known in (last.get("raw_response_id"), None if task is None else task.raw_response_id):
        if known is not None:
            return int(known)
    slug = task.slug if task is not None else last.get("provider")
    raise ModelSyncerError(
        f"{slug or 'the provider'}: there is no stored response to write a rule from",
        hint=f"fetch one with: provider-pipeline rules generate {slug or 'SLUG'}",
    )
