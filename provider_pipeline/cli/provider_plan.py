"""How registering providers is shown: the plan, and what came of it.

Here: tables and lines. Not here: making a plan and carrying it out (`provider_pipeline.presets`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from provider_pipeline import presets
from provider_pipeline.cli.console import note, say, table

_STYLES = {"add": "green", "change": "yellow", "disable": "red", "not in the folder": "dim", "unchanged": "dim"}
_LOUD = "bold red"
_DONE = {"add": "added", "change": "changed", "disable": "disabled; its rows stay", "unchanged": "unchanged"}


def plan_table(plan: presets.registration.Plan) -> Table:
    """What a plan would do, field by field."""
    return table("plan", ("provider", "action", "field", "is", "will be"), _rows(plan))


def print_done(plan: presets.registration.Plan) -> None:
    """What a plan did, one line for each provider, and what each needs next."""
    for each in plan.providers:
        if each.action in _DONE:
            say(f"{each.slug}: {_done(each)}")
    print_needs(plan)


def print_needs(plan: presets.registration.Plan) -> None:
    """What is missing before the providers can be synced."""
    for each in plan.providers:
        if each.missing is not None:
            text = each.missing
            note(text if text.startswith(f"{each.slug}: ") else f"{each.slug}: {text}")


def _done(each: presets.registration.PlannedProvider) -> str:
    text = _DONE[each.action]
    if each.action == "change":
        text = f"{text} ({', '.join(change.field for change in each.changes)})"
    if each.action == "disable":
        return text
    return f"{text}; next: {each.next_step or f'provider-pipeline sync {each.slug}'}"


def _rows(plan: presets.registration.Plan) -> Iterator[tuple[Any, ...]]:
    for each in plan.providers:
        action = Text(each.action, style=_STYLES[each.action])
        if not each.changes:
            yield each.slug, action if each.enabled else Text(f"{each.action} (disabled)", style="dim"), "", "", ""
        for number, change in enumerate(each.changes):
            first = (each.slug, action) if number == 0 else ("", "")
            yield *first, change.field, _written(change.old), _written(change.new)
        for host in each.new_hosts:
            yield (
                "",
                "",
                Text("KEY GOES TO", style=_LOUD),
                f"{host.key}: {', '.join(host.known)}",
                Text(host.host, _LOUD),
            )


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
