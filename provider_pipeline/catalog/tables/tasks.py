"""Tables of tasks and notifications."""

from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from provider_pipeline.catalog.tables.columns import (
    id_column,
    json_column,
    metadata,
    stamped_column,
    text_column,
    time_column,
)

agent_task = Table(
    "agent_task",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    text_column("type", server_default=text("'RULE_GEN'::text")),
    text_column("status", server_default=text("'PENDING'::text")),
    text_column("signature"),
    json_column("config"),
    Column(
        "raw_response_id",
        BigInteger,
        Computed("((config ->> 'raw_response_id'::text))::bigint", persisted=True),
        ForeignKey("raw_response.id"),
    ),
    json_column("result", nullable=True),
    Column("created_by_id", BigInteger),
    stamped_column("created_at"),
    time_column("started_at", nullable=True),
    time_column("finished_at", nullable=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    time_column("next_attempt_at", nullable=True),
    text_column("claimed_by", nullable=True),
    time_column("claimed_until", nullable=True),
    Column("claimed_token_id", BigInteger, ForeignKey("api_token.id")),
    Column("proposed_version", Integer),
    text_column("report", nullable=True),
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

notification = Table(
    "notification",
    metadata,
    id_column(),
    text_column("event_key"),
    text_column("kind"),
    Column("provider_id", BigInteger, ForeignKey("provider.id")),
    json_column("payload"),
    stamped_column("created_at"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    time_column("next_attempt_at", nullable=True, server_default=text("now()")),
    time_column("delivered_at", nullable=True),
    text_column("last_error", nullable=True),
    UniqueConstraint("event_key", name="notification_event_key"),
    Index("notification_due_idx", "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
    Index("notification_provider_id_idx", "provider_id"),
)
