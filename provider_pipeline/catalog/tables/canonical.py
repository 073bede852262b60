"""Tables of canonical models: which model each offer is, what its offers agree on, and news; and the view of offers."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    column,
    table,
)
from sqlalchemy.dialects.postgresql import JSONB

from provider_pipeline.catalog.tables.columns import (
    EMPTY_OBJECT,
    IsoDate,
    id_column,
    json_column,
    metadata,
    text_column,
    time_column,
)
from provider_pipeline.catalog.tables.models import provider_model
from provider_pipeline.rules.model_columns import AGREED_COLUMNS, SHOWN_COLUMNS

model_identity = Table(
    "model_identity",
    metadata,
    Column("provider_model_id", BigInteger, ForeignKey("provider_model.id"), primary_key=True, autoincrement=False),
    *(
        text_column(name, nullable=True)
        for name in ("canonical_id", "candidate_id", "lab", "family", "snapshot", "variant")
    ),
    text_column("certainty"),
    text_column("source", nullable=True),
    Column("is_counted", Boolean, nullable=False),
    text_column("basis"),
    text_column("row_version"),
    Index("model_identity_canonical_id_idx", "canonical_id"),
    Index("model_identity_candidate_id_idx", "candidate_id"),
)

canonical_model = Table(
    "canonical_model",
    metadata,
    text_column("id", primary_key=True),
    text_column("lab", nullable=True),
    text_column("name"),
    text_column("family", nullable=True),
    *(Column(name, provider_model.c[name].type) for name in AGREED_COLUMNS),
    json_column("capabilities", server_default=EMPTY_OBJECT),
    json_column("agreement", server_default=EMPTY_OBJECT),
    json_column("prices", server_default=EMPTY_OBJECT),
    Column("offers", Integer, nullable=False),
    Column("providers", Integer, nullable=False),
    time_column("first_seen_at"),
    Column("retires_on", IsoDate),
    time_column("removed_at", nullable=True),
    Column("is_verified", Boolean, nullable=False),
    time_column("changed_at"),
)

canonical_model_event = Table(
    "canonical_model_event",
    metadata,
    id_column(),
    text_column("canonical_id"),
    text_column("kind"),
    text_column("slug"),
    text_column("model_id"),
    json_column("detail", server_default=EMPTY_OBJECT),
    time_column("happened_at"),
    Index("canonical_model_event_happened_at_idx", "happened_at"),
)

OFFER_COLUMNS: Final = ("canonical_id", "candidate_id", "lab", "snapshot", "variant", "certainty", "filled")
"""What the view `model_offer` has beyond the columns of `provider_model_current`."""

model_offer = table(
    "model_offer",
    column("slug", Text()),
    *(column(name, provider_model.c[name].type) for name in ("provider_id", *SHOWN_COLUMNS, "last_seen_at")),
    *(column(name, JSONB() if name == "filled" else Text()) for name in OFFER_COLUMNS),
)
