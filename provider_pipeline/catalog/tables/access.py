"""The API's tables: tokens and audit log."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, UniqueConstraint, text

from provider_pipeline.catalog.tables.columns import id_column, metadata, stamped_column, text_column, time_column

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
