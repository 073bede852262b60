"""Tables of models, their changes and overrides."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from provider_pipeline.catalog.tables.columns import (
    EMPTY_OBJECT,
    IsoDate,
    id_column,
    json_column,
    metadata,
    stamped_column,
    text_column,
    time_column,
)
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS, ModelColumn

_TYPES: Mapping[str, TypeEngine[Any]] = {
    "ARRAY": ARRAY(Text),
    "BIGINT": BigInteger(),
    "DATE": IsoDate(),
    "DATETIME": DateTime(timezone=True),
    "INTEGER": Integer(),
    "JSONB": JSONB(none_as_null=True),
    "NUMERIC": Numeric(asdecimal=False),
    "TEXT": Text(),
}
_KEY = ("provider_id", "model_id")


def _column(described: ModelColumn) -> Column[Any]:
    return Column(
        described.name,
        _TYPES[described.type],
        *([Identity(always=True)] if described.unique else []),
        primary_key=described.unique,
        nullable=described.nullable,
        server_default=None if described.default is None else text(described.default),
        comment=described.comment,
    )


provider_model = Table(
    "provider_model",
    metadata,
    *map(_column, PROVIDER_MODEL_COLUMNS),
    UniqueConstraint(*_KEY, name="provider_model_model_id_key"),
    Index("provider_model_model_id_idx", "model_id"),
    Index(
        "provider_model_capabilities_idx",
        "capabilities",
        postgresql_using="gin",
        postgresql_ops={"capabilities": "jsonb_path_ops"},
    ),
    # A list in each order, forwards and backwards; a family's models by provider and id.
    *(
        Index(f"provider_model_{name}_idx", name, *_KEY, postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("input_price", "output_price", "context_length", "family")
    ),
    Index("provider_model_first_seen_at_idx", "first_seen_at", *_KEY),
    Index("provider_model_retires_on_idx", "retires_on", postgresql_where=text("retires_on IS NOT NULL")),
    Index("provider_model_ends_idx", *_KEY, "retires_on", postgresql_where=text("retires_on IS NOT NULL")),
    Index("provider_model_absent_idx", "provider_id", "status", postgresql_where=text("status <> 'active'")),
    comment="Every model every provider offers or offered. A sync writes only the rows that changed, and deletes none.",
)

provider_model_change = Table(
    "provider_model_change",
    metadata,
    id_column(),
    Column("provider_id", BigInteger, nullable=False),
    text_column("model_id"),
    text_column("kind"),
    json_column("changed", server_default=EMPTY_OBJECT),
    Column("rule_version", Integer, nullable=False),
    time_column("changed_at"),
    Column("raw_response_id", BigInteger),
    text_column("cause", server_default=text("'provider'::text")),
    ForeignKeyConstraint(
        ["provider_id", "model_id"],
        ["provider_model.provider_id", "provider_model.model_id"],
        name="provider_model_change_model_fkey",
    ),
    Index("provider_model_change_model_idx", "provider_id", "model_id", "changed_at"),
    Index("provider_model_change_changed_at_idx", "changed_at"),
    Index("provider_model_change_provider_idx", "provider_id", "changed_at"),
)

OVERRIDE_SINCE = text("COALESCE(valid_from, '-infinity'::timestamptz)")
"""When an override begins, as its table's key has it: without a date, always."""

provider_model_override = Table(
    "provider_model_override",
    metadata,
    Column("provider_id", BigInteger, ForeignKey("provider.id"), nullable=False),
    text_column("model_id"),
    text_column("field"),
    # None is stored as JSON null: known to be unknown.
    Column("override_value", JSONB(none_as_null=False), nullable=False),
    text_column("reason"),
    Column("created_by_id", BigInteger),
    stamped_column("created_at"),
    stamped_column("updated_at"),
    time_column("expires_at", nullable=True),
    Column("listed_value", JSONB(none_as_null=False)),
    time_column("listed_at", nullable=True),
    id_column(),
    text_column("source", server_default=text("'person'::text")),
    text_column("match", server_default=text("'model'::text")),
    Column("fills_gaps", Boolean, nullable=False, server_default=text("false")),
    time_column("valid_from", nullable=True),
    text_column("source_url", nullable=True),
    Index(
        "provider_model_override_key",
        *("provider_id", "model_id", "field", "source", "match", OVERRIDE_SINCE),
        unique=True,
    ),
    Index("provider_model_override_source_idx", "source"),
)

OVERRIDE_ORDER = (
    provider_model_override.c.source.collate("C"),
    provider_model_override.c.match,
    provider_model_override.c.valid_from.nulls_first(),
)
"""How the overrides of one field are sorted, so that the same ones always win."""
