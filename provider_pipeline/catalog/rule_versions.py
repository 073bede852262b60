"""The versions of each provider's extraction rule: what they are, which one is active, and why.

A version is immutable, and the database enforces that at most one per provider is active. `provider_metadata` has a
copy of the active rule.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.tables import provider, provider_metadata, rule_trial, rule_version, rule_version_event
from provider_pipeline.errors import CatalogError, NoSuchEntryError, RuleMissingError, RuleReplacedError

Version = TypeVar("Version", int, str)


@dataclass(frozen=True)
class StoredRuleVersion:
    """One version of a provider's extraction rule.

    Attributes:
        version: Counts from 1 for each provider.
        model_list_config: Endpoint, selector, fields, units and pagination.
        endpoints_config: Capability patterns and evidence.
        metadata: How the rule was made.
        digest: SHA-256 of the rule's canonical JSON.
        sample_id: The stored listing it was generated from, if any.
        origin: What made it, in a word.
        parent_version: The version that was active when it was made; None for the first.
        author: generator, person or agent.
        status: candidate, active, retired, rejected or needs_review.
    """

    version: int
    model_list_config: dict[str, Any]
    endpoints_config: dict[str, Any]
    metadata: dict[str, Any]
    digest: str
    sample_id: int | None
    origin: str
    parent_version: int | None
    author: str
    created_by_id: int | None
    status: str
    created_at: datetime


_COLUMNS = [rule_version.c[name] for name in StoredRuleVersion.__dataclass_fields__]


def require_active(session: Session, provider_id: int, version: int | None) -> None:
    """Lock the provider and check that this version (None for no rule) is still the active one.

    Raises:
        RuleReplacedError: Another version became active meanwhile.
    """
    providers.lock(session, provider_id)
    present = active_version_number(session, provider_id)
    if present != version:
        raise replaced(slug_of(session, provider_id), version, present)


def replaced(slug: str, version: int | None, present: int | None) -> RuleReplacedError:
    """The error for an active version that was replaced meanwhile."""
    return RuleReplacedError(
        f"{slug}: rule version {present} became active meanwhile, in place of {version}",
        hint="nothing was written; try again",
        transient=True,
    )


def active(session: Session, provider_id: int) -> StoredRuleVersion:
    """The provider's active rule.

    Raises:
        RuleMissingError: It has none.
    """
    row = session.execute(
        select(*_COLUMNS).where(rule_version.c.provider_id == provider_id, rule_version.c.status == "active")
    ).one_or_none()
    if row is None:
        raise missing(slug_of(session, provider_id), waiting_version(session, provider_id))
    return StoredRuleVersion(**row._mapping)


def missing(slug: str, waiting: int | None = None) -> RuleMissingError:
    """The error for a provider without an active rule; `waiting` is a version that needs a person's review."""
    if waiting is not None:
        return RuleMissingError(
            f"provider {slug!r} has no active extraction rule: version {waiting} needs review",
            hint=f"look at it: provider-pipeline rules versions {slug}; activate it: "
            f"provider-pipeline rules activate {slug} {waiting} --reason WHY",
        )
    return RuleMissingError(
        f"provider {slug!r} has no active extraction rule", hint=f"run: provider-pipeline rules generate {slug}"
    )


def waiting_version(session: Session, provider_id: int) -> int | None:
    """The newest version that needs review, if any."""
    waiting = list_rule_versions(session, provider_id, status="needs_review")
    return max((each.version for each in waiting), default=None)


def get(session: Session, provider_id: int, version: int) -> StoredRuleVersion:
    """One version of a provider's rule.

    Raises:
        NoSuchEntryError: The provider has no such version.
    """
    row = session.execute(
        select(*_COLUMNS).where(rule_version.c.provider_id == provider_id, rule_version.c.version == version)
    ).one_or_none()
    if row is None:
        slug = slug_of(session, provider_id)
        raise NoSuchEntryError(
            f"provider {slug!r} has no rule version {version}", hint=f"run: provider-pipeline rules versions {slug}"
        )
    return StoredRuleVersion(**row._mapping)


def list_rule_versions(session: Session, provider_id: int, *, status: str | None = None) -> list[StoredRuleVersion]:
    """A provider's rule versions, oldest first."""
    query = select(*_COLUMNS).where(rule_version.c.provider_id == provider_id)
    if status is not None:
        query = query.where(rule_version.c.status == status)
    return [StoredRuleVersion(**row._mapping) for row in session.execute(query.order_by(rule_version.c.version))]


