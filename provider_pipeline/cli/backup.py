"""`provider-pipeline backup` and `restore`: the whole catalogue as one file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from provider_pipeline import catalog
from provider_pipeline.cli.console import emit_json, note, say
from provider_pipeline.cli.parameters import JsonOption

FileArgument = Annotated[Path, typer.Argument(help="The backup.", dir_okay=False)]


def backup(file: FileArgument, as_json: JsonOption = False) -> None:
    """Write the whole catalogue into one file that only you may read; syncs may go on meanwhile.

    It holds no provider's key, because the catalogue holds none. Dagster's storage is not part of it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # else the unfinished file would stay
    with catalog.database.open_database() as database:
        written = catalog.backups.write_backup(database, file, programs=_programs())
        if as_json:
            emit_json({"file": str(file), "bytes": written.size, "schema": written.revision})
        else:
            say(f"wrote {file}: {written.size:,} bytes, schema {written.revision}, from {database.redacted_url}")


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False, readable=True)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a catalogue that is not empty.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a backup into an empty catalogue, all or nothing, and apply the migrations that it lacks.

    Refused while a provider is being synced. Roles of `db grant-read` need their rights again.
    """
    with catalog.database.open_database() as database:
        applied = catalog.backups.restore(database, file, programs=_programs(), replace=replace)
        if as_json:
            emit_json({"file": str(file), "database": database.redacted_url, "applied": applied})
            return
        say(f"restored {file} into {database.redacted_url}")
        if applied:
            say(f"applied {', '.join(applied)}")
        note("next: provider-pipeline doctor; and `db grant-read` for each role that reads the catalogue")


def _programs() -> catalog.backups.Programs:
    return catalog.backups.Programs(embedded=not os.environ.get(catalog.database_errors.URL_VARIABLE))
