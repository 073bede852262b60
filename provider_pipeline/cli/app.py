"""The application: its commands, and how an error is printed."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from provider_pipeline.cli import (
    api,
    backup,
    changes,
    database,
    demo,
    dev,
    doctor,
    export,
    mcp,
    models,
    offers,
    overrides,
    patterns,
    providers,
    raw,
    rules,
    sync,
    tasks,
)
from provider_pipeline.cli.console import EXIT_CODES, EXIT_TROUBLE, EXIT_USAGE, fail, say
from provider_pipeline.errors import NoSuchEntryError, ProviderPipelineError, UnknownProviderError, UnknownValueError

_UNKNOWN_NAME: Final = (NoSuchEntryError, UnknownProviderError, UnknownValueError)
_START, _FIND, _CORRECT, _RUN = "Start here", "Find models", "Correct and decide", "Run and look after"
_ORDER: Final = (
    *("demo", "providers", "sync", "dev"),
    *("models", "offers", "changes", "export"),
    *("overrides", "tasks", "rules", "patterns", "raw"),
    *("doctor", "api", "mcp", "tokens", "notifications", "db", "backup", "restore"),
)
"""What one does first comes first; Typer alone lists single commands before groups of them."""


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of `_ORDER`."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


app = typer.Typer(
    name="provider-pipeline",
    cls=_InOrder,
    help="Keeps a trustworthy table of every AI provider's models.",
    epilog=f"Exit codes. {' '.join(f'{code}: {meaning}' for code, meaning in EXIT_CODES.items())}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(providers.app, name="providers", rich_help_panel=_START)
app.add_typer(rules.app, name="rules", rich_help_panel=_CORRECT)
app.add_typer(patterns.app, name="patterns", rich_help_panel=_CORRECT)
app.add_typer(raw.app, name="raw", rich_help_panel=_CORRECT)
app.add_typer(tasks.app, name="tasks", rich_help_panel=_CORRECT)
app.add_typer(models.app, name="models", rich_help_panel=_FIND)
app.add_typer(overrides.app, name="overrides", rich_help_panel=_CORRECT)
app.add_typer(api.tokens_app, name="tokens", rich_help_panel=_RUN)
app.add_typer(database.app, name="db", rich_help_panel=_RUN)
app.command("sync", rich_help_panel=_START)(sync.sync_providers)
app.command("offers", rich_help_panel=_FIND)(offers.list_offers)
app.command("changes", rich_help_panel=_FIND)(changes.changes)
app.command("notifications", rich_help_panel=_RUN)(changes.notifications)
app.command("export", rich_help_panel=_FIND)(export.export_models)
app.command("api", rich_help_panel=_RUN)(api.serve)
app.command("backup", rich_help_panel=_RUN)(backup.backup)
app.command("restore", rich_help_panel=_RUN)(backup.restore)
app.command("doctor", rich_help_panel=_RUN)(doctor.doctor)
app.command("mcp", rich_help_panel=_RUN)(mcp.serve)
app.command("demo", rich_help_panel=_START)(demo.demo)
app.command("dev", rich_help_panel=_START)(dev.dev)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only this option needs it

        say(f"provider-pipeline {version('provider-pipeline')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command; `main` reads --debug itself, because errors surface after the command has ended."""


def main() -> None:
    """Run the command line: an error of ours is one line; its traceback comes only with --debug."""
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except ProviderPipelineError as error:
        if debug:
            raise
        fail(error.message, hint=error.hint)
        sys.exit(EXIT_USAGE if isinstance(error, _UNKNOWN_NAME) else EXIT_TROUBLE)
