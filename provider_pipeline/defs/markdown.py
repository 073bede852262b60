"""Markdown that people read beside an event: what changed, what a rule says, who accepted what.

Here: wording and layout, bounded in size, safe against what a provider sent. Not here: which event carries it
(`defs/metadata.py`). The concept: a person who looks at a run wants to know which models are new, gone or renamed, and
each changed value before and after.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from provider_pipeline import catalog, rules, sync

MAX_TEXT: Final = 20_000
"""Characters of one text: an event is stored whole, and read by everybody who opens the asset's page."""

_MOST_MODELS = 25
_MOST_ROWS = 50
_LONGEST_VALUE = 80
_LONGEST_LINE = 500
_PRICES = frozenset({"input_price", "output_price"})
_TOLD_BY_THE_KIND = frozenset({"model_id", "status", "capability_sources", "overridden_fields"})


def markdown(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    """Lines of markdown, as many as fit."""
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
    """A rule as a person reads it: where the models are, and which field is read into which column."""
    lines: list[str] = []
    for endpoint in rule.endpoints:
        lines += [f"Models of {_code(endpoint.path or 'the base URL')}: {_code(endpoint.selector)}", ""]
        if endpoint.detail is not None:
            lines += [f"Each model's own answer: {_code(endpoint.detail.path)}", ""]
        lines += ["| field | read from | unit |", "|---|---|---|"]
        for name, expression in endpoint.fields.items():
            unit = endpoint.units.get(name)
            said = "" if unit is None else unit if isinstance(unit, str) else f"as the item says: {_code(unit.by)}"
            lines.append(f"| {name} | {_code(expression)} | {said} |")
        lines.append("")
    if rule.capability_rules:
        lines.append(f"Capabilities it can tell: {', '.join(each.capability for each in rule.capability_rules)}")
    return markdown(lines)


def lineage_markdown(rule: rules.document.ExtractionRule) -> dg.MarkdownMetadataValue:
    """Which fields of the raw response each column comes from; open-source Dagster draws no column lineage."""
    lines = ["| column | read from |", "|---|---|"]
    for column, sources in rules.lineage.column_sources(rule).items():
        if column != "meta_hash":
            lines.append(f"| {column} | {', '.join(map(_code, sources[:_MOST_MODELS]))} |")
    return markdown(lines)


def changes_markdown(outcome: sync.outcome.SyncOutcome) -> dg.MarkdownMetadataValue:
    """What a sync changed, for a person: who came and went, and each changed value before and after."""
    if not outcome.rows_changed:
        return dg.MetadataValue.md(f"Nothing changed: {outcome.unchanged} models are as they were.")
    by_kind: dict[str, list[catalog.model_writes.ModelChange]] = {}
    for change in outcome.changes:
        by_kind.setdefault(change.kind, []).append(change)
    lines: list[str] = []
    for kind, total in _totals(outcome).items():
        if total:
            # What was updated stands in the table below, value by value.
            names = "" if kind == "updated" else _names(by_kind.get(kind, ()), total)
            lines += [f"**{total:,} {kind}**{names}", ""]
    rows = [row for change in outcome.changes for row in _value_rows(change)]
    if rows:
        lines += ["| model | field | before | after | difference |", "|---|---|---|---|---|", *rows[:_MOST_ROWS]]
        if any(_PRICES & change.changed.keys() for change in outcome.changes):
            lines += ["", "Prices in USD per million tokens."]
    hidden = max(0, len(rows) - _MOST_ROWS)
    unseen = outcome.total_changes - len(outcome.changes)
    if hidden or unseen:
        command = f"`provider-pipeline changes --provider {outcome.slug}`"
        lines += ["", f"Not everything is shown here; see all with {command}"]
    return markdown(lines)


def accepted_markdown(accepted: sync.outcome.AcceptedGuards) -> dg.MarkdownMetadataValue:
    """What a person took responsibility for, and why."""
    guards = ", ".join(sorted(accepted.guards))
    return dg.MetadataValue.md(
        f"**{guards}**, by {one_line(accepted.author or 'somebody')}: {one_line(accepted.reason)}"
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
    for change in changes[:_MOST_MODELS]:
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
        if field in _TOLD_BY_THE_KIND:
            continue
        for name, before, after in _parts(field, old, new):
            yield f"| {model} | {name} | {_value(before)} | {_value(after)} | {_difference(field, before, after)} |"


def _parts(field: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """A changed value; of an object, each of its members that changed."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield field, old, new
        return
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{field}.{one_line(key)}", old.get(key), new.get(key)


def _difference(field: str, old: Any, new: Any) -> str:
    if field not in _PRICES:
        return ""
    percent = catalog.digest.move_of(field, old, new).percent
    return "" if percent is None else f"{percent:+.1f}%"


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
    return rules.difference.code_span(line if len(line) <= _LONGEST_VALUE else f"{line[: _LONGEST_VALUE - 1]}…")


def one_line(text: str) -> str:
    """One line that cannot leave its cell, nor become markup."""
    return " ".join("".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in text).split())[:_LONGEST_LINE]
