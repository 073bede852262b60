"""Memory use of a long listing, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "bench_listing_memory.py"


def test_a_listing_is_never_held_in_memory_as_a_whole(database_url: str):
    """Parsed, these rows take about 70 MiB; their ids, and a spool before it moves to disk, half of that."""
    command = [sys.executable, str(BENCH), "measure", database_url, "40000", "40"]
    peaks = json.loads(output_of(command, seconds=250))
    assert peaks["all new"] - peaks["before"] < 48
    assert peaks["nothing new"] - peaks["before"] < 48


def output_of(command: list[str], *, seconds: float) -> str:
    """The output of a command; after a time-out, its stack traces."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            raise
