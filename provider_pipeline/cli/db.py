"""`provider-pipeline db`: the schema."""

from __future__ import annotations

import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import JsonOption, emit_json, say

app = typer.Typer(help="The database schema.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `upgrade` a subcommand while it is the only one."""


@app.command("upgrade")
def upgrade_schema(as_json: JsonOption = False) -> None:
    """Apply the migrations that the database does not have yet."""
    with catalog.database.open_database() as database:
        applied = catalog.migrations.upgrade(database.engine)
        if as_json:
            emit_json({"applied": applied, "database": database.redacted_url})
        elif applied:
            say(f"applied {', '.join(applied)} to {database.redacted_url}")
        else:
            say(f"the schema is up to date: {database.redacted_url}")
