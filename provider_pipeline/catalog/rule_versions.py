"""Extraction rules as stored: every version, its status, and which one is active.

Here: the rows of `rule_version`, and the active rule's copy in `provider_metadata`. Not here: what became of each
version over time (`rule_history`), and what the documents mean (`provider_pipeline.rules`); they are plain JSON objects
to the catalogue. What a version says never changes, and exactly one is active per provider: the database refuses
anything else, whoever asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.providers import lock_provider
from provider_pipeline.catalog.rule_history import Why, previous_active_version, record_rule_event
from provider_pipeline.catalog.tables import provider, provider_metadata, rule_trial, rule_version
from provider_pipeline.errors import CatalogError, RuleMissingError, RuleReplacedError

RULE_AUTHORS = ("generator", "person", "agent")
_UNDECIDED_OR_REFUSED = ("candidate", "needs_review", "rejected")


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
        origin: What made it, in a word of the caller's.
        parent_version: The version that was active when it was made; None for the first.
        author: generator, person or agent.
        created_by_id: Who made it, if anybody said.
        status: candidate, active, retired, rejected or needs_review.
        created_at: When it was stored.
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


def add_rule_version(
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
    """Store a rule as the provider's next version, child of the active one.

    A rule the provider already has keeps its version and its status, a rejected one too: whether to activate that
    nevertheless is the caller's decision.

    Args:
        session: Session to write with.
        provider_id: The provider.
        model_list_config: Endpoint, selector, fields, units and pagination.
        endpoints_config: Capability patterns and evidence.
        metadata: How the rule was made.
        digest: SHA-256 of the rule's canonical JSON.
        sample_id: The stored listing it was generated from, if any.
        origin: What made it, in a word.
        activate: Make it the active rule.
        author: generator, person or agent.
        created_by_id: Who made it.
        status: candidate, needs_review or rejected, for a new version that is not activated.
        reason: Why it is added, or activated; None for its origin.
        scores: What that rests on.
        task_id: The task it answers.

    Returns:
        The version number.
    """
    _allow_status(status)
    lock_provider(session, provider_id)
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
                parent_version=_active_version(session, provider_id),
                author=author,
                created_by_id=created_by_id,
                status=status,
            )
            .returning(rule_version.c.version)
        ).one()
        if not activate:
            record_rule_event(session, provider_id, version, status, why)
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
    """Make a stored version the provider's active rule, whatever its status; no effect if it already is.

    The version that was active is retired. A trial of the activated version that still runs ends as promoted.

    Raises:
        RuleMissingError: The provider has no such version.
    """
    lock_provider(session, provider_id)
    get_rule_version(session, provider_id, version)
    _activate(session, provider_id, version, Why(reason, scores, task_id, created_by_id))


def roll_back_rule(session: Session, provider_id: int, *, reason: str, created_by_id: int | None = None) -> int:
    """Make the version active again that was active before the present one.

    Returns:
        The version that is active now.

    Raises:
        RuleMissingError: There is none to go back to.
    """
    lock_provider(session, provider_id)
    version = previous_active_version(session, provider_id)
    if version is None:
        slug = _slug(session, provider_id)
        raise RuleMissingError(
            f"provider {slug!r} has no earlier rule version to go back to",
            hint=f"see provider-pipeline rules versions {slug}",
        )
    activate_rule(session, provider_id, version, reason=reason, created_by_id=created_by_id)
    return version


def set_rule_status(
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
    """Decide about a version that is not active; no effect if it has that status.

    Args:
        session: Session to write with.
        provider_id: The provider.
        version: Its version.
        status: candidate, needs_review or rejected; `activate_rule` makes a version active, and retires another.
        reason: Why.
        created_by_id: Who decided.
        scores: What the decision rests on.
        task_id: The task it answers.

    Raises:
        CatalogError: No such status, or the version is active.
        RuleMissingError: The provider has no such version.
    """
    _allow_status(status)
    lock_provider(session, provider_id)
    present = get_rule_version(session, provider_id, version).status
    if present == "active":
        raise CatalogError(f"rule version {version} is the active one", hint="activate another version instead")
    if present != status:
        _write_status(session, provider_id, version, status)
        why = Why(reason, scores, task_id, created_by_id)
        record_rule_event(session, provider_id, version, status, why)


def require_active(session: Session, provider_id: int, version: int | None) -> None:
    """Makes sure that a version is still the active one, and stays it until the transaction ends.

    Args:
        session: Session to lock the provider with.
        provider_id: The provider.
        version: The version that was active; None for no rule.

    Raises:
        RuleReplacedError: Another version became active meanwhile.
    """
    lock_provider(session, provider_id)
    present = _active_version(session, provider_id)
    if present != version:
        raise rule_replaced(_slug(session, provider_id), version, present)


def rule_replaced(slug: str, version: int | None, present: int | None) -> RuleReplacedError:
    """What there is to say when another version became active meanwhile."""
    return RuleReplacedError(
        f"{slug}: rule version {present} became active meanwhile, in place of {version}",
        hint="nothing was written; try again",
        transient=True,
    )


def active_versions(session: Session, provider_ids: Iterable[int]) -> dict[int, int]:
    """The version of each provider's active rule; those without one are left out.

    It stays the active one until the transaction ends if the provider was locked before.
    """
    query = select(rule_version.c.provider_id, rule_version.c.version).where(
        rule_version.c.status == "active",
        rule_version.c.provider_id == any_(bindparam("provider_ids", type_=ARRAY(BigInteger))),
    )
    return {row.provider_id: row.version for row in session.execute(query, {"provider_ids": list(provider_ids)})}


def active_rule(session: Session, provider_id: int) -> StoredRuleVersion:
    """The provider's active rule.

    Raises:
        RuleMissingError: It has none.
    """
    row = session.execute(
        select(*_COLUMNS).where(rule_version.c.provider_id == provider_id, rule_version.c.status == "active")
    ).one_or_none()
    if row is None:
        raise rule_missing(_slug(session, provider_id))
    return StoredRuleVersion(**row._mapping)


def rule_missing(slug: str) -> RuleMissingError:
    """What there is to say of a provider without an active rule."""
    return RuleMissingError(
        f"provider {slug!r} has no active extraction rule", hint=f"run: provider-pipeline rules generate {slug}"
    )


def get_rule_version(session: Session, provider_id: int, version: int) -> StoredRuleVersion:
    """One version of a provider's rule.

    Raises:
        RuleMissingError: The provider has no such version.
    """
    row = session.execute(
        select(*_COLUMNS).where(rule_version.c.provider_id == provider_id, rule_version.c.version == version)
    ).one_or_none()
    if row is None:
        raise RuleMissingError(f"provider {_slug(session, provider_id)!r} has no rule version {version}")
    return StoredRuleVersion(**row._mapping)


def list_rule_versions(session: Session, provider_id: int, *, status: str | None = None) -> list[StoredRuleVersion]:
    """A provider's rule versions, oldest first; with a status, only those that have it."""
    query = select(*_COLUMNS).where(rule_version.c.provider_id == provider_id)
    if status is not None:
        query = query.where(rule_version.c.status == status)
    return [StoredRuleVersion(**row._mapping) for row in session.execute(query.order_by(rule_version.c.version))]


_COLUMNS = [rule_version.c[name] for name in StoredRuleVersion.__dataclass_fields__]


def _activate(session: Session, provider_id: int, version: int, why: Why) -> None:
    active = _active_version(session, provider_id)
    if active == version:
        return
    if active is not None:
        _write_status(session, provider_id, active, "retired")
        retired = replace(why, reason=f"version {version} took over: {why.reason}")
        record_rule_event(session, provider_id, active, "retired", retired)
    _write_status(session, provider_id, version, "active")
    record_rule_event(session, provider_id, version, "active", why)
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


def _active_version(session: Session, provider_id: int) -> int | None:
    return session.scalar(
        select(rule_version.c.version).where(
            rule_version.c.provider_id == provider_id, rule_version.c.status == "active"
        )
    )


def _write_status(session: Session, provider_id: int, version: int, status: str) -> None:
    session.execute(
        update(rule_version)
        .where(rule_version.c.provider_id == provider_id, rule_version.c.version == version)
        .values(status=status)
    )


def _slug(session: Session, provider_id: int) -> str:
    return session.scalar(select(provider.c.slug).where(provider.c.id == provider_id)) or str(provider_id)
