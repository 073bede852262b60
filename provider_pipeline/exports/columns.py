"""The columns of tables that leave the catalogue: one declared schema for frames, Parquet, CSV, Excel and NDJSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS

Kind = Literal["text", "integer", "decimal", "flag", "day", "time", "texts", "json"]

_KINDS: Final[Mapping[str, Kind]] = {
    "ARRAY": "texts",
    "BIGINT": "integer",
    "DATE": "day",
    "DATETIME": "time",
    "INTEGER": "integer",
    "JSONB": "json",
    "NUMERIC": "decimal",
    "TEXT": "text",
}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table; `comment` is its meaning."""

    name: str
    kind: Kind
    comment: str

    def value(self, row: Mapping[str, Any]) -> Any:
        """The column's value in a row of the catalogue; None if the row has none."""
        return row.get(self.name)


class CapabilityColumn(TableColumn):
    """A column with the state of one capability."""

    __slots__ = ()

    def value(self, row: Mapping[str, Any]) -> Any:
        """See `TableColumn.value`."""
        return row["capabilities"].get(self.name.removeprefix("can_"))


def _models() -> list[TableColumn]:
    shown = [TableColumn(each.name, _KINDS[each.type], each.comment) for each in PROVIDER_MODEL_COLUMNS if each.shown]
    return [
        TableColumn("slug", "text", "The provider's slug."),
        *shown,
        TableColumn("last_seen_at", "time", "When the model was last in an accepted listing; NULL for a past moment."),
        *(
            CapabilityColumn(f"can_{name}", "flag", f"Whether the model has the capability {name}; NULL if unknown.")
            for name in read_table("capabilities.toml")["names"]
        ),
    ]


_OFFER: Final = (
    TableColumn("canonical_id", "text", "The model that the offer serves; NULL if unknown or ambiguous."),
    TableColumn("filled", "json", "Columns, and capabilities as capabilities.NAME, filled from the canonical model."),
)
_IDENTITY: Final = (
    TableColumn("candidate_id", "text", "The canonical model that an ambiguous offer may serve."),
    TableColumn("lab", "text", "Who made the model; NULL if unknown."),
    TableColumn("snapshot", "text", "The dated release; NULL if undated."),
    TableColumn("variant", "text", "How the offer packs or sells the model; NULL for the model as released."),
    TableColumn("certainty", "text", "stated, known, unverified or ambiguous."),
)
_PRICE: Final = (
    TableColumn("slug", "text", "The provider's slug."),
    TableColumn("model_id", "text", "The model's id, as requests to the provider name it."),
    TableColumn("component", "text", "What is charged for: input, output, cache_read, image, request ..."),
    TableColumn("above", "integer", "The prompt size in tokens above which the amount holds; 0 below the first tier."),
    TableColumn("amount", "decimal", "The price of one unit, as listed; 0 is free."),
    TableColumn("unit", "text", "What the amount buys: million_tokens, image, second ..."),
    TableColumn("currency", "text", "ISO 4217 code; amounts are never converted."),
)

MODELS: Final[Sequence[TableColumn]] = (*_models(), *_OFFER)
OFFERS: Final[Sequence[TableColumn]] = (*MODELS, *_IDENTITY)
PRICES: Final[Sequence[TableColumn]] = (
    *_PRICE[:2],
    TableColumn("status", "text", "active: in the last accepted listing; missing or removed otherwise."),
    *_PRICE[2:],
    TableColumn("is_overridden", "flag", "Whether people set the price of this component."),
)
PRICE_HISTORY: Final[Sequence[TableColumn]] = (
    *_PRICE,
    TableColumn("valid_from", "time", "When the sync wrote the price."),
    TableColumn("valid_to", "time", "When a later sync changed it, or found it unknown; NULL while it holds."),
    TableColumn("cause", "text", "Why the price is this one from then on: provider, rule or override."),
)
CHANGES: Final[Sequence[TableColumn]] = (
    TableColumn("id", "integer", "The change's number."),
    *_PRICE[:2],
    TableColumn("kind", "text", "added, renamed, updated, missing, removed or restored."),
    TableColumn("changed", "json", "Each field or price that changed, with its old and new value."),
    TableColumn("cause", "text", "provider, rule or override."),
    TableColumn("rule_version", "integer", "The rule version that wrote the values."),
    TableColumn("raw_response_id", "integer", "The stored response that shows the change; NULL if it is not kept."),
    TableColumn("changed_at", "time", "When the sync wrote the change."),
)
