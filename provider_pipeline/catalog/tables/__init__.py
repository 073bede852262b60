"""The catalogue's tables for SQLAlchemy; a test proves that they agree with the DDL in the top-level `sql/` folder.

The modules are loaded together because foreign keys connect them. The columns of `provider_model` are composed from
`provider_pipeline.rules.model_columns`.
"""

from provider_pipeline.catalog.tables.canonical import (
    OFFER_COLUMNS,
    canonical_model,
    canonical_model_event,
    model_identity,
    model_offer,
)
from provider_pipeline.catalog.tables.columns import metadata
from provider_pipeline.catalog.tables.models import provider_model, provider_model_change, provider_model_override
from provider_pipeline.catalog.tables.providers import (
    accepted_profile,
    api_audit,
    api_token,
    guard_acceptance,
    key_destination,
    provider,
    provider_metadata,
    provider_sync,
    provider_sync_lease,
    raw_response,
    raw_response_page,
)
from provider_pipeline.catalog.tables.rules import (
    agent_task,
    notification,
    pattern_set,
    pattern_set_event,
    rule_trial,
    rule_trial_result,
    rule_version,
    rule_version_event,
)

__all__ = [
    "OFFER_COLUMNS",
    "accepted_profile",
    "agent_task",
    "api_audit",
    "api_token",
    "canonical_model",
    "canonical_model_event",
    "guard_acceptance",
    "key_destination",
    "metadata",
    "model_identity",
    "model_offer",
    "notification",
    "pattern_set",
    "pattern_set_event",
    "provider",
    "provider_metadata",
    "provider_model",
    "provider_model_change",
    "provider_model_override",
    "provider_sync",
    "provider_sync_lease",
    "raw_response",
    "raw_response_page",
    "rule_trial",
    "rule_trial_result",
    "rule_version",
    "rule_version_event",
]