def active_version_number(session: Session, provider_id: int) -> int | None:
    """The number of the provider's active rule version, if any."""
    return providers.active_rule_versions(session, [provider_id]).get(provider_id)


def slug_of(session: Session, provider_id: int) -> str:
    """The provider's slug for messages, or its key if it is gone."""
    return session.scalar(select(provider.c.slug).where(provider.c.id == provider_id)) or str(provider_id)


@dataclass(frozen=True)
class RuleEvent:
    """A row of `rule_version_event`; its columns are explained by the table's comments."""

    id: int
    version: int
    status: str
    reason: str
    scores: dict[str, Any] | None
    task_id: int | None
    created_by_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Why:
    """The grounds of a decision about a rule version; `created_by_id` is None for the pipeline itself."""

    reason: str
    scores: Mapping[str, Any] | None
    task_id: int | None
    created_by_id: int | None


def _record_event(session: Session, provider_id: int, version: int, status: str, why: Why) -> None:
    """Record a status change."""
    session.execute(
        insert(rule_version_event).values(
            provider_id=provider_id,
            version=version,
            status=status,
            reason=why.reason,
            scores=None if why.scores is None else dict(why.scores),
            task_id=why.task_id,
            created_by_id=why.created_by_id,
        )
    )


def events(session: Session, provider_id: int, *, version: int | None = None) -> list[RuleEvent]:
    """Status changes of a provider's rule versions, or of one version, oldest first."""
    query = select(*(rule_version_event.c[name] for name in RuleEvent.__dataclass_fields__)).where(
        rule_version_event.c.provider_id == provider_id
    )
    if version is not None:
        query = query.where(rule_version_event.c.version == version)
    return [RuleEvent(**row._mapping) for row in session.execute(query.order_by(rule_version_event.c.id))]


def previous_active_version(session: Session, provider_id: int) -> int | None:
    """The version a rollback would activate, skipping rejected ones, if any."""
    activated = session.scalars(
        select(rule_version_event.c.version)
        .where(rule_version_event.c.provider_id == provider_id, rule_version_event.c.status == "active")
        .order_by(rule_version_event.c.id)
    )
    rejected = session.scalars(
        select(rule_version.c.version).where(
            rule_version.c.provider_id == provider_id, rule_version.c.status == "rejected"
        )
    )
    return version_before(activated, set(rejected))


def version_before(activated: Iterable[Version], rejected: Set[Version]) -> Version | None:
    """The version to roll back to.

    Works like an editor's undo: rolling back twice goes back two steps instead of returning to the start.

    Args:
        activated: Versions in the order in which they became active; the last one is active now.
        rejected: Versions to skip.
    """
    path: list[Version] = []
    for version in activated:
        if version in path:
            del path[path.index(version) + 1 :]
        else:
            path.append(version)
    return next((version for version in reversed(path[:-1]) if version not in rejected), None)


_UNDECIDED_OR_REFUSED = ("candidate", "needs_review", "rejected")


def add_version(
    session: Session,
    provider_id: int,
    *,
    model_list_config: Mapping[str, Any],
    endpoints_config: Mapping[str, Any],
    metadata: Mapping[str, Any],
    digest: str,
    sample_id: int | None,
    origin: str,
    activate: bool,
    author: str = "generator",
    created_by_id: int | None = None,
    status: str = "candidate",
    reason: str | None = None,
    scores: Mapping[str, Any] | None = None,
    task_id: int | None = None,
) -> int:
    """Store a rule as the provider's next version, child of the active one; returns its version.

    A rule the provider already has keeps its version and status. The caller decides whether to activate a rejected one.

    Args:
        digest: SHA-256 of the rule's canonical JSON.
        sample_id: The stored listing it was generated from, if any.
        origin: What made it, in a word.
        author: generator, person or agent.
        status: candidate, needs_review or rejected, for a new version that is not activated.
        reason: Why it is added or activated; defaults to `origin`.
        scores: The measurements behind the decision.
        task_id: The task it answers.
    """
    _allow_status(status)
    providers.lock(session, provider_id)
    why = Why(reason or origin, scores, task_id, created_by_id)
    version: int | None = session.scalar(
        select(rule_version.c.version).where(rule_version.c.provider_id == provider_id, rule_version.c.digest == digest)
    )
    if version is None:
        latest = select(func.coalesce(func.max(rule_version.c.version), 0) + 1).where(
            rule_version.c.provider_id == provider_id
        )
        version = session.scalars(
            insert(rule_version)
            .values(
                provider_id=provider_id,
                version=latest.scalar_subquery(),
                model_list_config=dict(model_list_config),
                endpoints_config=dict(endpoints_config),
                metadata=dict(metadata),
                digest=digest,
                sample_id=sample_id,
                origin=origin,
                parent_version=active_version_number(session, provider_id),
                author=author,
                created_by_id=created_by_id,
                status=status,
            )
            .returning(rule_version.c.version)
        ).one()
        if not activate:
            _record_event(session, provider_id, version, status, why)
    if activate:
        _activate(session, provider_id, version, why)
    return version


