"""The command line, run as a process on a test's own catalogue."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Finished:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Runs `provider-pipeline` with a catalogue."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, **environment: str) -> Finished:
        """Runs one command to its end."""
        process = subprocess.run(
            [Path(sys.executable).with_name("provider-pipeline"), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr)


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on a migrated catalogue of this test's own."""
    return CommandLine(
        {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")},
            "PROVIDER_PIPELINE_DATABASE_URL": database_url,
            "PROVIDER_PIPELINE_HOME": str(tmp_path),
        }
    )
