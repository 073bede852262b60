"""The catalogue in PostgreSQL: providers, their rules, models, stored listings, tasks and sync state.

Here: the names other layers use. Every function takes a SQLAlchemy session and leaves committing to its caller. Not
here: HTTP (`provider_pipeline.listing`) and what a rule means (`provider_pipeline.rules`). The schema itself is
explained by its own comments, in the top-level `sql/` folder and in the database.
"""

from provider_pipeline.catalog.database import Database, home, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import check_schema, upgrade
from provider_pipeline.catalog.models import (
    ModelChange,
    WriteResult,
    any_missing,
    count_models,
    known_model_ids,
    load_models,
    previous_rows,
    stated_capabilities,
    write_models,
)
from provider_pipeline.catalog.opening import open_catalog
from provider_pipeline.catalog.overrides import overrides, set_override
from provider_pipeline.catalog.providers import (
    Provider,
    add_provider,
    due_providers,
    find_provider_id,
    get_provider,
    list_providers,
    set_enabled,
)
from provider_pipeline.catalog.raw_responses import (
    ListingContent,
    RawResponseRef,
    StoredPage,
    StoredResponse,
    get_raw_response,
    list_raw_responses,
    listing_content,
    load_page,
    load_raw_response,
    recent_raw_response_ids,
    store_raw_response,
    stored_pages,
)
from provider_pipeline.catalog.retention import prune_raw_responses
from provider_pipeline.catalog.rule_versions import StoredRuleVersion, activate_rule, active_rule, add_rule_version
from provider_pipeline.catalog.sync_state import (
    SyncState,
    get_sync_state,
    last_successes,
    record_failure,
    record_repeat,
    record_success,
)
from provider_pipeline.catalog.tasks import (
    OPEN_STATUSES,
    Task,
    TaskRef,
    failure_signature,
    list_tasks,
    open_rule_gen_task,
    open_tasks,
    set_task_status,
)

__all__ = [
    "OPEN_STATUSES",
    "Database",
    "EmbeddedPostgres",
    "ListingContent",
    "ModelChange",
    "Provider",
    "RawResponseRef",
    "StoredPage",
    "StoredResponse",
    "StoredRuleVersion",
    "SyncState",
    "Task",
    "TaskRef",
    "WriteResult",
    "activate_rule",
    "active_rule",
    "add_provider",
    "add_rule_version",
    "any_missing",
    "check_schema",
    "count_models",
    "due_providers",
    "failure_signature",
    "find_provider_id",
    "get_provider",
    "get_raw_response",
    "get_sync_state",
    "home",
    "known_model_ids",
    "last_successes",
    "list_providers",
    "list_raw_responses",
    "list_tasks",
    "listing_content",
    "load_models",
    "load_page",
    "load_raw_response",
    "open_catalog",
    "open_database",
    "open_rule_gen_task",
    "open_tasks",
    "overrides",
    "previous_rows",
    "prune_raw_responses",
    "recent_raw_response_ids",
    "record_failure",
    "record_repeat",
    "record_success",
    "set_enabled",
    "set_override",
    "set_task_status",
    "stated_capabilities",
    "store_raw_response",
    "stored_pages",
    "upgrade",
    "write_models",
]
