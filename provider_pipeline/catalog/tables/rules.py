"""Tables of rule versions, their events and trials."""

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from provider_pipeline.catalog.tables.columns import (
    EMPTY_OBJECT,
    id_column,
    json_column,
    metadata,
    stamped_column,
    text_column,
    time_column,
)

rule_version = Table(
    "rule_version",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    json_column("model_list_config"),
    json_column("endpoints_config"),
    json_column("metadata", server_default=EMPTY_OBJECT),
    text_column("digest"),
    Column("sample_id", BigInteger, ForeignKey("raw_response.id")),
    text_column("origin"),
    stamped_column("created_at"),
    Column("parent_version", Integer),
    text_column("author", server_default=text("'generator'::text")),
    Column("created_by_id", BigInteger),
    text_column("status", server_default=text("'candidate'::text")),
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

rule_version_event = Table(
    "rule_version_event",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    text_column("status"),
    text_column("reason"),
    json_column("scores", nullable=True),
    Column("task_id", BigInteger, ForeignKey("agent_task.id")),
    Column("created_by_id", BigInteger),
    stamped_column("created_at"),
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
    id_column(),
    Column("provider_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    time_column("started_at"),
    Column("until_syncs", Integer),
    time_column("until_at", nullable=True),
    text_column("policy"),
    text_column("status", server_default=text("'running'::text")),
    text_column("reason"),
    Column("created_by_id", BigInteger),
    time_column("ended_at", nullable=True),
    text_column("end_reason", nullable=True),
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
    id_column(),
    Column("trial_id", BigInteger, ForeignKey("rule_trial.id"), nullable=False),
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id", ondelete="SET NULL")),
    time_column("seen_at"),
    Column("times_seen", Integer, nullable=False, server_default=text("1")),
    json_column("scores"),
    UniqueConstraint("trial_id", "raw_response_id", name="rule_trial_result_response_key"),
    Index("rule_trial_result_raw_response_id_idx", "raw_response_id"),
)
