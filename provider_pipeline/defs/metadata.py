"""What Dagster shows beside an event or an asset: schemas, lineage, numbers to plot, and markdown for people.

Pure functions from rules and outcomes to metadata values, each of bounded size and safe against what a provider sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from provider_pipeline import catalog, rules, sync
from provider_pipeline.defs.keys import RAW

MAX_TEXT: Final = 20_000
"""Characters of one text or JSON value: an event is stored whole, and read whenever the asset's page is opened."""

MAX_COLUMNS: Final = 200
MAX_SOURCES: Final = 50
MAX_NAMES_LEFT_OUT: Final = 50
MAX_MODELS: Final = 25
MAX_ROWS: Final = 50
MAX_VALUE: Final = 80
MAX_LINE: Final = 500

# Fields that need no row in the table of changes: the kind of the change says it already.
_IMPLIED_FIELDS = frozenset({"model_id", "status", "capability_sources", "overridden_fields"})

_Metadata = dict[str, Any]


def column_schema(columns: Iterable[rules.model_columns.ModelColumn]) -> dg.TableSchema:
    """A table's columns, with types, comments and constraints, as Dagster's column schema."""
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
    """The fields of the raw response that each column of `provider_model` comes from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(RAW, source) for source in sources[:MAX_SOURCES]]
            for column, sources in rules.lineage.column_sources(rule).items()
        }
    )


def item_schema(rule: rules.document.ExtractionRule) -> dg.TableSchema:
    """The fields of the response's items that the rule reads, each with the columns it goes into."""
    columns: dict[str, list[str]] = {}
    for column, sources in rules.lineage.column_sources(rule).items():
        for source in sources:
            columns.setdefault(source, []).append(column)
    return dg.TableSchema(
        columns=[
            dg.TableColumn(source, type="json", description=f"Read into {', '.join(sorted({*into} - {'meta_hash'}))}.")
            for source, into in sorted(columns.items())[:MAX_COLUMNS]
        ]
    )


def raw_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """Metadata of `raw_models_response`."""
    number = outcome.raw_response_id
    stored = (
        {}
        if number is None
        else {"raw_response": str(number), "look_at_it": dg.MetadataValue.md(f"`provider-pipeline raw show {number}`")}
    )
    return {
        "pages": outcome.page_count,
        "bytes": outcome.byte_count,
        "new_content": outcome.listing_changed,
        **stored,
        **({} if outcome.rule is None else {"dagster/column_schema": item_schema(outcome.rule)}),
    }


