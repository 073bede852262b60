"""Start-up time of the code location and of the command line, relative to `import dagster`.

Every run worker, code server and command pays it. Run it: make bench, or with a number of rounds.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile

from rich.console import Console
from rich.table import Table

ROUNDS = 9
BASE = "import dagster"
STARTED = {
    "python": "pass",
    BASE: "import dagster",
    "provider_pipeline": "import provider_pipeline",
    "provider_pipeline.definitions": "import provider_pipeline.definitions",
    "the public classes": "from provider_pipeline import ModelSyncer, RuleGenerator, RuleValidator",
    "provider-pipeline --help": "from provider_pipeline.cli import main; main()",
}


def seconds(code: str, bytecode: str) -> float:
    """Processor time of a whole process with this code; its modules are compiled, as in an installation."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measures round by round and prints the table; the first round, which compiles the modules, is not counted."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as bytecode:
        measured = [{name: seconds(code, bytecode) for name, code in STARTED.items()} for _ in range(rounds + 1)][1:]
    table = Table(title=f"Start of a process in processor time, median of {rounds}", title_justify="left")
    for column in ("process", f"of {BASE}", "spread", "seconds"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name in STARTED:
        ratios = [each[name] / each[BASE] for each in measured]
        median = statistics.median(ratios)
        spread = (max(ratios) - min(ratios)) / 2 / median
        taken = statistics.median(each[name] for each in measured)
        table.add_row(name, f"{median:.2f}", f"±{spread:.0%}", f"{taken:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
