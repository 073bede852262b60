"""How the command line speaks: results on standard output, everything else on standard error.

Every command prints through these functions. They escape each text, because it may come from a provider: it cannot
control the terminal or start a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from provider_pipeline import catalog, rules, sync
from provider_pipeline.cli.tables import FittedTable
from provider_pipeline.rules.issues import escaped, has_controls
from provider_pipeline.rules.model_columns import HEADINGS

if TYPE_CHECKING:
    from rich.markdown import Markdown

EXIT_TROUBLE = 1
EXIT_USAGE = 2
EXIT_PENDING = 3
EXIT_CODES = {
    0: "done, and all is well.",
    EXIT_TROUBLE: "something failed, was blocked, does not fit or needs review.",
    EXIT_USAGE: "wrong usage, or a name that does not exist; nothing was done.",
    EXIT_PENDING: "`providers apply` has a plan to carry out, and was not told to; nothing was done.",
}
"""Of every command but `db shell` and `dev`, which end as psql and Dagster do."""

STATUS_STYLES = {"synced": "green", "blocked": "yellow", "failed": "red", "skipped": "cyan"}
MODEL_NUMBERS = tuple(HEADINGS.values())
OUTCOME_COLUMNS = (
    "provider",
    "models",
    "created",
    "renamed",
    "updated",
    "unchanged",
    "gone",
    "status",
    "seconds",
)

_PIPE_WIDTH = 160
_SAID_BY_KIND_AND_CAUSE = ("status", "overridden_fields")


def stdout() -> Console:
    """The console of results; wide when it is not a terminal, so that a pipe gets whole lines."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def stderr() -> Console:
    """The console of progress and errors; as wide as that of results."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(stderr=True, highlight=False, soft_wrap=True, width=_PIPE_WIDTH)


def say(line: str) -> None:
    """Print one line of a result."""
    typer.echo(escaped(line))


def say_marked(mark: str, style: str, line: str) -> None:
    """Print one line of a result behind a mark in a colour; a terminal's window breaks it between words."""
    console = stdout()
    console.print(Text.assemble((mark, style), escaped(line)), soft_wrap=not console.is_terminal)


def say_lines(text: str) -> None:
    """Print a result of several lines."""
    for line in text.removesuffix("\n").split("\n"):
        say(line)


def draw(*parts: RenderableType, console: Console | None = None) -> None:
    """Print tables of `table` and texts, one below the other; on standard output unless a console is given."""
    console = console or stdout()
    for part in parts:
        console.print(_one_line(part) if isinstance(part, (str, Text)) else part, crop=False)


def draw_list(drawn: FittedTable, *, empty: str) -> None:
    """Print a table, or a note where it would have no rows."""
    if drawn.row_count:
        draw(drawn)
    else:
        note(empty)


def drawn_report(markdown: str) -> Markdown:
    """A Markdown report for `draw`."""
    from rich.markdown import Markdown  # noqa: PLC0415 - it takes as long to import as the rest of rich

    return Markdown("\n".join(map(escaped, markdown.split("\n"))))


def fail(message: str, *, hint: str | None = None) -> None:
    """Print one error: what failed, and the next step."""
    stderr().print(Text.assemble(("error: ", "bold red"), escaped(f"{message} ({hint})" if hint else message)))


def note(message: str) -> None:
    """Print a line of progress."""
    stderr().print(Text(escaped(message), style="dim"))


def emit_json(value: Any) -> None:
    """Print a value as JSON; characters that could control the terminal become JSON escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    typer.echo("\n".join(line if line.isprintable() else _json_escaped(line) for line in text.split("\n")))


def named_as_in_the_api(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields for JSON, with `slug` as `provider`."""
    return {"provider" if name == "slug" else name: value for name, value in fields.items()}


def _plain(value: Any) -> str:
    return utc_text(value, "auto") if isinstance(value, datetime) else str(value)


def _json_escaped(line: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if has_controls(char) else char for char in line)


def marked(slug: str, *, sample: bool) -> str:
    """A provider's name in texts for people; sample providers say so."""
    return f"{slug} (sample)" if sample else slug


def number(value: float | None) -> str | None:
    """A number with thousands separators."""
    return None if value is None else f"{value:,}"


def iso(moment: datetime | None) -> str | None:
    """A time to the second, in ISO 8601 and UTC."""
    return utc_text(moment, "seconds") if moment else None


