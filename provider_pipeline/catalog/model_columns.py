"""The columns of `provider_model`, as people read them.

Here: names, types, comments and whether a value can be absent. Not here: what queries are written against (`tables`,
which takes the comments from here) and the DDL (`sql/`); tests prove that all three agree. Apart from the tables,
because Dagster shows the columns beside the asset, and nothing else of its definitions needs SQLAlchemy.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ColumnDescription:
    """A column, for people."""

    name: str
    type: str
    comment: str
    nullable: bool = False
    unique: bool = False


PROVIDER_MODEL_COLUMNS: Final = (
    ColumnDescription("id", "BIGINT", "Surrogate key.", unique=True),
    ColumnDescription("provider_id", "BIGINT", "The provider that lists the model."),
    ColumnDescription("model_id", "TEXT", "The model's id, as requests to the provider name it."),
    ColumnDescription("display_name", "TEXT", "Name for people; NULL if the listing has none.", nullable=True),
    ColumnDescription("family", "TEXT", "Model family; NULL if unknown.", nullable=True),
    ColumnDescription("context_length", "BIGINT", "Context window, in tokens; NULL if unknown.", nullable=True),
    ColumnDescription("max_output_tokens", "BIGINT", "Longest answer, in tokens; NULL if unknown.", nullable=True),
    ColumnDescription("input_modalities", "ARRAY", "What the model accepts, sorted; NULL if unknown.", nullable=True),
    ColumnDescription("output_modalities", "ARRAY", "What the model produces, sorted; NULL if unknown.", nullable=True),
    ColumnDescription("input_price", "NUMERIC", "USD per 1,000,000 input tokens; NULL if unknown.", nullable=True),
    ColumnDescription("output_price", "NUMERIC", "USD per 1,000,000 output tokens; NULL if unknown.", nullable=True),
    ColumnDescription("capabilities", "JSONB", "Capability to true or false; an unknown capability is absent."),
    ColumnDescription(
        "capability_sources",
        "JSONB",
        "Capability to where it was learnt: override, evidence, lookup_table or regex.",
    ),
    ColumnDescription("metadata_json", "JSONB", "Further fields of the listing that the rule maps."),
    ColumnDescription("meta_hash", "TEXT", "SHA-256 of the meaningful columns; a sync compares it to find changes."),
    ColumnDescription(
        "status",
        "TEXT",
        "active: in the last accepted listing; missing: absent from it; removed: absent from several in a row.",
    ),
    ColumnDescription("missing_count", "INTEGER", "Accepted listings in a row without the model."),
    ColumnDescription("first_seen_at", "DATETIME", "When the model was first listed."),
    ColumnDescription(
        "last_seen_at",
        "DATETIME",
        "When the model was last listed, as known when the row was last written: a sync leaves an unchanged "
        "row untouched. The view provider_model_current has the time that is true now.",
    ),
    ColumnDescription("removed_at", "DATETIME", "When the status became removed; NULL otherwise.", nullable=True),
    ColumnDescription("rule_version", "INTEGER", "The rule version that wrote the row's values."),
    ColumnDescription(
        "missing_since",
        "DATETIME",
        "When the first of the listings without the model was accepted; NULL while it is active.",
        nullable=True,
    ),
    ColumnDescription(
        "renamed_from",
        "TEXT",
        "The id the same model had before, by name or by metadata; its first_seen_at was taken over. NULL if unknown.",
        nullable=True,
    ),
    ColumnDescription(
        "renamed_to",
        "TEXT",
        "The id the same model was listed by when this one was listed no more; NULL if there was none.",
        nullable=True,
    ),
    ColumnDescription(
        "overridden_fields",
        "ARRAY",
        "The fields whose values people set: columns, or keys as capabilities.NAME and metadata_json.NAME; sorted.",
    ),
)
