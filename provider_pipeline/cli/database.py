"""`provider-pipeline db`: the schema, and the ways into the database for other programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Annotated

import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import emit_json, note, say
from provider_pipeline.cli.parameters import JsonOption
from provider_pipeline.errors import ConfigurationError

app = typer.Typer(help="The database: its schema, its URL, a shell, and roles that may read.", no_args_is_help=True)


@app.command("upgrade")
def upgrade_schema(as_json: JsonOption = False) -> None:
    """Apply the migrations that the database lacks."""
    with catalog.database.open_database() as database:
        applied = catalog.migrations.upgrade(database.engine)
        if as_json:
            emit_json({"applied": applied, "database": database.redacted_url})
        elif applied:
            say(f"applied {', '.join(applied)} to {database.redacted_url}")
        else:
            say(f"the schema is up to date: {database.redacted_url}")


@app.command("url")
def show_url() -> None:
    """Print the URL for other programs, with its password; the embedded server runs on for some minutes."""
    with catalog.database.open_catalog() as database:
        if not os.environ.get(catalog.database_errors.URL_VARIABLE):
            note("the embedded server runs while a command uses it, such as `dev`, and some minutes longer")
        say(database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))


@app.command("shell", context_settings={"ignore_unknown_options": True})
def shell(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="For psql: -c 'SELECT ...', -f FILE, --csv.", metavar="-- ARGUMENT")
    ] = None,
) -> None:
    """Open psql on the catalogue; the exit code is psql's."""
    psql = shutil.which("psql")
    if psql is None:
        raise ConfigurationError(
            "psql is not on the PATH", hint="install PostgreSQL's client, or open `provider-pipeline db url` elsewhere"
        )
    with catalog.database.open_catalog() as database:
        address, environment = catalog.database.client_address(database)
        finished = subprocess.run(  # noqa: S603 - the user's own psql
            [psql, "--dbname", address, *(arguments or ())], env=environment, check=False
        )
    raise typer.Exit(finished.returncode)


@app.command("grant-read")
def grant_read(role: Annotated[str, typer.Argument(help="The role; created if it does not exist.")]) -> None:
    """Let a role read all tables and views but those about the API's users; repeat it after an upgrade."""
    with catalog.database.open_catalog() as database, database.session() as session:
        is_new = catalog.readers.grant_read(session, role)
        session.commit()
    if is_new:
        note(f"{role} cannot log in yet: provider-pipeline db shell, then \\password {role} and ALTER ROLE ... LOGIN")
    say(f"{role} may read the catalogue")
