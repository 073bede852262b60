"""The catalogue's tables, as SQLAlchemy sees them.

Here: one `Table` per table, with the columns, keys and indexes queries are written against. Not here: the DDL that
makes them, with its checks and comments, which is plain SQL in the top-level `sql/` folder; a test proves that both
agree. The comments of `provider_model` are in `model_columns.py`.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from provider_pipeline.catalog.model_columns import PROVIDER_MODEL_COLUMNS

metadata = MetaData()

_EMPTY_OBJECT = text("'{}'::jsonb")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _text(name: str, *, nullable: bool = False, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=nullable, **options)


def _json(name: str, *, nullable: bool = False, **options: Any) -> Column[dict[str, Any]]:
    return Column(name, JSONB(none_as_null=True), nullable=nullable, **options)


def _time(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, **options)


def _stamped(name: str) -> Column[Any]:
    return _time(name, server_default=text("now()"))


provider = Table(
    "provider",
    metadata,
    _id(),
    _text("slug"),
    _text("name"),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("check_every", Interval),
    _json("thresholds", server_default=_EMPTY_OBJECT),
    Column("raw_keep_count", Integer, nullable=False, server_default=text("20")),
    Column("raw_keep_for", Interval),
    Column("removal_after", Integer, nullable=False, server_default=text("3")),
    Column("removal_age", Interval, nullable=False, server_default=text("'24:00:00'::interval")),
    _stamped("created_at"),
    _stamped("updated_at"),
    UniqueConstraint("slug", name="provider_slug_key"),
    UniqueConstraint("id", "slug", name="provider_id_slug_key"),
)

raw_response = Table(
    "raw_response",
    metadata,
    _id(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    _text("sha256"),
    Column("complete", Boolean, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("page_count", Integer, nullable=False),
    _stamped("fetched_at"),
    _stamped("last_fetched_at"),
    UniqueConstraint("provider_id", "sha256", "complete", name="raw_response_content_key"),
)

raw_response_page = Table(
    "raw_response_page",
    metadata,
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id", ondelete="CASCADE"), primary_key=True),
    Column("endpoint", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    _text("url"),
    Column("status", Integer, nullable=False, server_default=text("200")),
    _json("headers", server_default=_EMPTY_OBJECT),
    Column("byte_count", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

rule_version = Table(
    "rule_version",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _json("model_list_config"),
    _json("endpoints_config"),
    _json("metadata", server_default=_EMPTY_OBJECT),
    _text("digest"),
    Column("sample_id", BigInteger, ForeignKey("raw_response.id")),
    _text("origin"),
    _stamped("created_at"),
    Column("parent_version", Integer),
    _text("author", server_default=text("'generator'::text")),
    Column("created_by_id", BigInteger),
    _text("status", server_default=text("'candidate'::text")),
    Column(
        "endpoints_digest",
        Text,
        Computed(
            "(to_hex(jsonb_hash_extended(endpoints_config, 0)) || to_hex(jsonb_hash_extended(endpoints_config, 1)))",
            persisted=True,
        ),
        nullable=False,
    ),
    UniqueConstraint("provider_id", "digest", name="rule_version_digest_key"),
    ForeignKeyConstraint(
        ["provider_id", "parent_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="rule_version_parent_fkey",
    ),
    Index("rule_version_sample_id_idx", "sample_id"),
    Index("rule_version_endpoints_digest_idx", "endpoints_digest"),
    Index("rule_version_one_active_idx", "provider_id", unique=True, postgresql_where=text("status = 'active'")),
)

provider_metadata = Table(
    "provider_metadata",
    metadata,
    Column("provider_id", BigInteger, primary_key=True, autoincrement=False),
    _text("slug"),
    _text("base_url"),
    _json("auth_config"),
    _json("model_list_config", nullable=True),
    _json("endpoints_config", nullable=True),
    Column("version", Integer),
    _stamped("updated_at"),
    _json("request_config", server_default=_EMPTY_OBJECT),
    UniqueConstraint("slug", name="provider_metadata_slug_key"),
    ForeignKeyConstraint(
        ["provider_id", "slug"],
        ["provider.id", "provider.slug"],
        name="provider_metadata_provider_fkey",
        onupdate="CASCADE",
    ),
    ForeignKeyConstraint(
        ["provider_id", "version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="provider_metadata_rule_version_fkey",
    ),
)

provider_model = Table(
    "provider_model",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    _text("model_id"),
    _text("display_name", nullable=True),
    _text("family", nullable=True),
    Column("context_length", BigInteger),
    Column("max_output_tokens", BigInteger),
    Column("input_modalities", ARRAY(Text)),
    Column("output_modalities", ARRAY(Text)),
    Column("input_price", Numeric(asdecimal=False)),
    Column("output_price", Numeric(asdecimal=False)),
    _json("capabilities", server_default=_EMPTY_OBJECT),
    _json("capability_sources", server_default=_EMPTY_OBJECT),
    _json("metadata_json", server_default=_EMPTY_OBJECT),
    _text("meta_hash"),
    _text("status", server_default=text("'active'::text")),
    Column("missing_count", Integer, nullable=False, server_default=text("0")),
    _time("first_seen_at"),
    _time("last_seen_at"),
    _time("removed_at", nullable=True),
    Column("rule_version", Integer, nullable=False),
    _time("missing_since", nullable=True),
    _text("renamed_from", nullable=True),
    _text("renamed_to", nullable=True),
    Column("overridden_fields", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    UniqueConstraint("provider_id", "model_id", name="provider_model_model_id_key"),
    ForeignKeyConstraint(
        ["provider_id", "rule_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="provider_model_rule_version_fkey",
    ),
    Index("provider_model_model_id_idx", "model_id"),
    Index(
        "provider_model_capabilities_idx",
        "capabilities",
        postgresql_using="gin",
        postgresql_ops={"capabilities": "jsonb_path_ops"},
    ),
    Index("provider_model_absent_idx", "provider_id", "status", postgresql_where=text("status <> 'active'")),
    comment="Every model every provider offers or offered. A sync writes only the rows that changed, and deletes none.",
)

for _described in PROVIDER_MODEL_COLUMNS:
    provider_model.c[_described.name].comment = _described.comment

provider_model_change = Table(
    "provider_model_change",
    metadata,
    _id(),
    Column("provider_id", BigInteger, nullable=False),
    _text("model_id"),
    _text("kind"),
    _json("changed", server_default=_EMPTY_OBJECT),
    Column("rule_version", Integer, nullable=False),
    _time("changed_at"),
    Column("raw_response_id", BigInteger),
    _text("cause", server_default=text("'provider'::text")),
    ForeignKeyConstraint(
        ["provider_id", "model_id"],
        ["provider_model.provider_id", "provider_model.model_id"],
        name="provider_model_change_model_fkey",
    ),
    ForeignKeyConstraint(
        ["provider_id", "rule_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="provider_model_change_rule_version_fkey",
    ),
    Index("provider_model_change_model_idx", "provider_id", "model_id", "changed_at"),
    Index("provider_model_change_changed_at_idx", "changed_at"),
    Index("provider_model_change_provider_idx", "provider_id", "changed_at"),
)

provider_model_override = Table(
    "provider_model_override",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True),
    _text("model_id", primary_key=True),
    _text("field", primary_key=True),
    # Here None is a value: nothing is known.
    Column("override_value", JSONB(none_as_null=False), nullable=False),
    _text("reason"),
    Column("created_by_id", BigInteger),
    _stamped("created_at"),
    _stamped("updated_at"),
    _time("expires_at", nullable=True),
    Column("listed_value", JSONB(none_as_null=False)),
    _time("listed_at", nullable=True),
)

provider_sync_lock = Table(
    "provider_sync_lock",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True, autoincrement=False),
    _text("holder"),
    _time("since"),
    Column("backend_pid", Integer, nullable=False),
    prefixes=["UNLOGGED"],
)

api_token = Table(
    "api_token",
    metadata,
    _id(),
    _text("name"),
    Column("sha256", LargeBinary, nullable=False),
    _text("scope"),
    _stamped("created_at"),
    Column("created_by_id", BigInteger),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
    _time("revoked_at", nullable=True),
    UniqueConstraint("sha256", name="api_token_sha256_key"),
    Index("api_token_one_of_a_name_idx", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
)

api_audit = Table(
    "api_audit",
    metadata,
    _id(),
    _stamped("at"),
    Column("token_id", BigInteger, ForeignKey("api_token.id")),
    _text("method"),
    _text("path"),
    Column("status", Integer, nullable=False),
    Index("api_audit_token_id_idx", "token_id", "id"),
)

guard_acceptance = Table(
    "guard_acceptance",
    metadata,
    _id(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    _text("reason"),
    _text("author", nullable=True),
    Column("created_by_id", BigInteger),
    Column("raw_response_id", BigInteger),
    _stamped("created_at"),
    _time("used_at", nullable=True),
    Index("guard_acceptance_provider_idx", "provider_id", "created_at"),
)

notification = Table(
    "notification",
    metadata,
    _id(),
    _text("event_key"),
    _text("kind"),
    Column("provider_id", BigInteger, ForeignKey("provider.id")),
    _json("payload"),
    _stamped("created_at"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _time("next_attempt_at", nullable=True, server_default=text("now()")),
    _time("delivered_at", nullable=True),
    _text("last_error", nullable=True),
    UniqueConstraint("event_key", name="notification_event_key"),
    Index("notification_due_idx", "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
    Index("notification_provider_id_idx", "provider_id"),
)

agent_task = Table(
    "agent_task",
    metadata,
    _id(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    _text("type", server_default=text("'RULE_GEN'::text")),
    _text("status", server_default=text("'PENDING'::text")),
    _text("signature"),
    _json("config"),
    Column(
        "raw_response_id",
        BigInteger,
        Computed("((config ->> 'raw_response_id'::text))::bigint", persisted=True),
        ForeignKey("raw_response.id"),
    ),
    _json("result", nullable=True),
    Column("created_by_id", BigInteger),
    _stamped("created_at"),
    _time("started_at", nullable=True),
    _time("finished_at", nullable=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _time("next_attempt_at", nullable=True),
    _text("claimed_by", nullable=True),
    _time("claimed_until", nullable=True),
    Column("proposed_version", Integer),
    _text("report", nullable=True),
    ForeignKeyConstraint(
        ["provider_id", "proposed_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="agent_task_proposed_version_fkey",
    ),
    Index(
        "agent_task_one_open_idx",
        "provider_id",
        "signature",
        unique=True,
        postgresql_where=text("type = 'RULE_GEN' AND status IN ('PENDING', 'RUNNING', 'NEEDS_REVIEW')"),
    ),
    Index("agent_task_status_idx", "status", "created_at"),
    Index("agent_task_raw_response_id_idx", "raw_response_id"),
)

rule_version_event = Table(
    "rule_version_event",
    metadata,
    _id(),
    Column("provider_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    _text("status"),
    _text("reason"),
    _json("scores", nullable=True),
    Column("task_id", BigInteger, ForeignKey("agent_task.id")),
    Column("created_by_id", BigInteger),
    _stamped("created_at"),
    ForeignKeyConstraint(
        ["provider_id", "version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="rule_version_event_rule_version_fkey",
    ),
    Index("rule_version_event_rule_version_idx", "provider_id", "version"),
    Index("rule_version_event_task_id_idx", "task_id"),
)

rule_trial = Table(
    "rule_trial",
    metadata,
    _id(),
    Column("provider_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    _time("started_at"),
    Column("until_syncs", Integer),
    _time("until_at", nullable=True),
    _text("policy"),
    _text("status", server_default=text("'running'::text")),
    _text("reason"),
    Column("created_by_id", BigInteger),
    _time("ended_at", nullable=True),
    _text("end_reason", nullable=True),
    ForeignKeyConstraint(
        ["provider_id", "version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="rule_trial_rule_version_fkey",
    ),
    Index(
        "rule_trial_one_running_idx",
        "provider_id",
        "version",
        unique=True,
        postgresql_where=text("status = 'running'"),
    ),
)

rule_trial_result = Table(
    "rule_trial_result",
    metadata,
    _id(),
    Column("trial_id", BigInteger, ForeignKey("rule_trial.id"), nullable=False),
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id", ondelete="SET NULL")),
    _time("seen_at"),
    Column("times_seen", Integer, nullable=False, server_default=text("1")),
    _json("scores"),
    UniqueConstraint("trial_id", "raw_response_id", name="rule_trial_result_response_key"),
    Index("rule_trial_result_raw_response_id_idx", "raw_response_id"),
)

provider_sync = Table(
    "provider_sync",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True),
    _time("last_checked_at"),
    _time("last_success_at", nullable=True),
    Column("consecutive_failures", Integer, nullable=False, server_default=text("0")),
    _text("last_error_kind", nullable=True),
    _text("last_error", nullable=True),
    Column("validators", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("etag", Text, Computed("((validators -> 0) ->> 'etag'::text)", persisted=True)),
    _text("basis", nullable=True),
    _json("profile", nullable=True),
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id")),
    Column("rule_version", Integer),
    _json("last_result", server_default=_EMPTY_OBJECT),
    ForeignKeyConstraint(
        ["provider_id", "rule_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="provider_sync_rule_version_fkey",
    ),
    Index("provider_sync_raw_response_id_idx", "raw_response_id"),
)
