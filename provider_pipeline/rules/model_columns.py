"""The columns of `provider_model`, each stated once: tables, SQL, API, CLI and Dagster are composed from them.

A new column is an entry here and a migration in `sql/` that adds it to the table and to the view
`provider_model_current`; tests prove that they agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

ModelStatus = Literal["active", "missing", "removed"]
"""A model's status: listed, no longer listed, or not listed for long enough to be removed."""
ChangeKind = Literal["added", "renamed", "updated", "missing", "removed", "restored"]
"""The kind of a model's change."""
Cause = Literal["provider", "rule", "override"]
"""The cause of a change: the provider's listing, another rule, or a person's override."""
Sorting = Literal[
    "model_id",
    "-model_id",
    "context_length",
    "-context_length",
    "input_price",
    "-input_price",
    "output_price",
    "-output_price",
    "first_seen_at",
    "-first_seen_at",
]
"""Sort keys of lists of models; `-` puts the largest first."""


@dataclass(frozen=True)
class ModelColumn:
    """A column of `provider_model`.

    Attributes:
        name: Its name.
        type: Its SQL type, as SQLAlchemy writes it without a dialect; arrays hold texts.
        comment: Its meaning.
        nullable: Whether it can be NULL.
        unique: Whether it is the table's key.
        default: The database's default, as an SQL expression.
        listed: Whether a rule fills it from a listing: part of the documented row.
        compared: Whether `meta_hash` covers it.
        overridable: Whether people can set it, whole or key by key.
        agreed: Whether canonical models have it too, with the value that most offers state.
        unit: The unit of a number: tokens for limits, USD for prices.
        heading: Its heading in a terminal's tables of models, for numbers shown there.
        shown: Whether clients receive it, for now and for any past moment.
    """

    name: str
    type: Literal["ARRAY", "BIGINT", "DATE", "DATETIME", "INTEGER", "JSONB", "NUMERIC", "TEXT"]
    comment: str
    nullable: bool = False
    unique: bool = False
    default: str | None = None
    listed: bool = False
    compared: bool = False
    overridable: bool = False
    agreed: bool = False
    unit: Literal["tokens", "usd_per_million_tokens"] | None = None
    heading: str | None = None
    shown: bool = True


_fact = partial(ModelColumn, listed=True, compared=True, overridable=True)
_optional = partial(_fact, nullable=True)
_limit = partial(_optional, type="BIGINT", unit="tokens")
_price = partial(_optional, type="NUMERIC", unit="usd_per_million_tokens")
_date = partial(_optional, type="DATE")

