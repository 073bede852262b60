"""Tables of providers and how they are reached."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
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
