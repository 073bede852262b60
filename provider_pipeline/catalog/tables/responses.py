"""Tables of stored listings."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, UniqueConstraint, text

from provider_pipeline.catalog.tables.columns import (
    EMPTY_OBJECT,
    id_column,
    json_column,
    metadata,
    stamped_column,
    text_column,
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
