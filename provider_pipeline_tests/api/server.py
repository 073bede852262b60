"""The API as people run it: a process of its own on a real port."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provider_pipeline import catalog


@dataclass(frozen=True)
class Running:
    """A running API.

    Attributes:
        url: Where it listens.
        process: Its process; what it logs is its standard output.
    """

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running_api(database: catalog.Database, *options: str, **environment: str) -> Iterator[Running]:
    """Runs `provider-pipeline api` on a free port until the end of the block."""
    command = [Path(sys.executable).with_name("provider-pipeline"), "api", "--port", "0", *options]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")}
    with subprocess.Popen(
        command,
        env={**inherited, "PROVIDER_PIPELINE_DATABASE_URL": database.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Running(_address(process), process)
        finally:
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))