def activate_rule(
    session: Session,
    provider_id: int,
    version: int,
    *,
    reason: str,
    created_by_id: int | None = None,
    scores: Mapping[str, Any] | None = None,
    task_id: int | None = None,
) -> None:
    """Make a stored version of any status the active rule; no effect if it already is.

    The previously active version is retired. A running trial of the activated version ends as promoted.

    Raises:
        NoSuchEntryError: The provider has no such version.
    """
    providers.lock(session, provider_id)
    get(session, provider_id, version)
    _activate(session, provider_id, version, Why(reason, scores, task_id, created_by_id))


def roll_back(session: Session, provider_id: int, *, reason: str, created_by_id: int | None = None) -> int:
    """Reactivate the previously active version and return it.

    Raises:
        RuleMissingError: No earlier version was active.
    """
    providers.lock(session, provider_id)
    version = previous_active_version(session, provider_id)
    if version is None:
        slug = slug_of(session, provider_id)
        raise RuleMissingError(
            f"provider {slug!r} has no earlier rule version to go back to",
            hint=f"see provider-pipeline rules versions {slug}",
        )
    activate_rule(session, provider_id, version, reason=reason, created_by_id=created_by_id)
    return version


def set_status(
    session: Session,
    provider_id: int,
    version: int,
    status: str,
    *,
    reason: str,
    created_by_id: int | None = None,
    scores: Mapping[str, Any] | None = None,
    task_id: int | None = None,
) -> None:
    """Set the status of a version that is not active; no effect if it has that status already.

    Args:
        status: candidate, needs_review or rejected; `activate_rule` makes a version active, and retires another.
        scores: What the decision rests on.

    Raises:
        CatalogError: No such status, or the version is active.
        NoSuchEntryError: The provider has no such version.
    """
    _allow_status(status)
    providers.lock(session, provider_id)
    present = get(session, provider_id, version).status
    if present == "active":
        raise CatalogError(f"rule version {version} is the active one", hint="activate another version instead")
    if present != status:
        _write_status(session, provider_id, version, status)
        why = Why(reason, scores, task_id, created_by_id)
        _record_event(session, provider_id, version, status, why)


def _activate(session: Session, provider_id: int, version: int, why: Why) -> None:
    active = active_version_number(session, provider_id)
    if active == version:
        return
    if active is not None:
        _write_status(session, provider_id, active, "retired")
        retired = replace(why, reason=f"version {version} took over: {why.reason}")
        _record_event(session, provider_id, active, "retired", retired)
    _write_status(session, provider_id, version, "active")
    _record_event(session, provider_id, version, "active", why)
    session.execute(
        update(provider_metadata)
        .where(
            provider_metadata.c.provider_id == provider_id,
            rule_version.c.provider_id == provider_metadata.c.provider_id,
            rule_version.c.version == version,
        )
        .values(
            version=rule_version.c.version,
            model_list_config=rule_version.c.model_list_config,
            endpoints_config=rule_version.c.endpoints_config,
            updated_at=func.now(),
        )
    )
    session.execute(
        update(rule_trial)
        .where(
            rule_trial.c.provider_id == provider_id, rule_trial.c.version == version, rule_trial.c.status == "running"
        )
        .values(status="promoted", ended_at=func.now(), end_reason=why.reason)
    )


def _allow_status(status: str) -> None:
    if status not in _UNDECIDED_OR_REFUSED:
        raise CatalogError(
            f"a rule version cannot be given the status {status!r}", hint=f"one of {', '.join(_UNDECIDED_OR_REFUSED)}"
        )


def _write_status(session: Session, provider_id: int, version: int, status: str) -> None:
    session.execute(
        update(rule_version)
        .where(rule_version.c.provider_id == provider_id, rule_version.c.version == version)
        .values(status=status)
    )
