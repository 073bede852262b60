"""How long it takes to begin: loading the code location, and asking the command line for help, beside `import dagster`.

Every run worker, every code server and every command pays this. Run it: make bench, or with a number of rounds.
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
    """The processor time of a process with this code, all in all; its modules are compiled, as when installed."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measures in turn and prints the table; the first round, which compiles the modules, does not count."""
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
