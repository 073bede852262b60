"""Adds rule versions and changes their status; `rule_versions` reads them.

A version is immutable, and the database enforces that at most one per provider is active. `provider_metadata` has a
copy of the active rule.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog import providers, rule_versions
from provider_pipeline.catalog.rule_versions import (
    Why,
    active_version,
    previous_active_version,
    record_rule_event,
    slug_of,
)
from provider_pipeline.catalog.tables import provider_metadata, rule_trial, rule_version
from provider_pipeline.errors import CatalogError, RuleMissingError

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
                parent_version=active_version(session, provider_id),
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
    """Make a stored version the active rule, whatever its status; no effect if it already is.

    The previously active version is retired. A running trial of the activated version ends as promoted.

    Raises:
        NoSuchEntryError: The provider has no such version.
    """
    providers.lock(session, provider_id)
    rule_versions.get(session, provider_id, version)
    _activate(session, provider_id, version, Why(reason, scores, task_id, created_by_id))


def roll_back(session: Session, provider_id: int, *, reason: str, created_by_id: int | None = None) -> int:
    """Reactivate the previously active version and return it.

    Raises:
        RuleMissingError: There is none.
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
    present = rule_versions.get(session, provider_id, version).status
    if present == "active":
        raise CatalogError(f"rule version {version} is the active one", hint="activate another version instead")
    if present != status:
        _write_status(session, provider_id, version, status)
        why = Why(reason, scores, task_id, created_by_id)
        record_rule_event(session, provider_id, version, status, why)


def _activate(session: Session, provider_id: int, version: int, why: Why) -> None:
    active = active_version(session, provider_id)
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


def _write_status(session: Session, provider_id: int, version: int, status: str) -> None:
    session.execute(
        update(rule_version)
        .where(rule_version.c.provider_id == provider_id, rule_version.c.version == version)
        .values(status=status)
    )
