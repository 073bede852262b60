"""Tables of providers, their stored listings and sync state, and of access to the API."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    LargeBinary,
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

provider = Table(
    "provider",
    metadata,
    id_column(),
    text_column("slug"),
    text_column("name"),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("check_every", Interval),
    json_column("thresholds", server_default=EMPTY_OBJECT),
    Column("raw_keep_count", Integer, nullable=False, server_default=text("20")),
    Column("raw_keep_for", Interval),
    Column("removal_after", Integer, nullable=False, server_default=text("3")),
    Column("removal_age", Interval, nullable=False, server_default=text("'24:00:00'::interval")),
    stamped_column("created_at"),
    stamped_column("updated_at"),
    Column("is_sample", Boolean, nullable=False, server_default=text("false")),
    json_column("peer_ids", server_default=EMPTY_OBJECT),
    json_column("stated_rule", server_default=EMPTY_OBJECT),
    UniqueConstraint("slug", name="provider_slug_key"),
    UniqueConstraint("id", "slug", name="provider_id_slug_key"),
    Index("provider_is_sample_idx", "id", postgresql_where=text("is_sample")),
)

key_destination = Table(
    "key_destination",
    metadata,
    Column("key", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    stamped_column("added_at"),
)

provider_metadata = Table(
    "provider_metadata",
    metadata,
    Column("provider_id", BigInteger, primary_key=True, autoincrement=False),
    text_column("slug"),
    text_column("base_url"),
    json_column("auth_config"),
    json_column("model_list_config", nullable=True),
    json_column("endpoints_config", nullable=True),
    Column("version", Integer),
    stamped_column("updated_at"),
    json_column("request_config", server_default=EMPTY_OBJECT),
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

raw_response = Table(
    "raw_response",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    text_column("sha256"),
    Column("complete", Boolean, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("page_count", Integer, nullable=False),
    stamped_column("fetched_at"),
    stamped_column("last_fetched_at"),
    UniqueConstraint("provider_id", "sha256", "complete", name="raw_response_content_key"),
)

raw_response_page = Table(
    "raw_response_page",
    metadata,
    Column("raw_response_id", BigInteger, ForeignKey("raw_response.id", ondelete="CASCADE"), primary_key=True),
    Column("endpoint", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    text_column("url"),
    Column("status", Integer, nullable=False, server_default=text("200")),
    json_column("headers", server_default=EMPTY_OBJECT),
    Column("byte_count", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
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
    text_column("pattern_set", nullable=True),
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

api_token = Table(
    "api_token",
    metadata,
    id_column(),
    text_column("name"),
    Column("sha256", LargeBinary, nullable=False),
    text_column("scope"),
    stamped_column("created_at"),
    Column("created_by_id", BigInteger),
    time_column("expires_at", nullable=True),
    time_column("last_used_at", nullable=True),
    time_column("revoked_at", nullable=True),
    UniqueConstraint("sha256", name="api_token_sha256_key"),
    Index("api_token_one_of_a_name_idx", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
)

api_audit = Table(
    "api_audit",
    metadata,
    id_column(),
    stamped_column("at"),
    Column("token_id", BigInteger, ForeignKey("api_token.id")),
    text_column("method"),
    text_column("path"),
    Column("status", Integer, nullable=False),
    Index("api_audit_token_id_idx", "token_id", "id"),
)
