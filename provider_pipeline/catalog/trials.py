"""`rule_trial`: rule versions that read each new listing beside the active one, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog import rule_versions
from provider_pipeline.catalog.tables import provider, rule_trial, rule_trial_result
from provider_pipeline.errors import CatalogError, NoSuchEntryError

TRIAL_POLICIES = ("report", "promote")
_ENDS = ("finished", "promoted", "stopped")


@dataclass(frozen=True)
class RuleTrial:
    """A trial and its progress.

    Attributes:
        version: The rule version on trial.
        started_at: When it began.
        until_syncs: Ends after this many syncs; None if only time ends it.
        until_at: Ends then at the latest; None if only syncs end it.
        policy: report or promote.
        status: running, finished, promoted or stopped.
        reason: Why it was begun.
        ended_at: When it ended.
        end_reason: Why it ended as it did.
        syncs: Syncs so far.
        responses: Different listings among them.
    """

    id: int
    provider_id: int
    slug: str
    version: int
    started_at: datetime
    until_syncs: int | None
    until_at: datetime | None
    policy: str
    status: str
    reason: str
    created_by_id: int | None
    ended_at: datetime | None
    end_reason: str | None
    syncs: int
    responses: int

    def is_over(self, now: datetime) -> bool:
        """Whether it has reached its end."""
        enough = self.until_syncs is not None and self.syncs >= self.until_syncs
        return enough or (self.until_at is not None and now >= self.until_at)


@dataclass(frozen=True)
class TrialResult:
    """The trial's comparison on one listing.

    Attributes:
        raw_response_id: The stored listing; None once it was forgotten.
        seen_at: When this content was first read in the trial.
        times_seen: Syncs that brought it.
        scores: The comparison with the active rule.
    """

    raw_response_id: int | None
    seen_at: datetime
    times_seen: int
    scores: dict[str, Any]


def start(
    session: Session,
    provider_id: int,
    version: int,
    *,
    now: datetime,
    reason: str,
    until_syncs: int | None = None,
    until_at: datetime | None = None,
    policy: str = "report",
    created_by_id: int | None = None,
) -> RuleTrial:
    """Start a trial that ends after a number of syncs or at a time, whichever comes first.

    Raises:
        CatalogError: The version is active or on trial already, the end is missing or past, or the policy is unknown.
        NoSuchEntryError: The provider has no such version.
    """
    if policy not in TRIAL_POLICIES:
        raise CatalogError(f"no trial policy {policy!r}", hint=f"one of {', '.join(TRIAL_POLICIES)}")
    if (until_syncs or 0) < 1 and until_at is None:
        raise CatalogError("a trial needs an end", hint="give a number of syncs, a time, or both")
    if until_at is not None and until_at <= now:
        raise CatalogError(f"a trial cannot end at {until_at.isoformat()}: that has passed")
    if rule_versions.get(session, provider_id, version).status == "active":
        raise CatalogError(f"rule version {version} is the active one", hint="a trial compares another version with it")
    trial_id = session.scalar(
        insert(rule_trial)
        .values(
            provider_id=provider_id,
            version=version,
            started_at=now,
            until_syncs=until_syncs,
            until_at=until_at,
            policy=policy,
            reason=reason,
            created_by_id=created_by_id,
        )
        .on_conflict_do_nothing()
        .returning(rule_trial.c.id)
    )
    if trial_id is None:
        raise CatalogError(f"rule version {version} is on trial already", hint="stop that trial first")
    return get(session, trial_id)


def get(session: Session, trial_id: int) -> RuleTrial:
    """One trial.

    Raises:
        NoSuchEntryError: No trial has that number.
    """
    row = session.execute(_trials().where(rule_trial.c.id == trial_id)).one_or_none()
    if row is None:
        raise NoSuchEntryError(f"no trial {trial_id}")
    return RuleTrial(**row._mapping)


def list_trials(session: Session, *, slug: str | None = None, status: str | None = None) -> list[RuleTrial]:
    """Trials, oldest first."""
    query = _trials()
    if slug is not None:
        query = query.where(provider.c.slug == slug)
    if status is not None:
        query = query.where(rule_trial.c.status == status)
    return [RuleTrial(**row._mapping) for row in session.execute(query.order_by(rule_trial.c.id))]


def running(session: Session, provider_id: int, *, lock: bool = False) -> list[RuleTrial]:
    """A provider's running trials, oldest first.

    Args:
        lock: Keep them from ending until the transaction ends; call `providers.lock` first.
    """
    query = _trials().where(rule_trial.c.provider_id == provider_id, rule_trial.c.status == "running")
    if lock:
        query = query.with_for_update(of=rule_trial)
    return [RuleTrial(**row._mapping) for row in session.execute(query.order_by(rule_trial.c.id))]


def record_result(
    session: Session, trial_id: int, *, raw_response_id: int, now: datetime, scores: Mapping[str, Any]
) -> RuleTrial:
    """Record the comparison of one sync and return the updated trial; known content is only counted.

    Raises:
        CatalogError: There is no such trial, or it has ended.
    """
    # Locked so that a trial that ends concurrently gets no result after its end.
    status = session.scalar(select(rule_trial.c.status).where(rule_trial.c.id == trial_id).with_for_update(read=True))
    if status != "running":
        raise CatalogError(f"trial {trial_id} is {status}" if status else f"no trial {trial_id}")
    adding = insert(rule_trial_result).values(
        trial_id=trial_id, raw_response_id=raw_response_id, seen_at=now, scores=dict(scores)
    )
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["trial_id", "raw_response_id"],
            set_={"times_seen": rule_trial_result.c.times_seen + 1},
        )
    )
    return get(session, trial_id)


def trial_results(session: Session, trial_id: int) -> list[TrialResult]:
    """A trial's results, oldest first."""
    query = select(*(rule_trial_result.c[name] for name in TrialResult.__dataclass_fields__)).where(
        rule_trial_result.c.trial_id == trial_id
    )
    return [TrialResult(**row._mapping) for row in session.execute(query.order_by(rule_trial_result.c.id))]


def end(session: Session, trial_id: int, *, status: str, now: datetime, reason: str) -> RuleTrial:
    """End a trial; no effect if it already ended with this status.

    Args:
        status: finished (reached its end), promoted (its version was activated) or stopped (ended early).

    Raises:
        CatalogError: There is no such trial or status, or it ended differently.
    """
    if status not in _ENDS:
        raise CatalogError(f"a trial cannot end as {status!r}", hint=f"one of {', '.join(_ENDS)}")
    session.execute(
        update(rule_trial)
        .where(rule_trial.c.id == trial_id, rule_trial.c.status == "running")
        .values(status=status, ended_at=now, end_reason=reason)
    )
    trial = get(session, trial_id)
    if trial.status != status:
        raise CatalogError(f"trial {trial_id} is {trial.status} already")
    return trial


def _trials() -> Select[Any]:
    results = (
        select(
            func.coalesce(func.sum(rule_trial_result.c.times_seen), 0).label("syncs"),
            func.count().label("responses"),
        )
        .where(rule_trial_result.c.trial_id == rule_trial.c.id)
        .lateral()
    )
    columns = [rule_trial.c[name] for name in RuleTrial.__dataclass_fields__ if name in rule_trial.c]
    return (
        select(*columns, provider.c.slug, results.c.syncs, results.c.responses)
        .join(provider, provider.c.id == rule_trial.c.provider_id)
        .join(results, true())
    )