def _coverage(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """The share of models with a capability; nothing where it is unknown, which a plot would show as none."""
    return {} if outcome.capability_coverage is None else {"capability_coverage": outcome.capability_coverage}


def extraction_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """Metadata of `validated_extraction`."""
    remarks = [f"- {issue['severity']}: {one_line(issue['message'])}" for issue in outcome.issues]
    return {
        "models": outcome.models,
        "rejected": outcome.rejected,
        "rule_version": outcome.rule_version or 0,
        **_coverage(outcome),
        **({"remarks": markdown(remarks)} if remarks else {}),
    }


def table_metadata(
    outcome: sync.outcome.SyncOutcome,
    accepted: sync.plan.AcceptedGuards | None,
    preview: catalog.models.Preview | None = None,
) -> _Metadata:
    """Metadata of `provider_model`: numbers that are plotted, what changed, and the guards that a person accepted.

    Args:
        preview: The table's beginning and totals; left out where nothing was written.
    """
    lineage = (
        {}
        if outcome.rule is None
        else {
            "columns": lineage_markdown(outcome.rule),
            "dagster/column_lineage": column_lineage(outcome.rule),
        }
    )
    return {
        "changes": changes_markdown(outcome),
        **({} if preview is None else _preview_metadata(preview)),
        **({} if accepted is None else {"accepted": accepted_markdown(accepted)}),
        "models": outcome.models,
        **_coverage(outcome),
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
        **lineage,
    }


def _preview_metadata(preview: catalog.models.Preview) -> _Metadata:
    lines = ["| model | context | USD/M in | USD/M out | capabilities |", "|---|---:|---:|---:|---|"]
    for row in preview.rows:
        prices = (
            "" if row[name] is None else rules.model_prices.price_text(float(row[name]))
            for name in ("input_price", "output_price")
        )
        context = "" if row["context_length"] is None else f"{row['context_length']:,}"
        has = one_line(", ".join(sorted(name for name, has in row["capabilities"].items() if has)))
        lines.append(f"| {_code(row['model_id'])} | {context} | {' | '.join(prices)} | {has} |")
    if preview.models > len(preview.rows):
        lines += ["", f"The newest {len(preview.rows)} of {preview.models:,} models."]
    return {
        "preview": markdown(lines),
        "models_with_price": preview.priced,
        "models_with_context": preview.with_context,
    }


def fleet_metadata(statuses: Mapping[str, str], not_written: Mapping[str, str]) -> _Metadata:
    """Metadata of `provider_model` as a whole after a fleet run.

    Args:
        statuses: Each provider's outcome: synced, blocked, failed or skipped.
        not_written: Why, for each provider whose rows were left as they were.
    """
    counted = list(statuses.values())
    lines = ["| provider | | reason |", "|---|---|---|"]
    lines += [f"| {one_line(slug)} | {statuses[slug]} | {one_line(why)} |" for slug, why in sorted(not_written.items())]
    return {
        **{f"providers_{status}": counted.count(status) for status in ("synced", "blocked", "failed", "skipped")},
        **({"not_written": markdown(lines)} if not_written else {}),
    }


def first_use_metadata(outcome: sync.outcome.SyncOutcome) -> _Metadata:
    """Metadata of `extraction_rule` when a sync first uses a rule."""
    return {
        "version": outcome.rule_version or 0,
        **({} if outcome.rule is None else {"rule": rule_markdown(outcome.rule)}),
    }


def repair_metadata(repair: sync.repair.worker.Repair) -> _Metadata:
    """Metadata of `extraction_rule` when a task is answered: the report and the findings behind it."""
    return {
        "report": markdown(repair.report.splitlines()),
        "status": repair.status,
        "reason": repair.reason,
        "version": repair.version or 0,
        "models": repair.models,
        "raw_response": str(repair.raw_response_id),
        **({"task": str(repair.task_id)} if repair.task_id else {}),
        "gates": bounded_json([gate.to_json() for gate in repair.gates]),
        "differences": bounded_json([difference.to_json() for difference in repair.differences]),
        **({} if repair.rule is None else {"rule": rule_markdown(repair.rule)}),
    }


def bounded_json(value: Any) -> dg.JsonMetadataValue:
    """JSON of bounded size: a list keeps its first entries, an object the entries that fit and names the others."""
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
    return dg.MetadataValue.json({**shown, "left_out": sorted(value.keys() - shown.keys())[:MAX_NAMES_LEFT_OUT]})


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def markdown(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    """As many lines of markdown as fit."""
    kept: list[str] = []
    left = MAX_TEXT
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            kept += ["", f"{len(lines) - len(kept)} more lines are left out"]
            break
        kept.append(line)
    return dg.MetadataValue.md("\n".join(kept))


def rule_markdown(rule: rules.document.ExtractionRule) -> dg.MarkdownMetadataValue:
    """A rule for people: where the models are, and which field is read into which column."""
    lines: list[str] = []
    for endpoint in rule.endpoints:
        lines += [f"Models of {_code(endpoint.path or 'the base URL')}: {_code(endpoint.selector)}", ""]
        if endpoint.detail is not None:
            lines += [f"Each model's own page: {_code(endpoint.detail.path)}", ""]
        lines += ["| field | read from | unit |", "|---|---|---|"]
        for name, expression in endpoint.fields.items():
            unit = endpoint.units.get(name)
            said = "" if unit is None else unit if isinstance(unit, str) else f"as the item says: {_code(unit.reads)}"
            lines.append(f"| {name} | {_code(expression)} | {said} |")
        lines.append("")
    if rule.capability_rules:
        lines.append(f"Capabilities it recognizes: {', '.join(each.capability for each in rule.capability_rules)}")
    lines += ["", *(f"- {each['severity']}: {one_line(each['message'])}" for each in rule.issues)]
    return markdown(lines)


def lineage_markdown(rule: rules.document.ExtractionRule) -> dg.MarkdownMetadataValue:
    """Column lineage as a table, because open-source Dagster does not draw it."""
    lines = ["| column | read from |", "|---|---|"]
    for column, sources in rules.lineage.column_sources(rule).items():
        if column != "meta_hash":
            lines.append(f"| {column} | {', '.join(map(_code, sources[:MAX_MODELS]))} |")
    return markdown(lines)


def changes_markdown(outcome: sync.outcome.SyncOutcome) -> dg.MarkdownMetadataValue:
    """What a sync changed: models that came and went, and each changed value before and after."""
    if not outcome.rows_changed:
        return dg.MetadataValue.md(f"Nothing changed: {outcome.unchanged} models are as they were.")
    by_kind: dict[str, list[catalog.model_writes.ModelChange]] = {}
    for change in outcome.changes:
        by_kind.setdefault(change.kind, []).append(change)
    lines: list[str] = []
    for kind, total in _totals(outcome).items():
        if total:
            # The table below has the updated models, value by value.
            names = "" if kind == "updated" else _names(by_kind.get(kind, ()), total)
            lines += [f"**{total:,} {kind}**{names}", ""]
    rows = [row for change in outcome.changes for row in _value_rows(change)]
    if rows:
        lines += ["| model | field | before | after | difference |", "|---|---|---|---|---|", *rows[:MAX_ROWS]]
        if any(rules.model_prices.is_price(name) for change in outcome.changes for name in change.changed):
            lines += ["", "Prices in USD per million tokens unless stated."]
    hidden = max(0, len(rows) - MAX_ROWS)
    unseen = outcome.total_changes - len(outcome.changes)
    if hidden or unseen:
        command = f"`provider-pipeline changes --provider {outcome.slug}`"
        lines += ["", f"Not everything is shown here; see all with {command}"]
    return markdown(lines)


def accepted_markdown(accepted: sync.plan.AcceptedGuards) -> dg.MarkdownMetadataValue:
    """The guards that a person accepted, and why."""
    guards = ", ".join(sorted(accepted.guards))
    return dg.MetadataValue.md(
        f"**{guards}**, by {one_line(accepted.author or 'unknown')}: {one_line(accepted.reason)}"
    )


def _totals(outcome: sync.outcome.SyncOutcome) -> Mapping[str, int]:
    return {
        "added": outcome.created,
        "renamed": outcome.renamed,
        "updated": outcome.updated,
        "restored": outcome.restored,
        "missing": outcome.missing,
        "removed": outcome.removed,
    }


def _names(changes: Sequence[catalog.model_writes.ModelChange], total: int) -> str:
    names = []
    for change in changes[:MAX_MODELS]:
        other = ""
        if "model_id" in change.changed:
            other = f" (was {_code(change.changed['model_id'][0])})"
        elif "renamed_to" in change.changed:
            other = f" (now {_code(change.changed['renamed_to'][1])})"
        names.append(_code(change.model_id) + other)
    if total > len(names):
        names.append(f"and {total - len(names):,} more")
    return f": {', '.join(names)}" if changes else ""


def _value_rows(change: catalog.model_writes.ModelChange) -> Iterator[str]:
    if change.kind in ("missing", "removed"):
        return
    model = _code(change.model_id) + {"rule": " (another rule)", "override": " (set by people)"}.get(change.cause, "")
    for field, (old, new) in change.changed.items():
        if field in _IMPLIED_FIELDS:
            continue
        if rules.model_prices.is_price(field):
            before, after = map(rules.model_prices.price_text, (old, new))
            percent = rules.model_prices.percent(old, new)
            difference = "" if percent is None else f"{percent:+.1f}%"
            yield f"| {model} | {field} | {before} | {after} | {difference} |"
            continue
        for name, before, after in _parts(field, old, new):
            yield f"| {model} | {name} | {_value(before)} | {_value(after)} |  |"


def _parts(field: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """A changed value; for an object, each member that changed."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield field, old, new
        return
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{field}.{one_line(key)}", old.get(key), new.get(key)


def _value(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return _code(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))


def _code(text: str) -> str:
    line = " ".join(text.split())
    return rules.issues.code_span(line if len(line) <= MAX_VALUE else f"{line[: MAX_VALUE - 1]}…")


def one_line(text: str) -> str:
    """One line that can neither leave its table cell nor become markup."""
    return " ".join("".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in text).split())[:MAX_LINE]
