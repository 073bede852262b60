"""Runs the API as users do: as a process on a real port."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from provider_pipeline import catalog
from provider_pipeline.api.settings import ApiSettings

_SERVE = """
from provider_pipeline import catalog
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.api.serving import serve
with catalog.database.open_database(client_name="the API") as database:
    serve(database, {settings!r}, host="127.0.0.1", port=0)
"""


@dataclass(frozen=True)
class Running:
    """A running API."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        found = urlsplit(self.url)
        return str(found.hostname), int(found.port or 0)


@contextmanager
def running_api(database: catalog.database.Database, *options: str, **environment: str) -> Iterator[Running]:
    """Runs `provider-pipeline api` on a free port until the end of the block."""
    with running_command(database, "api", "--port", "0", *options, **environment) as running:
        yield running


@contextmanager
def running_command(database: catalog.database.Database, *arguments: str, **environment: str) -> Iterator[Running]:
    """Runs a command of `provider-pipeline` that serves HTTP, until the end of the block."""
    executable = str(Path(sys.executable).with_name("provider-pipeline"))
    with _running(database, [executable, *arguments], environment) as running:
        yield running


@contextmanager
def serving_with(database: catalog.database.Database, settings: ApiSettings) -> Iterator[Running]:
    """Serves the API on a free port, with settings that the command line has no options for."""
    with _running(database, [sys.executable, "-c", _SERVE.format(settings=settings)], {}) as running:
        yield running


@contextmanager
def _running(database: catalog.database.Database, command: list[str], environment: dict[str, str]) -> Iterator[Running]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")}
    # Not a pipe: a server blocks once the pipe is full.
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(
            command,
            env={**inherited, "PROVIDER_PIPELINE_DATABASE_URL": database.url, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Running(_address(process, Path(log.name)), process, Path(log.name))
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while True:
        ended = process.poll() is not None
        said = log.read_text(encoding="utf-8")
        if found := re.search(r"running on (http://\S+)", said):
            return found[1]
        assert not ended, said
        time.sleep(0.05)
