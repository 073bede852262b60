"""How the command line speaks: results on standard output, everything else on standard error.

Every command prints through these functions. A text may come from a provider, so each is escaped here: it cannot steer
the terminal or begin a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from provider_pipeline import catalog, sync
from provider_pipeline.errors import ListingUnreadableError
from provider_pipeline.rules.issues import escaped, has_controls
from provider_pipeline.rules.model_columns import HEADINGS

JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
ByOption = Annotated[int | None, typer.Option("--by", help="Who decides, as a number of your own; it is recorded.")]

_PIPE_WIDTH = 160

STATUS_STYLES = {"synced": "green", "blocked": "yellow", "failed": "red", "skipped": "cyan"}


def stdout() -> Console:
    """The console of results; wide where nobody watches, so that a pipe gets whole lines."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def stderr() -> Console:
    """The console of progress and errors; as wide as that of results."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    wide = None if console.is_terminal else _PIPE_WIDTH
    return Console(stderr=True, highlight=False, soft_wrap=True, width=wide)


def say(line: str) -> None:
    """Prints one line of a result."""
    typer.echo(escaped(line))


def say_lines(text: str) -> None:
    """Prints a result that we wrote over several lines."""
    for line in text.removesuffix("\n").split("\n"):
        say(line)


def draw(*parts: RenderableType, console: Console | None = None) -> None:
    """Prints what is drawn: tables of `table`, and texts.

    Args:
        parts: What to print, one below the other.
        console: Where to, if not on standard output.
    """
    console = console or stdout()
    for part in parts:
        console.print(_one_line(part) if isinstance(part, (str, Text)) else part)


def drawn_report(markdown: str) -> Markdown:
    """A report in Markdown, to be shown."""
    return Markdown("\n".join(map(escaped, markdown.split("\n"))))


def fail(message: str, *, hint: str | None = None) -> None:
    """Prints one error: what failed, and the next step."""
    stderr().print(Text.assemble(("error: ", "bold red"), escaped(f"{message} ({hint})" if hint else message)))


def note(message: str) -> None:
    """Prints a line of progress."""
    stderr().print(Text(escaped(message), style="dim"))


def emit_json(value: Any) -> None:
    """Prints a value as JSON, with what could steer a terminal in JSON's own escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    typer.echo("\n".join(line if line.isprintable() else _json_escaped(line) for line in text.split("\n")))


def _json_escaped(line: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if has_controls(char) else char for char in line)


def marked(slug: str, *, sample: bool) -> str:
    """A provider as people see it: of a sample provider it says so."""
    return f"{slug} (sample)" if sample else slug


def number(value: float | None) -> str | None:
    """A number with its thousands apart."""
    return None if value is None else f"{value:,}"


def change_texts(changed: Mapping[str, Sequence[Any]]) -> list[str]:
    """The changed columns of a model, a text each; of a column of many keys, those that differ."""
    parts = []
    for name, (old, new) in changed.items():
        if isinstance(old, dict) and isinstance(new, dict):
            keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            parts += [f"{name}.{key}: {_value_text(old.get(key))} -> {_value_text(new.get(key))}" for key in keys]
        else:
            parts.append(f"{name}: {_value_text(old)} -> {_value_text(new)}")
    return parts


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A table of plain values; None is drawn as a dash.

    Args:
        title: Its title.
        columns: Column heads.
        rows: Values in the columns' order; a `Text` keeps its style, and a list is drawn line by line.
        right: Columns to align to the right.
    """
    drawn = Table(title=_one_line(Text(title, style="bold")), title_justify="left")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def _cell(value: Any) -> Text:
    if isinstance(value, (list, tuple)):
        return Text("\n").join(map(_cell, value))
    return _one_line("-" if value is None else value)


def _one_line(value: Any) -> Text:
    """A value as a text of one line; a `Text` keeps its style."""
    return Text(escaped(value.plain), style=value.style) if isinstance(value, Text) else Text(escaped(str(value)))


def print_verdict(what: str, *, valid: bool, models: int, issues: Iterable[Mapping[str, Any]]) -> None:
    """Prints whether a rule fits a response, and everything that was found.

    Args:
        what: What was tried, such as the provider.
        valid: Whether it fits.
        models: How many models it extracts.
        issues: The verdict's issues.
    """
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


def models_table(title: str, models: Iterable[dict[str, Any]], *further: str) -> Table:
    """Models as the catalogue has them, one line each.

    Args:
        title: Its title.
        models: Rows with the columns of `provider_model`.
        further: Columns to show beside the usual ones.
    """
    return table(
        title,
        ("model", "family", *HEADINGS.values(), "capabilities", *further),
        (
            (
                model["model_id"],
                model["family"],
                *(number(model[name]) for name in HEADINGS),
                " ".join(sorted(name for name, has in model["capabilities"].items() if has)),
                *(model[column] for column in further),
            )
            for model in models
        ),
        right=(*HEADINGS.values(),),
    )


OUTCOME_COLUMNS = ("provider", "models", "created", "updated", "unchanged", "gone", "status", "seconds", "why")


def outcome_table(title: str, summaries: Iterable[dict[str, Any]], *, samples: Collection[str]) -> Table:
    """The result of a sync of several providers, one line each.

    Args:
        title: Its title.
        summaries: `SyncOutcome.summary()`, also as `provider_sync.last_result` keeps it.
        samples: The sample providers.
    """
    return table(
        title,
        OUTCOME_COLUMNS,
        (
            (
                marked(summary["provider"], sample=summary["provider"] in samples),
                summary["models"] if summary["status"] == "synced" else None,
                summary["created"],
                summary["updated"],
                summary["unchanged"],
                summary["missing"] + summary["removed"],
                Text(summary["status"], style=STATUS_STYLES[summary["status"]]),
                f"{summary['seconds']:.2f}",
                reason_without_slug(summary) or "",
            )
            for summary in summaries
        ),
        right=(*OUTCOME_COLUMNS[1:6], "seconds"),
    )


def reason_without_slug(summary: dict[str, Any]) -> str | None:
    """The reason, without the provider's name where it stands in the line already."""
    reason: str | None = summary["reason"]
    return reason.removeprefix(f"{summary['provider']}: ") if reason else None


def outcome_line(outcome: sync.outcome.SyncOutcome) -> str:
    """One provider's result as one plain line."""
    if outcome.status != "synced":
        return f"{outcome.status}: {outcome.reason}"
    return (
        f"{outcome.slug}: {outcome.models} models, {outcome.created} created, {outcome.updated} updated, "
        f"{outcome.unchanged} unchanged, {outcome.missing + outcome.removed} gone"
    )


def read_json(path: Path) -> Any:
    """A file's JSON.

    Raises:
        ListingUnreadableError: It is not JSON in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ListingUnreadableError(
            f"{path}: expected a JSON document, got {type(error).__name__}: {error}",
            hint="it must be JSON in UTF-8",
        ) from error
