"""The catalogue in PostgreSQL: providers, their rules, models, stored listings, tasks and sync state.

Here: the names other layers use. Every function takes a SQLAlchemy session and leaves committing to its caller. Not
here: HTTP (`provider_pipeline.listing`) and what a rule means (`provider_pipeline.rules`). The schema itself is
explained by its own comments, in the top-level `sql/` folder and in the database.
"""

from provider_pipeline.catalog.database import Database, home, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import check_schema, upgrade
from provider_pipeline.catalog.providers import (
    Provider,
    add_provider,
    due_providers,
    get_provider,
    list_providers,
    set_enabled,
)
from provider_pipeline.catalog.rule_versions import StoredRuleVersion, activate_rule, active_rule, add_rule_version

__all__ = [
    "Database",
    "EmbeddedPostgres",
    "Provider",
    "StoredRuleVersion",
    "activate_rule",
    "active_rule",
    "add_provider",
    "add_rule_version",
    "check_schema",
    "due_providers",
    "get_provider",
    "home",
    "list_providers",
    "open_database",
    "set_enabled",
    "upgrade",
]
