"""Rows of the catalogue as Arrow data of a declared schema, in batches: a million rows fit in memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from provider_pipeline.exports.columns import Kind, TableColumn
from provider_pipeline.exports.documents import json_text

BATCH_ROWS: Final = 10_000
_SCALE: Final = Decimal(1).scaleb(-18)
"""Amounts keep 18 decimals: per million tokens, the cheapest models cost some billionths of a dollar."""
_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(38, 18),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "json": pa.string(),
}


def schema(columns: Sequence[TableColumn]) -> pa.Schema:
    """The columns' fixed types, with their comments as field metadata."""
    return pa.schema(
        [
            pa.field(each.name, _TYPES[each.kind], metadata={"comment": each.comment, "kind": each.kind})
            for each in columns
        ]
    )


def batches(rows: Iterable[Mapping[str, Any]], columns: Sequence[TableColumn]) -> Iterator[pa.RecordBatch]:
    """The rows in batches of `BATCH_ROWS`, read as they are asked for."""
    found, declared = iter(rows), schema(columns)
    while some := list(islice(found, BATCH_ROWS)):
        yield pa.RecordBatch.from_arrays(
            [pa.array([_value(each.kind, each.value(row)) for row in some], _TYPES[each.kind]) for each in columns],
            schema=declared,
        )


def _value(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json_text(value)
    if kind == "decimal":
        return Decimal(repr(value)).quantize(_SCALE)
    if kind == "day":
        return date.fromisoformat(value)
    return value