def utc_text(moment: datetime, timespec: Literal["auto", "seconds"]) -> str:
    """A time in ISO 8601 and UTC, as the API writes it; `timespec` as `isoformat` takes it."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def change_texts(changed: Mapping[str, Sequence[Any]]) -> list[str]:
    """One text per changed column or price of a model; for an object column, one per key that differs."""
    parts = []
    for name, (old, new) in changed.items():
        if name in _SAID_BY_KIND_AND_CAUSE:
            continue
        if rules.model_prices.is_price(name):
            difference = rules.model_prices.percent(old, new)
            moved = "" if difference is None else f" ({difference:+.1f}%)"
            before, after = map(rules.model_prices.price_text, (old, new))
            parts.append(f"{name}: {before} -> {after}{moved}")
        elif isinstance(old, dict) and isinstance(new, dict):
            keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            parts += [f"{name}.{key}: {value_text(old.get(key))} -> {value_text(new.get(key))}" for key in keys]
        else:
            parts.append(f"{name}: {value_text(old)} -> {value_text(new)}")
    return parts


def value_text(value: Any) -> str:
    """A value in a line of changes."""
    return "unknown" if value is None else compact(value)  # as `price_text` says it


def compact(value: Any) -> str:
    """A text as it is, anything else as JSON in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shortened(text: str, limit: int) -> str:
    """The text, cut to a maximum number of characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def abilities(model: Mapping[str, Any]) -> str:
    """The capabilities that a model is known to have."""
    return " ".join(sorted(name for name, has in model["capabilities"].items() if has))


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    spare: Sequence[str] = (),
    lead: int = 1,
    wide: bool = False,
) -> FittedTable:
    """A table of plain values.

    Args:
        title: Its title.
        columns: Column heads.
        rows: Values in column order; None is drawn as a dash, a `Text` keeps its style, a list goes line by line.
        right: Columns to align to the right.
        spare: Columns that a narrow window may lack, the first ones first.
        lead: Columns that head a row where it is drawn as a block.
        wide: Draw every column, however narrow the window.
    """
    drawn = FittedTable(_one_line(Text(title, style="bold")), spare=spare, lead=lead, wide=wide)
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def _cell(value: Any) -> Text:
    if isinstance(value, (list, tuple)):
        return Text("\n").join(map(_cell, value))
    return _one_line("-" if value is None else value)


def _one_line(value: Any) -> Text:
    return Text(escaped(value.plain), style=value.style) if isinstance(value, Text) else Text(escaped(str(value)))


def print_verdict(what: str, *, valid: bool, models: int, issues: Iterable[Mapping[str, Any]]) -> None:
    """Print whether a rule fits a response, and every issue."""
    say(f"{what}: {'fits' if valid else 'does not fit'}: {models} models")
    for issue in issues:
        say(f"  {issue['severity']}: {issue['message']}")


def change_lines(changes: Sequence[catalog.model_writes.ModelChange], total: int) -> Iterator[str]:
    """The first changes, one plain line each, and how many more there are."""
    for change in changes:
        fields = ", ".join(change_texts(change.changed))
        yield f"{change.kind} {change.model_id}{'  ' + fields if fields else ''}"
    if total > len(changes):
        yield f"and {total - len(changes)} more"


def models_table(title: str, models: Iterable[dict[str, Any]], *further: str) -> FittedTable:
    """Models, one line each, with further columns of `provider_model`."""
    columns = ("model", "family", *MODEL_NUMBERS, "capabilities", *further)
    rows = (
        (
            *(model["model_id"], model["family"], *(number(model[name]) for name in HEADINGS)),
            *(abilities(model), *(model[name] for name in further)),
        )
        for model in models
    )
    return table(title, columns, rows, right=MODEL_NUMBERS, spare=("family", "capabilities", *MODEL_NUMBERS))


def outcome_parts(
    title: str, summaries: Iterable[dict[str, Any]], *, samples: Collection[str]
) -> Iterator[RenderableType]:
    """The result of syncing several providers, one line each, and below it why some were not synced; for `draw`.

    Args:
        title: Its title.
        summaries: `SyncOutcome.summary()`, also as `provider_sync.last_result` keeps it.
        samples: Slugs of sample providers, which are marked.
    """
    found = list(summaries)
    rows = (
        (
            marked(summary["provider"], sample=summary["provider"] in samples),
            summary["models"] if summary["status"] == "synced" else None,
            *(summary[name] for name in ("created", "renamed", "updated", "unchanged")),
            summary["missing"] + summary["removed"],
            Text(summary["status"], style=STATUS_STYLES[summary["status"]]),
            f"{summary['seconds']:.2f}",
        )
        for summary in found
    )
    right = (*OUTCOME_COLUMNS[1:7], "seconds")
    yield table(title, OUTCOME_COLUMNS, rows, right=right, spare=("seconds", "renamed", "unchanged", "gone"))
    for summary in found:
        if reason := summary["reason"]:
            slug = summary["provider"]
            yield Text(reason if slug in reason else f"{slug}: {reason}", style=STATUS_STYLES[summary["status"]])


def outcome_line(outcome: sync.outcome.SyncOutcome) -> str:
    """One provider's result as one plain line."""
    if outcome.status != "synced":
        return f"{outcome.slug}: {outcome.status}"  # `outcome_parts` says why
    renamed = f"{outcome.renamed} renamed, " if outcome.renamed else ""
    return (
        f"{outcome.slug}: {outcome.models} models, {outcome.created} created, {renamed}{outcome.updated} updated, "
        f"{outcome.unchanged} unchanged, {outcome.missing + outcome.removed} gone"
    )
