"""Reads rule versions and their history; `rule_decisions` changes them."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog import providers
from provider_pipeline.catalog.tables import provider, rule_version, rule_version_event
from provider_pipeline.errors import NoSuchEntryError, RuleMissingError, RuleReplacedError

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
    present = active_version(session, provider_id)
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


def active_version(session: Session, provider_id: int) -> int | None:
    """The provider's active rule version, if any."""
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


def record_rule_event(session: Session, provider_id: int, version: int, status: str, why: Why) -> None:
    """Record a status change; only `rule_decisions` calls this."""
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
    """The version a rollback would activate, skipping rejected ones; None if there is none."""
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
