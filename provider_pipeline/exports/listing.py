"""The live listing of `/v1/models`: OpenAI's form with context, limits, prices and capabilities where known."""

from typing import Any, BinaryIO

import orjson

from provider_pipeline.exports import openrouter
from provider_pipeline.exports.records import ExportedModels, ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes all models that are offered, one after the other.

    OpenAI's four fields are always there; any other is absent while it is unknown.
    """
    out.write(b'{"object":"list","data":[')
    for record in snapshot.records():
        out.write(b",\n" if report.models else b"\n")
        out.write(orjson.dumps(_model(record, snapshot, report)))
        report.include(record)
    out.write(b'\n],"links":{"next":null},"total_count":%d}\n' % report.models)


def _model(record: ModelRecord, snapshot: ExportedModels, report: ExportReport) -> dict[str, Any]:
    limits = {
        **{name: getattr(record, name) for name in LIMIT_COLUMNS},
        # The context once more, under other names that clients look for.
        "context_window": record.context_length,
        "max_model_len": record.context_length,
        "architecture": openrouter.architecture(record),
        "pricing": openrouter.pricing(record, report),
        "capabilities": dict(sorted(record.capabilities.items())) or None,
        "supported_parameters": openrouter.supported_parameters(record) or None,
    }
    return {
        "id": openrouter.exported_id(record, snapshot),
        "object": "model",
        "created": openrouter.created(record),
        "owned_by": record.provider.slug,
        "name": record.name,
        **{name: value for name, value in limits.items() if value is not None},
        **openrouter.dates(record),
    }
