"""The application: its commands, and how an error is printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from provider_pipeline.cli import (
    api,
    backup,
    changes,
    database,
    demo,
    dev,
    doctor,
    export,
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
from provider_pipeline.cli.console import fail, say
from provider_pipeline.errors import ProviderPipelineError, UnknownProviderError

EXIT_TROUBLE = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="provider-pipeline",
    help="Keeps a trustworthy table of every AI provider's models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(providers.app, name="providers")
app.add_typer(rules.app, name="rules")
app.add_typer(patterns.app, name="patterns")
app.add_typer(raw.app, name="raw")
app.add_typer(tasks.app, name="tasks")
app.add_typer(models.app, name="models")
app.add_typer(overrides.app, name="overrides")
app.add_typer(api.tokens_app, name="tokens")
app.add_typer(database.app, name="db")
app.command("sync")(sync.sync_providers)
app.command("offers")(offers.list_offers)
app.command("changes")(changes.changes)
app.command("notifications")(changes.notifications)
app.command("export")(export.export_models)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("api")(api.serve)
app.command("demo")(demo.demo)
app.command("dev")(dev.dev)
app.command("doctor")(doctor.doctor)


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
        sys.exit(EXIT_USAGE if isinstance(error, UnknownProviderError) else EXIT_TROUBLE)
