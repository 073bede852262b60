"""docs/commands.md and docs/tables.md, from the command line and from the comments of the database.

`python -m provider_pipeline_tests.reference_pages` writes both anew.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
_GENERATED = "\nThis page is generated: `python -m provider_pipeline_tests.reference_pages`.\n"
_TABLES = """# Tables and views

The tables and views to read, with the comments that they also have in the database. [SQL, BI and Python](sql.md) shows
how to connect.
"""


def commands() -> str:
    """Every command with its arguments and options, as typer documents it."""
    typer = (sys.executable, "-m", "typer", "provider_pipeline.cli.app", "utils", "docs")
    told = subprocess.run(
        [*typer, "--name", "provider-pipeline", "--title", "Commands"], capture_output=True, text=True, check=True
    ).stdout
    # Each list of subcommands repeats the headings after it, cut off.
    return re.sub(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n", "", told).rstrip() + "\n" + _GENERATED


def tables() -> str:
    """Each table and view that is there for readers, with its columns: those that the example for dbt lists."""
    (source,) = yaml.safe_load((ROOT / "examples" / "dbt" / "sources.yml").read_text(encoding="utf-8"))["sources"]
    parts = [_TABLES]
    for table in source["tables"]:
        rows = "".join(f"| `{each['name']}` | {_cell(each['description'])} |\n" for each in table["columns"])
        parts.append(f"## {table['name']}\n\n{table['description']}\n\n| column | meaning |\n|---|---|\n{rows}")
    return "\n".join(parts) + _GENERATED


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"commands.md": commands, "tables.md": tables}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
