"""A catalogue as a release left it: written by that release's own commands, kept as rows in `data/`.

At a release, its checkout writes the rows for the next one's tests; nothing but the command line is used:

    python -m provider_pipeline_tests.catalog.older_catalogue provider_pipeline_tests/catalog/data/catalogue_0028.sql.gz
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provider_pipeline.catalog import pgserver_wheel
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline_tests.json_provider import json_provider

_HEAD = "-- Written by older_catalogue.py; see there. Rows of a catalogue whose schema is {revision}.\n"
_COMMENT_OR_SETTING = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*|)\n", re.MULTILINE)


def listing(*names: str, price: str = "0.000002") -> dict[str, Any]:
    """What the provider lists."""
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "context_length": 128000, "pricing": {"prompt": price, "completion": price}}
            for name in names
        ],
    }


def write(path: Path) -> None:
    """Lives through a provider's first days with the installed release's commands, and writes down the rows."""
    document: dict[str, Any] = {}
    with (
        json_provider(document) as base,
        tempfile.TemporaryDirectory(dir="/tmp") as home,
        EmbeddedPostgres(Path(home)) as database,
    ):
        database.ensure_database("catalogue")
        url = database.url("catalogue")
        environment = {**os.environ, "PROVIDER_PIPELINE_DATABASE_URL": url, "PROVIDER_PIPELINE_HOME": home}

        def run(*arguments: str, fails: bool = False) -> None:
            command = [sys.executable, "-c", "from provider_pipeline.cli import main; main()", *arguments]
            finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if (finished.returncode != 0) is not fails:
                raise SystemExit(f"{arguments}: {finished.returncode}: {finished.stdout}{finished.stderr}")

        run("db", "upgrade")
        run("providers", "add", "acme", "--base-url", base, "--allow-private")
        document.update(listing("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5"))
        run("rules", "generate", "acme", "--activate")
        run("sync", "acme")
        run("overrides", "set", "acme", "gpt-4o", "context_length", "64000", "--reason", "measured")
        document.update(listing("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gpt-4.1", price="0.000003"))
        run("sync", "acme", "--accept", "prices", "--reason", "announced")
        run("tokens", "create", "ci", "--scope", "read")
        document.clear()
        document.update({"result": {"models": [{"name": "gpt-4o", "window": 128000}]}})
        run("sync", "acme", fails=True)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(_rows(url).encode(), mtime=0))


def _rows(url: str) -> str:
    programs, address = pgserver_wheel.binaries(), url.replace("+psycopg", "")
    version = _output([programs / "psql", address, "-Atc", "SELECT version_num FROM provider_pipeline_schema_version"])
    dump = [programs / "pg_dump", "--data-only", "--inserts", "--no-unlogged-table-data"]
    rows = _output([*dump, "--exclude-table=provider_pipeline_schema_version", address])
    return _HEAD.format(revision=version.strip()) + _COMMENT_OR_SETTING.sub("", rows)


def _output(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    write(Path(sys.argv[1]))
