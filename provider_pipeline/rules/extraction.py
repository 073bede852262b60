"""Running a rule: from a page to its items, and from an item to a row or a reason why there is none.

Here: one endpoint's compiled selector, field map and units. Not here: what the rows amount to (`judge.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from provider_pipeline.rules.document import Endpoint
from provider_pipeline.rules.families import family_of
from provider_pipeline.rules.ids import MAX_ID_LENGTH
from provider_pipeline.rules.language import Getter, compile_expression
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.rows import ROW_COLUMNS, meta_hash
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.units import unit_factor
from provider_pipeline.rules.values import (
    BadValueError,
    json_type,
    read_id,
    read_limit,
    read_metadata,
    read_modalities,
    read_price,
    read_text,
)

FIELD_COLUMNS: Final[Mapping[str, str]] = {
    "id": "model_id",
    "name": "display_name",
    "display_name": "display_name",
    "context_length": "context_length",
    "max_output_tokens": "max_output_tokens",
    "input_modalities": "input_modalities",
    "output_modalities": "output_modalities",
    "input_price": "input_price",
    "output_price": "output_price",
}
"""Names of a rule's fields that are columns of a row; every other field goes to `metadata_json` under its own name."""

Reader = Callable[..., Any]
"""From a value, and what else it depends on, to a column's value; raises `BadValueError`."""

_EMPTY_ROW: Final[dict[str, Any]] = dict.fromkeys(ROW_COLUMNS)


class Rejected(NamedTuple):
    """An item that gave no row; `model_id` where at least that could be read."""

    reason: str
    field: str
    detail: str
    value: Any
    model_id: str | None = None


class ItemReader:
    """One endpoint of a rule, compiled."""

    def __init__(self, endpoint: Endpoint, capabilities: CompiledCapabilities, thresholds: Thresholds) -> None:
        fields = {FIELD_COLUMNS.get(name, name): compile_expression(text) for name, text in endpoint.fields.items()}
        self._selector = compile_expression(endpoint.selector)
        self._with_details = endpoint.detail is not None
        self._id = fields["model_id"]
        self._base_model = fields.get("base_model")
        self._id_type = endpoint.expect.id_type
        self._capabilities = capabilities
        self._name = fields.get("display_name")
        self._max_tokens, self._max_price = thresholds.max_tokens, thresholds.max_price
        self._limits = [
            (column, get, _reader(read_limit, endpoint, column))
            for column, get in _present(fields, "context_length", "max_output_tokens")
        ]
        self._modalities = _present(fields, "input_modalities", "output_modalities")
        self._prices = [
            (column, get, unit_factor(endpoint.units.get(column)), _reader(read_price, endpoint, column))
            for column, get in _present(fields, "input_price", "output_price")
        ]
        self._metadata = [(name, get) for name, get in fields.items() if name not in set(FIELD_COLUMNS.values())]

    def items(self, document: Any) -> list[Any] | None:
        """The items the selector finds on a page; None where it finds no list.

        A page of an endpoint with details is `{"listing": ..., "details": {id: ...}}`; its items have theirs under
        `detail`, null where there is none.
        """
        if self._with_details:
            return self._detailed(document)
        found = self._selector(document)
        return found if isinstance(found, list) else None

    def _detailed(self, document: Any) -> list[Any] | None:
        if not isinstance(document, dict) or not isinstance(document.get("details"), dict):
            return None
        found, details = self._selector(document.get("listing")), document["details"]
        if not isinstance(found, list):
            return None
        return [
            {**item, "detail": details.get(self._readable_id(item))} if isinstance(item, dict) else item
            for item in found
        ]

    def _readable_id(self, item: Any) -> str | None:
        try:
            return read_id(self._id(item), self._id_type) if isinstance(item, dict) else None
        except BadValueError:
            return None

    def row(self, item: Any) -> dict[str, Any] | Rejected:
        """The row of one item, or why there is none."""
        if not isinstance(item, dict):
            return Rejected("not_an_object", "", f"the item is a JSON {json_type(item)}; expected an object", item)
        column = "model_id"
        row = _EMPTY_ROW.copy()
        metadata: dict[str, Any] = {}
        try:
            value = self._id(item)
            row["model_id"] = model_id = read_id(value, self._id_type)
            if self._name is not None:
                column, value = "display_name", self._name(item)
                row[column] = read_text(value)
            for column, get, read in self._limits:
                value = get(item)
                if value is not None:
                    row[column] = read(value, self._max_tokens)
            for column, get in self._modalities:
                value = get(item)
                if value is not None:
                    row[column] = read_modalities(value)
            for column, get, factor, read in self._prices:
                value = get(item)
                if value is not None and (worth := factor(item)) is not None:
                    row[column] = read(value, worth, self._max_price)
            for column, get in self._metadata:
                value = get(item)
                if value is not None and (kept := read_metadata(value)) is not None:
                    metadata[column] = kept
        except BadValueError as error:
            return Rejected(error.reason, column, error.detail, value, row["model_id"])
        name = model_id if self._base_model is None else self._telling_name(item, model_id)
        row["family"] = family_of(name)
        row["capabilities"], row["capability_sources"] = self._capabilities.columns_of(item, name)
        row["metadata_json"] = metadata
        row["meta_hash"] = meta_hash(row)
        return row

    def _telling_name(self, item: Any, model_id: str) -> str:
        """The model's id, or the name of the model behind it where the id says nothing."""
        if self._base_model is None or self._capabilities.of_name(model_id):
            return model_id
        behind = self._base_model(item)
        return behind if isinstance(behind, str) and 0 < len(behind) <= MAX_ID_LENGTH else model_id


def _reader(read: Reader, endpoint: Endpoint, column: str) -> Reader:
    """The reader of a column, with None for what cannot be read where the rule's own sample held such values."""
    if column not in endpoint.expect.unreadable:
        return read

    def forgiving(*arguments: Any) -> Any:
        try:
            return read(*arguments)
        except BadValueError:
            return None

    return forgiving


def _present(fields: Mapping[str, Getter], *columns: str) -> list[tuple[str, Getter]]:
    return [(column, fields[column]) for column in columns if column in fields]
