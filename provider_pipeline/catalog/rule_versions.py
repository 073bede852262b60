"""Extraction rules as stored: every version, and which one is active.

Here: the rows of `rule_version`, and the active rule's copy in `provider_metadata`. Not here: what the documents mean
(`provider_pipeline.rules`); they are plain JSON objects to the catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_metadata, rule_version
from provider_pipeline.errors import RuleMissingError


@dataclass(frozen=True)
class StoredRuleVersion:
    """One immutable version of a provider's extraction rule.

    Attributes:
        version: Counts from 1 for each provider.
        model_list_config: Endpoint, selector, fields, units and pagination.
        endpoints_config: Capability patterns and evidence.
        metadata: How the rule was made.
        digest: SHA-256 of the rule's canonical JSON.
        sample_id: The stored listing it was generated from, if any.
        origin: What made it.
    """

    version: int
    model_list_config: dict[str, Any]
    endpoints_config: dict[str, Any]
    metadata: dict[str, Any]
    digest: str
    sample_id: int | None
    origin: str


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
) -> int:
    """Store a rule as the provider's next version; a rule it already has keeps its version.

    Returns:
        The version number.
    """
    # Versions are counted without gaps, so two writers must not count at once.
    session.execute(select(provider.c.id).where(provider.c.id == provider_id).with_for_update(key_share=True))
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
            )
            .returning(rule_version.c.version)
        ).one()
    if activate:
        activate_rule(session, provider_id, version)
    return version


def activate_rule(session: Session, provider_id: int, version: int) -> None:
    """Make a stored version the provider's active rule; no effect if it already is.

    Raises:
        RuleMissingError: The provider has no such version.
    """
    known = session.scalar(
        select(rule_version.c.version).where(
            rule_version.c.provider_id == provider_id, rule_version.c.version == version
        )
    )
    if known is None:
        raise RuleMissingError(f"provider {_slug(session, provider_id)!r} has no rule version {version}")
    session.execute(
        update(provider_metadata)
        .where(
            provider_metadata.c.provider_id == provider_id,
            provider_metadata.c.version.is_distinct_from(version),
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


def active_rule(session: Session, provider_id: int) -> StoredRuleVersion:
    """The provider's active rule.

    Raises:
        RuleMissingError: It has none.
    """
    row = session.execute(
        select(
            rule_version.c.version,
            rule_version.c.model_list_config,
            rule_version.c.endpoints_config,
            rule_version.c.metadata,
            rule_version.c.digest,
            rule_version.c.sample_id,
            rule_version.c.origin,
        )
        .join(
            provider_metadata,
            (provider_metadata.c.provider_id == rule_version.c.provider_id)
            & (provider_metadata.c.version == rule_version.c.version),
        )
        .where(rule_version.c.provider_id == provider_id)
    ).one_or_none()
    if row is None:
        slug = _slug(session, provider_id)
        raise RuleMissingError(
            f"provider {slug!r} has no active extraction rule", hint=f"run: provider-pipeline rules generate {slug}"
        )
    return StoredRuleVersion(**row._mapping)


def _slug(session: Session, provider_id: int) -> str:
    return session.scalar(select(provider.c.slug).where(provider.c.id == provider_id)) or str(provider_id)
