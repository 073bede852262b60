"""Writes the report into a folder, and tells whether the one there is current."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from provider_pipeline import catalog
from provider_pipeline.atomic_files import written_aside
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.report.contents import MAX_MODELS, Contents, read, state
from provider_pipeline.report.page import STATE_META, render

FILE_NAME: Final = "catalog_report.html"
PATIENCE: Final = timedelta(minutes=10)
"""How long a page that is not current is still handed out, so that a busy catalogue is not rendered all the time."""

_STATE: Final = re.compile(rf'<meta name="{STATE_META}" content="([0-9a-f]+)">')
_HEAD_BYTES: Final = 4_000


def default_folder() -> Path:
    """The folder of the home that the report is written into."""
    return catalog.database.home() / "report"


def write(
    database: catalog.database.Database, folder: Path, *, now: datetime, max_models: int = MAX_MODELS
) -> tuple[Path, Contents]:
    """Write the report; the one before stays until the new one is complete.

    Raises:
        ConfigurationError: The folder cannot be written, or the extra `report` is not installed.
    """
    contents = read(database, now=now, max_models=max_models)
    page = render(contents)
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as out:
            out.write(page.encode())
    except OSError as error:
        raise ConfigurationError(
            f"the report cannot be written into {folder}: {error.strerror}", hint="choose another folder, or make room"
        ) from error
    return path, contents


def stored_state(path: Path) -> str | None:
    """The `state` that a written report shows; None if there is no report."""
    try:
        with path.open("rb") as file:
            found = _STATE.search(file.read(_HEAD_BYTES).decode("utf-8", "replace"))
    except FileNotFoundError:
        return None
    return None if found is None else found[1]


def current(database: catalog.database.Database, folder: Path) -> Path:
    """The report in a folder; written first if it is missing or has been outdated for a while.

    Raises:
        ConfigurationError: As for `write`.
    """
    path = folder / FILE_NAME
    now = datetime.now(UTC)
    stored = stored_state(path)
    if stored is not None:
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) > now - PATIENCE:
            return path
        with database.session() as session:
            if state(session) == stored:
                return path
    return write(database, folder, now=now)[0]