PROVIDER_MODEL_COLUMNS: Final = (
    ModelColumn("id", "BIGINT", "Surrogate key.", unique=True, shown=False),
    ModelColumn("provider_id", "BIGINT", "The provider that lists the model.", shown=False),
    _fact("model_id", "TEXT", "The model's id, as requests to the provider name it.", overridable=False),
    _optional("display_name", "TEXT", "Display name; NULL if the listing has none."),
    # Derived from the id and the shipped knowledge, so a new value is not the provider's change.
    _optional("family", "TEXT", "Model family, such as gpt-4o-mini; NULL if unknown.", compared=False),
    _limit("context_length", comment="Context window, in tokens; NULL if unknown.", heading="context", agreed=True),
    _limit("max_input_tokens", comment="Longest prompt, in tokens, where the provider states it; NULL if unknown."),
    _limit(
        "max_output_tokens", comment="Longest answer, in tokens; NULL if unknown.", heading="max output", agreed=True
    ),
    _optional("input_modalities", "ARRAY", "What the model accepts, sorted; NULL if unknown.", agreed=True),
    _optional("output_modalities", "ARRAY", "What the model produces, sorted; NULL if unknown.", agreed=True),
    _price("input_price", comment="USD per 1,000,000 input tokens; NULL if unknown.", heading="USD/M in"),
    _price("output_price", comment="USD per 1,000,000 output tokens; NULL if unknown.", heading="USD/M out"),
    _fact(
        "prices",
        "JSONB",
        "Maps a price component (input, output, cache_read, image, request ...) to its amount, unit, currency and "
        "tiers by prompt size; an unknown price is absent.",
        default="'{}'::jsonb",
    ),
    _date(
        "released_on",
        comment="When the model was released; a month counts as its first day. NULL if unknown.",
        agreed=True,
    ),
    _date(
        "deprecated_on",
        comment="First day on which the provider advises against using the model; NULL if unknown.",
    ),
    _date("retires_on", comment="First day on which the model is no longer served; NULL if unknown."),
    _date(
        "knowledge_cutoff",
        comment="End of the training data; a month counts as its first day. NULL if unknown.",
        agreed=True,
    ),
    _optional(
        "successor_model_id", "TEXT", "The id of the model that the provider recommends instead; NULL if unknown."
    ),
    _fact(
        "capabilities",
        "JSONB",
        "Capability to true or false; an unknown capability is absent.",
        default="'{}'::jsonb",
    ),
    ModelColumn(
        "capability_sources",
        "JSONB",
        "Maps a capability to the source of its value: override, evidence, lookup_table, regex or weak_evidence.",
        default="'{}'::jsonb",
        listed=True,
    ),
    _fact("metadata_json", "JSONB", "Further fields of the listing that the rule maps.", default="'{}'::jsonb"),
    ModelColumn(
        "meta_hash",
        "TEXT",
        "SHA-256 of the columns that a sync compares to find changes.",
        listed=True,
        shown=False,
    ),
    ModelColumn(
        "status",
        "TEXT",
        "active: in the last accepted listing; missing: absent from it; removed: absent from several in a row.",
        default="'active'::text",
    ),
    ModelColumn("missing_count", "INTEGER", "Accepted listings in a row without the model.", default="0", shown=False),
    ModelColumn("first_seen_at", "DATETIME", "When the model was first listed."),
    ModelColumn(
        "last_seen_at",
        "DATETIME",
        "When the model was last listed, as known when the row was last written: a sync leaves an unchanged "
        "row untouched. The view provider_model_current has the time that is true now.",
        shown=False,
    ),
    ModelColumn(
        "missing_since",
        "DATETIME",
        "When the first of the listings without the model was accepted; NULL while it is active.",
        nullable=True,
    ),
    ModelColumn("removed_at", "DATETIME", "When the status became removed; NULL otherwise.", nullable=True),
    ModelColumn("rule_version", "INTEGER", "The rule version that wrote the row's values."),
    ModelColumn(
        "renamed_from",
        "TEXT",
        "The model's earlier id, recognised by its name or metadata; first_seen_at is taken over from it. NULL if "
        "there is none.",
        nullable=True,
    ),
    ModelColumn(
        "renamed_to",
        "TEXT",
        "The id under which the model was listed after this one disappeared; NULL if there is none.",
        nullable=True,
    ),
    ModelColumn(
        "overridden_fields",
        "ARRAY",
        "Fields whose values overrides set, sorted: a column, capabilities.NAME, prices.COMPONENT or "
        "metadata_json.NAME.",
        default="'{}'::text[]",
    ),
)

ROW_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.listed)
LIMIT_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.unit == "tokens")
PRICE_COLUMNS: Final = tuple(
    column.name for column in PROVIDER_MODEL_COLUMNS if column.unit == "usd_per_million_tokens"
)
MOVING_COLUMNS: Final = (*PRICE_COLUMNS, "prices", *LIMIT_COLUMNS)
"""Columns compared between a row and its earlier versions."""
DATE_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.type == "DATE")
AGREED_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.agreed)
SHOWN_COLUMNS: Final = tuple(column.name for column in PROVIDER_MODEL_COLUMNS if column.shown)
HEADINGS: Final = {column.name: column.heading for column in PROVIDER_MODEL_COLUMNS if column.heading is not None}


def without_second_names(fields: Iterable[str]) -> list[str]:
    """Overridden fields for display: a price that is also a column appears once, as the column."""
    listed = list(fields)
    second = {f"prices.{column.removesuffix('_price')}" for column in PRICE_COLUMNS if column in listed}
    return [field for field in listed if field not in second]
