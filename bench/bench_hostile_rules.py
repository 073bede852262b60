"""Processor time, memory and verdict of the worst rules within the limits, on a listing of 20,000 models.

Each runs in a process of its own, with the memory limit of the process that judges proposals.
Run it: python bench/bench_hostile_rules.py
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline.sync.repair.judge_process import MEMORY
from provider_pipeline_tests.rules.attacks import ATTACKS, models

MODELS = 20_000


def one(name: str) -> dict[str, Any]:
    """Parses and applies one rule, in this process."""
    listing = models(MODELS)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    started = time.process_time()
    found = RuleValidator().validate_rule(ATTACKS[name], listing)
    first = next((each["message"] for each in found["issues"] if each["severity"] == "error"), "judged")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"seconds": time.process_time() - started, "memory": memory, "verdict": first}


def main() -> None:
    """Measures each and prints the table."""
    table = Table(title=f"Rules against a listing of {MODELS:,} models", title_justify="left")
    for column in ("rule", "KB", "CPU s", "MiB", "verdict"):
        table.add_column(column, justify="left" if column in ("rule", "verdict") else "right")
    for name, rule in ATTACKS.items():
        ended = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False)
        found = json.loads(ended.stdout) if ended.returncode == 0 else None
        seconds, memory = (f"{found['seconds']:.1f}", str(found["memory"])) if found else ("", "")
        verdict = found["verdict"][:100] if found else f"died: exit code {ended.returncode}"
        table.add_row(name, str(len(json.dumps(rule)) // 1000), seconds, memory, verdict)
    Console(width=170).print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(one(sys.argv[1])))
    else:
        main()
