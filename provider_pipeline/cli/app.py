"""The application: its commands, and what happens to an error."""

import sys
from typing import Annotated

import typer

from provider_pipeline.cli import (
    api,
    changes,
    db,
    demo,
    dev,
    models,
    notifications,
    overrides,
    providers,
    raw,
    rules,
    sync,
    task_answers,
    tasks,
    tokens,
)
from provider_pipeline.cli.console import fail
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
app.add_typer(raw.app, name="raw")
app.add_typer(tasks.app, name="tasks")
for answer in (
    task_answers.answer,
    task_answers.claim,
    task_answers.propose,
    task_answers.approve,
    task_answers.reject,
):
    tasks.app.command()(answer)
app.add_typer(models.app, name="models")
app.add_typer(overrides.app, name="overrides")
app.add_typer(tokens.app, name="tokens")
app.add_typer(db.app, name="db")
app.command("sync")(sync.sync_providers)
app.command("changes")(changes.changes)
app.command("notifications")(notifications.notifications)
app.command("api")(api.serve)
app.command("demo")(demo.demo)
app.command("dev")(dev.dev)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; `main` reads --debug itself, because it outlives the command."""


def main() -> None:
    """Runs the command line: one line for an error that has a name, the traceback only with --debug."""
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except ProviderPipelineError as error:
        if debug:
            raise
        fail(error.message, hint=error.hint)
        sys.exit(EXIT_USAGE if isinstance(error, UnknownProviderError) else EXIT_TROUBLE)
