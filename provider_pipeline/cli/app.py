"""The application: its commands, and how an error is printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup, TyperOption

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


class _Root(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.commands.values():
            _tidy(command)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of `_ORDER`."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options; those for completion are added after it was made."""
        found: list[Any] = super().get_params(ctx)
        _tidy_options(found)
        return found


def _tidy(command: Any) -> None:
    """Lets help fill the window: paragraphs without the line breaks of the source, options as one types them."""
    command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    _tidy_options([*command.params, command.get_help_option(typer.Context(command))])
    for each in getattr(command, "commands", {}).values():
        _tidy(each)


def _tidy_options(options: Iterable[Any]) -> None:
    """Names no type of a flag, which takes no value, and no `range`, whose bounds are shown beside it."""
    for option in options:
        if isinstance(option, TyperOption) and option.metavar is None:
            kind = option.type_descriptor
            option.metavar = "" if kind.annotation is bool else f"<{kind.ranged_type_name}>" if kind.is_ranged else None


app = typer.Typer(
    name="provider-pipeline",
    cls=_Root,
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
