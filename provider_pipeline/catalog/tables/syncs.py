"""Tables of sync state, leases, accepted profiles and acceptances."""

from sqlalchemy import (
    ARRAY,
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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from provider_pipeline.catalog.tables.columns import (
    EMPTY_OBJECT,
    id_column,
    json_column,
    metadata,
    stamped_column,
    text_column,
    time_column,
)

provider_sync = Table(
    "provider_sync",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True),
    time_column("last_checked_at"),
    time_column("last_success_at", nullable=True),
    Column("consecutive_failures", Integer, nullable=False, server_default=text("0")),
    text_column("last_error_kind", nullable=True),
    text_column("last_error", nullable=True),
    Column("validators", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("etag", Text, Computed("((validators -> 0) ->> 'etag'::text)", persisted=True)),
    text_column("basis", nullable=True),
    json_column("profile", nullable=True),
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id")),
    Column("rule_version", Integer),
    json_column("last_result", server_default=EMPTY_OBJECT),
    ForeignKeyConstraint(
        ["provider_id", "rule_version"],
        ["rule_version.provider_id", "rule_version.version"],
        name="provider_sync_rule_version_fkey",
    ),
    Index("provider_sync_raw_response_id_idx", "raw_response_id"),
)

accepted_profile = Table(
    "accepted_profile",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    time_column("replaced_at"),
    json_column("profile"),
    Index("accepted_profile_provider_idx", "provider_id", "replaced_at"),
)

provider_sync_lease = Table(
    "provider_sync_lease",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), primary_key=True, autoincrement=False),
    Column("token", Uuid, nullable=False),
    text_column("holder"),
    time_column("since"),
    time_column("expires_at"),
    UniqueConstraint("token", "provider_id", name="provider_sync_lease_token_provider_id_key"),
    prefixes=["UNLOGGED"],
)

guard_acceptance = Table(
    "guard_acceptance",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    text_column("reason"),
    text_column("author", nullable=True),
    Column("created_by_id", BigInteger),
    Column("raw_response_id", BigInteger),
    stamped_column("created_at"),
    time_column("used_at", nullable=True),
    Index("guard_acceptance_provider_idx", "provider_id", "created_at"),
)
