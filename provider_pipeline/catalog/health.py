"""How each provider is doing: one at a glance, or all of them in numbers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Float, Integer, func, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog import sync_state
from provider_pipeline.catalog.models import count as count_models
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.tables import provider, provider_model, provider_sync


def provider_overview(session: Session, provider: Provider) -> dict[str, Any]:
    """What there is to show of a provider: plain JSON, but for the times."""
    state = sync_state.get(session, provider.id)
    return {
        "slug": provider.slug,
        "name": provider.name,
        "enabled": provider.enabled,
        "sample": provider.is_sample,
        "base_url": provider.base_url,
        "auth": provider.auth_config,
        "requests": provider.request_config,
        "thresholds": provider.thresholds,
        "keep_responses": provider.raw_keep_count,
        "keep_days": provider.raw_keep_for.days if provider.raw_keep_for else None,
        "rule_version": provider.active_rule_version,
        "active_models": count_models(session, provider.id),
        "last_checked_at": state.last_checked_at,
        "last_success_at": state.last_success_at,
        "consecutive_failures": state.consecutive_failures,
        "last_error": state.last_error,
    }


@dataclass(frozen=True)
class ProviderHealth:
    """How an enabled provider is doing.

    Attributes:
        slug: The provider.
        last_success_at: When it was last synced well, or added.
        consecutive_failures: Syncs in a row since then.
        blocked: Whether the last sync was blocked.
        last_seconds: How long the last sync took; None before the first.
        models: How many models there are, by status.
    """

    slug: str
    last_success_at: datetime
    consecutive_failures: int
    blocked: bool
    last_seconds: float | None
    models: dict[str, int]


def provider_health(session: Session) -> list[ProviderHealth]:
    """How every enabled provider is doing, by slug."""
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
        ProviderHealth(row.slug, row.last_success_at, row.failures, row.blocked, row.seconds, models.get(row.id, {}))
        for row in session.execute(query)
    ]
