"""A provider at a glance, as the command line and the API show it.

Here: its settings, how its last sync went, and how many models it has. Not here: all of them in numbers (`health.py`).
"""

from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline.catalog.models import count_models
from provider_pipeline.catalog.providers import Provider
from provider_pipeline.catalog.sync_state import get_sync_state


def provider_overview(session: Session, provider: Provider) -> dict[str, Any]:
    """What there is to show of a provider: plain JSON, but for the times."""
    state = get_sync_state(session, provider.id)
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
