"""The command line, on a test's own catalogue."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from provider_pipeline.cli import main
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline_tests.fleet import Fleet


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
    """Runs `provider-pipeline` on a catalogue; in this process, which is faster than starting one per command."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, **environment: str) -> Finished:
        """Runs one command to its end, from the arguments and the environment to the exit code."""
        out, err, code = _captured(), _captured(), 0
        with (
            patch.dict(os.environ, {**self.environment, **environment}, clear=True),
            patch.object(sys, "argv", ["provider-pipeline", *arguments]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Finished(code, _text(out), _text(err))

    def process(self, *arguments: str, **environment: str) -> Finished:
        """Runs one command as a process of its own."""
        process = subprocess.run(
            [Path(sys.executable).with_name("provider-pipeline"), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr)


def _captured() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(captured: io.TextIOWrapper) -> str:
    captured.flush()
    captured.seek(0)
    return captured.read()


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on a migrated catalogue of this test's own."""
    return CommandLine(
        {
            **{name: value for name, value in os.environ.items() if not name.startswith("PROVIDER_PIPELINE")},
            "PROVIDER_PIPELINE_DATABASE_URL": database_url,
            "PROVIDER_PIPELINE_HOME": str(tmp_path),
            "PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS": "0",
        }
    )


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    """A provider that was synced."""
    fleet.add("acme")
    sync_acme(fleet)
    return fleet


def sync_acme(fleet: Fleet) -> None:
    """Syncs it once more."""
    with fleet.database.session() as session:
        assert attempt_sync(session, "acme", client=ListingClient()).status == "synced"


def at_a_terminal(run: CommandLine, *arguments: str, types: str, columns: int = 200) -> str:
    """What a command shows at a terminal where this is typed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("provider-pipeline"), *arguments],
        env={**run.environment, "TERM": "dumb", "COLUMNS": str(columns)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    os.write(ours, types.encode())
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # the terminal ends with its last process
        pass
    os.close(ours)
    assert (process.wait(timeout=60), shown.decode()) == (0, shown.decode())
    return shown.decode()


def rule_file(folder: Path, document) -> str:
    """Writes a rule document into a file, for --rule."""
    file = folder / "rule.json"
    file.write_text(json.dumps(document))
    return str(file)
