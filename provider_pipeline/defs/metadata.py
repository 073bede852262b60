"""Metadata that Dagster shows beside an event or an asset: schemas, lineage, and numbers to plot.

Here: pure functions from tables, rules and outcomes to Dagster's metadata values, each bounded in size. Not here: when
an event is recorded (`defs/assets.py`), the words of a check (`defs/checks.py`), and how text is laid out
(`defs/markdown.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import dagster as dg

from provider_pipeline import rules, sync
from provider_pipeline.defs.keys import RAW
from provider_pipeline.defs.markdown import (
    MAX_TEXT,
    accepted_markdown,
    changes_markdown,
    lineage_markdown,
    markdown,
    one_line,
    rule_markdown,
)

_MOST_COLUMNS = 200
_MOST_SOURCES = 50
_MOST_NAMED = 50

_Metadata = dict[str, Any]


def column_schema(columns: Iterable[rules.model_columns.ModelColumn]) -> dg.TableSchema:
    """A table's columns, with types, comments and nullability, as Dagster's column schema."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=column.type,
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=column.unique),
            )
            for column in columns
        ]
    )


def column_lineage(rule: rules.document.ExtractionRule) -> dg.TableColumnLineage:
    """Which fields of the raw response each column of `provider_model` comes from, by this rule."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(RAW, source) for source in sources[:_MOST_SOURCES]]
            for column, sources in rules.lineage.column_sources(rule).items()
        }
    )


def item_schema(rule: rules.document.ExtractionRule) -> dg.TableSchema:
    """The fields of the raw response's items that the rule reads, each with the columns it goes into."""
    columns: dict[str, list[str]] = {}
    for column, sources in rules.lineage.column_sources(rule).items():
        for source in sources:
            columns.setdefault(source, []).append(column)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(source, type="json", description=f"Read into {', '.join(sorted({*into} - {'meta_hash'}))}.")
            for source, into in sorted(columns.items())[:_MOST_COLUMNS]
        ]
    )


def raw_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """What a fetched listing says beside `raw_models_response`."""
    number = outcome.raw_response_id
    return {
        "pages": outcome.page_count,
        "bytes": outcome.byte_count,
        "new_content": outcome.listing_changed,
        **({} if number is None else {"raw_response": dg.MetadataValue.text(str(number))}),
        **({} if number is None else {"look_at_it": dg.MetadataValue.md(f"`provider-pipeline raw show {number}`")}),
        **({} if outcome.rule is None else {"dagster/column_schema": item_schema(outcome.rule)}),
    }


def extraction_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """What the accepted models say beside `validated_extraction`."""
    remarks = [f"- {issue['severity']}: {one_line(issue['message'])}" for issue in outcome.issues]
    return {
        "models": outcome.models,
        "rejected": outcome.rejected,
        "rule_version": outcome.rule_version or 0,
        "capability_coverage": outcome.capability_coverage or 0.0,
        **({"remarks": markdown(remarks)} if remarks else {}),
    }


def table_metadata(outcome: sync.outcome.SyncOutcome, accepted: sync.outcome.AcceptedGuards | None) -> _Metadata:
    """What a write says beside `provider_model`: numbers that are plotted over time, and what changed.

    Args:
        outcome: The sync.
        accepted: What a person took responsibility for, if anything.
    """
    return {
        "changes": changes_markdown(outcome),
        **({} if accepted is None else {"accepted": accepted_markdown(accepted)}),
        "models": outcome.models,
        "created": outcome.created,
        "updated": outcome.updated,
        "renamed": outcome.renamed,
        "missing": outcome.missing,
        "removed": outcome.removed,
        "restored": outcome.restored,
        "unchanged": outcome.unchanged,
        "seconds": round(outcome.seconds, 3),
        "bytes": outcome.byte_count,
        "rule_version": outcome.rule_version or 0,
        "dagster/table_name": "provider_model",
        "dagster/partition_row_count": outcome.models,
        **({} if outcome.rule is None else _lineage(outcome.rule)),
    }


def _lineage(rule: rules.document.ExtractionRule) -> _Metadata:
    return {"columns": lineage_markdown(rule), "dagster/column_lineage": column_lineage(rule)}


def first_use_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """What a rule says beside `extraction_rule` when a sync first uses it."""
    return {
        "version": outcome.rule_version or 0,
        **({} if outcome.rule is None else {"rule": rule_markdown(outcome.rule)}),
    }


def repair_metadata(repair: sync.repair.worker.Repair) -> _Metadata:
    """What the answer to a task says beside `extraction_rule`: the report, and the evidence behind it."""
    return {
        "report": markdown(repair.report.splitlines()),
        "status": repair.status,
        "reason": repair.reason,
        "version": repair.version or 0,
        "models": repair.models,
        "raw_response": dg.MetadataValue.text(str(repair.raw_response_id)),
        **({"task": dg.MetadataValue.text(str(repair.task_id))} if repair.task_id else {}),
        "gates": bounded_json([gate.to_json() for gate in repair.gates]),
        "differences": bounded_json([difference.to_json() for difference in repair.differences]),
        **({} if repair.rule is None else {"rule": rule_markdown(repair.rule)}),
    }


def bounded_json(value: Any) -> dg.JsonMetadataValue:
    """JSON of bounded size: a list keeps its first entries, an object the entries that fit, with the others named."""
    if _size(value) <= MAX_TEXT:
        return dg.MetadataValue.json(value)
    left = MAX_TEXT
    if isinstance(value, list):
        kept: list[Any] = []
        for each in value:
            left -= _size(each)
            if left < 0:
                break
            kept.append(each)
        return dg.MetadataValue.json(kept)
    shown: dict[str, Any] = {}
    for key, each in value.items():
        if _size(each) <= left:
            shown[key] = each
            left -= _size(each)
    return dg.MetadataValue.json({**shown, "left_out": sorted(value.keys() - shown.keys())[:_MOST_NAMED]})


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))
