"""Metadata that Dagster shows beside an asset: the column schema and the table of changes.

Here: the one place that turns SQLAlchemy tables and sync outcomes into Dagster's metadata values.
"""

import json

import dagster as dg
from sqlalchemy import Table

from provider_pipeline.sync import SyncOutcome

SHOWN_CHANGES = 20


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns, types, comments and nullability as Dagster's column schema."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=str(column.type.compile()),
                description=column.comment,
                constraints=dg.TableColumnConstraints(
                    nullable=bool(column.nullable), unique=bool(column.unique or column.primary_key)
                ),
            )
            for column in table.columns
        ]
    )


def changes_table(outcome: SyncOutcome) -> dg.MarkdownMetadataValue:
    """The first changes of a sync as a markdown table: kind, model, and each field's old and new value."""
    if not outcome.changes:
        return dg.MetadataValue.md("no changes")
    lines = ["| change | model | fields |", "|---|---|---|"]
    for change in outcome.changes[:SHOWN_CHANGES]:
        fields = "; ".join(f"{name}: {_cell(old)} to {_cell(new)}" for name, (old, new) in change.changed.items())
        lines.append(f"| {change.kind} | {_cell(change.model_id)} | {fields} |")
    if outcome.total_changes > SHOWN_CHANGES:
        lines.append(f"| | {outcome.total_changes - SHOWN_CHANGES} more | |")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    shown = text if len(text) <= 80 else text[:77] + "..."
    return shown.replace("|", "\\|").replace("\n", " ")
