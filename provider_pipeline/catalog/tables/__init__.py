"""The catalogue's tables for SQLAlchemy; a test proves that they agree with the DDL in the top-level `sql/` folder.

The modules are loaded together because foreign keys connect them. The columns of `provider_model` are composed from
`provider_pipeline.rules.model_columns`.
"""

from provider_pipeline.catalog.tables.access import api_audit, api_token
from provider_pipeline.catalog.tables.columns import metadata
from provider_pipeline.catalog.tables.models import provider_model, provider_model_change, provider_model_override
from provider_pipeline.catalog.tables.providers import key_destination, provider, provider_metadata
from provider_pipeline.catalog.tables.responses import raw_response, raw_response_page
from provider_pipeline.catalog.tables.rules import rule_trial, rule_trial_result, rule_version, rule_version_event
from provider_pipeline.catalog.tables.syncs import (
    accepted_profile,
    guard_acceptance,
    provider_sync,
    provider_sync_lease,
)
from provider_pipeline.catalog.tables.tasks import agent_task, notification

__all__ = [
    "accepted_profile",
    "agent_task",
    "api_audit",
    "api_token",
    "guard_acceptance",
    "key_destination",
    "metadata",
    "notification",
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
