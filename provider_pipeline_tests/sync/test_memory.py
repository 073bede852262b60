"""What a long listing costs in memory, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "bench_listing_memory.py"


def test_a_listing_is_fetched_judged_and_written_page_by_page_and_never_held_whole(database_url: str):
    """As parsed rows these models take about 70 MiB; their ids, and a spool before it goes to disk, half of that."""
    command = [sys.executable, str(BENCH), "measure", database_url, "40000", "40"]
    peaks = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=250).stdout)
    assert peaks["all new"] - peaks["before"] < 48
    assert peaks["nothing new"] - peaks["before"] < 48
