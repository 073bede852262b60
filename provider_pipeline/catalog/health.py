"""How each provider is doing, in numbers.

Here: one query over all of them. Not here: a single provider's state in full (`sync_state.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Float, Integer, func, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider, provider_model, provider_sync


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
