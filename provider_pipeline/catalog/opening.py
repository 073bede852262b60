"""The one way in for commands and runs: a database whose schema is the one this code works with.

Here: `open_catalog`, and whether that takes the start of a server. Not here: connecting (`database`) and what a
migration is (`migrations`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from provider_pipeline.catalog.database import Database, home, open_database
from provider_pipeline.catalog.database_errors import URL_VARIABLE
from provider_pipeline.catalog.migrations import check_schema, upgrade


@contextmanager
def open_catalog(url: str | None = None, *, door: str = "Python") -> Iterator[Database]:
    """Connect to the catalogue for as long as the context lasts.

    The embedded server's schema is brought up to date; a database named by URL belongs to its operators, and is only
    checked.

    Args:
        url: As in `open_database`.
        door: As in `open_database`.

    Raises:
        ConfigurationError: The URL is none, or not one of PostgreSQL.
        DatabaseUnavailableError: Nothing answers there.
        MigrationMissingError: The schema is not the one this code works with.
    """
    with open_database(url, door=door) as database:
        if url or os.environ.get(URL_VARIABLE):
            check_schema(database.engine)
        else:
            upgrade(database.engine)
        yield database


def is_running() -> bool:
    """Whether the catalogue can be opened without starting the embedded server, which takes seconds."""
    return bool(os.environ.get(URL_VARIABLE)) or (home() / "postgres" / "postmaster.pid").is_file()
