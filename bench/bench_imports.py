"""Start-up time of the code location and of the command line, relative to `import dagster`.

Every run worker, code server and command pays it. Commands run on an embedded server that runs already, with the sample
providers; the sync's listing is unchanged. Run it: make bench, or with a number of rounds.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile

from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.cli.demo import prepare_samples, sample_keys, sample_server

ROUNDS = 9
BASE = "import dagster"
STARTED = {
    "python": "pass",
    BASE: "import dagster",
    "provider_pipeline": "import provider_pipeline",
    "provider_pipeline.definitions": "import provider_pipeline.definitions",
    "the public classes": "from provider_pipeline import ModelSyncer, RuleGenerator, RuleValidator",
}
COMMANDS = (["--help"], ["providers", "list"], ["models", "list"], ["sync", "mistral"])
STARTED |= {
    f"provider-pipeline {' '.join(arguments)}": f"import sys; from provider_pipeline.cli import main; "
    f"sys.argv[1:] = {arguments}; main()"
    for arguments in COMMANDS
}


def seconds(code: str, bytecode: str) -> float:
    """Processor time of a whole process with this code; its modules are compiled, as in an installation."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.DEVNULL
    subprocess.run([sys.executable, "-c", code], check=True, stdout=output, stderr=output, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(rounds: int, bytecode: str) -> list[dict[str, float]]:
    """Processor time by process, round by round, without the first one, which compiles the modules and syncs."""
    return [{name: seconds(code, bytecode) for name, code in STARTED.items()} for _ in range(rounds + 1)][1:]


def main() -> None:
    """Measures and prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as bytecode,
        sample_server(None) as server,
    ):
        os.environ.pop("PROVIDER_PIPELINE_DATABASE_URL", None)
        os.environ |= {"PROVIDER_PIPELINE_HOME": home, **sample_keys(server)}
        os.environ["PROVIDER_PIPELINE_EMBEDDED_IDLE_SECONDS"] = "0"  # it runs while we use it, and ends with us
        with catalog.database.open_catalog() as database:
            prepare_samples(database, server, os.environ, whole=False)
            measured = measure(rounds, bytecode)
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
