"""Provider health: an overview of one provider, and figures for all enabled ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Float, Integer, RowMapping, func, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.providers import Provider, is_one_of_providers
from provider_pipeline.catalog.tables import provider, provider_model, provider_sync


def provider_overviews(session: Session, providers: Sequence[Provider]) -> list[dict[str, Any]]:
    """An overview of each provider as JSON values, except for the times."""
    models = (
        select(func.count())
        .where(provider_model.c.provider_id == provider.c.id, provider_model.c.status == "active")
        .scalar_subquery()
    )
    query = (
        select(
            provider.c.id,
            models.label("active_models"),
            *(provider_sync.c.last_checked_at, provider_sync.c.last_success_at),
            func.coalesce(provider_sync.c.consecutive_failures, 0).label("consecutive_failures"),
            provider_sync.c.last_error,
        )
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .where(is_one_of_providers(provider.c.id))
    )
    rows = session.execute(query, {"provider_ids": [each.id for each in providers]}).mappings()
    found = {row["id"]: row for row in rows}
    return [_overview(each, found[each.id]) for each in providers]


def _overview(provider: Provider, found: RowMapping) -> dict[str, Any]:
    return {
        "slug": provider.slug,
        "name": provider.name,
        "enabled": provider.enabled,
        "sample": provider.is_sample,
        "base_url": provider.base_url,
        "auth": provider.auth_config,
        "requests": provider.request_config,
        "thresholds": provider.thresholds,
        "ids": provider.peer_ids,
        "keep_responses": provider.raw_keep_count,
        "keep_days": provider.raw_keep_for.days if provider.raw_keep_for else None,
        "rule_version": provider.active_rule_version,
        "active_models": found["active_models"],
        "last_checked_at": found["last_checked_at"],
        "last_success_at": found["last_success_at"],
        "consecutive_failures": found["consecutive_failures"],
        "last_error": found["last_error"],
    }


@dataclass(frozen=True)
class ProviderHealth:
    """An enabled provider's health.

    Attributes:
        is_sample: Whether it is one of the demo's.
        last_success_at: The last successful sync, or when the provider was added.
        consecutive_failures: Failed syncs since then.
        last_seconds: Duration of the last sync; None before the first.
        models: Number of models by status.
    """

    slug: str
    is_sample: bool
    last_success_at: datetime
    consecutive_failures: int
    blocked: bool
    last_seconds: float | None
    models: dict[str, int]


def provider_health(session: Session) -> list[ProviderHealth]:
    """The health of every enabled provider, by slug."""
    counted = select(provider_model.c.provider_id, provider_model.c.status, func.count().label("total")).group_by(
        provider_model.c.provider_id, provider_model.c.status
    )
    models: dict[int, dict[str, int]] = {}
    for row in session.execute(counted):
        models.setdefault(row.provider_id, {})[row.status] = row.total
    last = provider_sync.c.last_result
    query = (
        select(
            provider.c.id,
            provider.c.slug,
            provider.c.is_sample,
            func.coalesce(provider_sync.c.last_success_at, provider.c.created_at).label("last_success_at"),
            func.coalesce(provider_sync.c.consecutive_failures, 0, type_=Integer).label("failures"),
            func.coalesce(last["status"].as_string() == "blocked", False).label("blocked"),
            last["seconds"].as_string().cast(Float).label("seconds"),
        )
        .outerjoin(provider_sync, provider_sync.c.provider_id == provider.c.id)
        .where(provider.c.enabled)
        .order_by(provider.c.slug)
    )
    return [
        ProviderHealth(
            row.slug,
            row.is_sample,
            row.last_success_at,
            row.failures,
            row.blocked,
            row.seconds,
            models.get(row.id, {}),
        )
        for row in session.execute(query)
    ]
