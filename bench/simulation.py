"""A fleet of 10,000 providers beside one of 1,000: what a tick of the schedule costs for each provider.

Providers with 50 models each, served by a process of its own. Each tick is four shards at once, each a process as a run
launcher starts it (`dagster job execute`), with Dagster's storage and the catalogue on one PostgreSQL server. Three
ticks are measured: the start, in which ten providers of each shard are due, so that all code is loaded; nothing has
changed; a hundredth of the providers have changed a tenth of their models. Processor time is that of the shards and of
PostgreSQL; it does not depend on what else the machine does.

Run it: `python bench/simulation.py [PROVIDERS ...]`, about ten minutes on two idle cores.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path

import dagster as dg
from harness import Cost, Databases, Fleet, postgres_seconds, served
from ours import JOB, dagster_home, registered_at
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.defs.keys import GROUP
from provider_pipeline.defs.shards import SHARD, Shard, all_shards
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.fleet import attempt_many

SHARDS = all_shards(4)
DUE_AT_START = 10
"""Providers of each shard, one of each format."""
SMALL = 3_000
"""Fleets up to this size are measured three times."""
STEPS = ("the start", "nothing has changed", "a hundredth has changed")
# Each format has one provider by now; the others get what theirs has.
COPIES = """
CREATE TEMPORARY TABLE copied AS
SELECT
    format('provider-%s', lpad(n::text, 4, '0')) AS slug,
    format('provider-%s', lpad((n % 10)::text, 4, '0')) AS origin
FROM generate_series(10, :providers - 1) AS n;
INSERT INTO provider (slug, name) SELECT slug, slug FROM copied;
INSERT INTO rule_version (
    provider_id, version, model_list_config, endpoints_config, metadata, digest, origin, author, status
)
SELECT provider.id, version, model_list_config, endpoints_config, metadata, digest, rule.origin, author, status
FROM copied
JOIN provider USING (slug)
JOIN provider AS first ON first.slug = copied.origin
JOIN rule_version AS rule ON rule.provider_id = first.id;
INSERT INTO provider_metadata (
    provider_id, slug, base_url, auth_config, request_config, model_list_config, endpoints_config, version
)
SELECT
    provider.id, copied.slug, replace(base_url, copied.origin, copied.slug), auth_config, request_config,
    model_list_config, endpoints_config, version
FROM copied
JOIN provider USING (slug)
JOIN provider_metadata AS first ON first.slug = copied.origin
"""


class Simulation:
    """One fleet, its catalogue and its Dagster instance."""

    def __init__(self, fleet: Fleet, server: EmbeddedPostgres, folder: Path) -> None:
        self._fleet = fleet
        databases = Databases(server)
        self._url = server.url(registered_at(fleet.url, fleet.providers[:10], databases))
        self._server = server
        self._home = dagster_home(databases, folder)

    def fill(self) -> None:
        """Registers and syncs every provider, and adds its partition."""
        slugs = [provider.slug for provider in self._fleet.providers]
        with open_database(self._url) as database:
            with database.engine.begin() as connection:
                for statement in COPIES.split(";\n"):
                    given = {"providers": len(slugs)} if ":providers" in statement else {}
                    connection.execute(text(statement), given)
            for done, outcome in enumerate(attempt_many(database.session, slugs, client=ListingClient())):
                if outcome.status != "synced":
                    raise SystemExit(f"not synced: {outcome.reason} {outcome.error!r}")
                if done % 100 == 0:
                    sys.stderr.write(f"\r{done:,} of {len(slugs):,} providers are filled ")
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
        with dg.DagsterInstance.from_config(str(self._home)) as instance:
            instance.add_dynamic_partitions("providers", slugs)

    def ticks(self, edition: int) -> dict[str, Cost]:
        """The cost of each tick; the last one shows the given edition."""
        slugs = [provider.slug for provider in self._fleet.providers]
        held = [[slug for slug in slugs if shard.holds(slug)] for shard in SHARDS]
        self._wait([slug for each in held for slug in each[DUE_AT_START:]])
        costs = {STEPS[0]: self.tick()}
        self._wait([])
        costs[STEPS[1]] = self.tick()
        self._fleet.show(edition)
        changed = sum(provider.changed(edition) for provider in self._fleet.providers)
        before = self._updates()
        costs[STEPS[2]] = self.tick()
        if (found := self._updates() - before) != changed:
            raise SystemExit(f"{found} changes were written; the providers changed {changed} models")
        sys.stderr.write(f"\n{costs}\n")
        return costs

    @property
    def beyond_start(self) -> int:
        """Providers that are due in a whole tick, but not at the start."""
        return len(self._fleet.providers) - DUE_AT_START * len(SHARDS)

    def tick(self) -> Cost:
        """Runs all shards at once."""
        environment = {**os.environ, "DAGSTER_HOME": str(self._home), "PROVIDER_PIPELINE_DATABASE_URL": self._url}
        command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "provider_pipeline.definitions", "-j", JOB]
        started, postgres = time.perf_counter(), postgres_seconds(self._server)
        with ExitStack() as stack:
            log = stack.enter_context((self._home / "shards.log").open("ab"))
            runs = [
                subprocess.Popen(
                    [*command, "--config", self._config(shard), "--tags", json.dumps({SHARD: str(shard)})],
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
                for shard in SHARDS
            ]
            ended = [os.wait4(run.pid, 0) for run in runs]
        told = (self._home / "shards.log").read_text()
        if any(status for _, status, _ in ended) or "skipped:" in told:
            raise SystemExit(told[-4000:])
        return Cost(
            time.perf_counter() - started,
            sum(used.ru_utime + used.ru_stime for *_, used in ended),
            postgres_seconds(self._server) - postgres,
        )

    def _config(self, shard: Shard) -> Path:
        """The run configuration that the schedule gives to a shard's run."""
        path = self._home / f"shard_{shard.number}.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({"ops": {GROUP: {"config": {"shard": shard.number, "shards": shard.of}}}}))
        return path

    def _wait(self, slugs: list[str]) -> None:
        """Makes these providers wait for an hour; all others are due."""
        with open_database(self._url) as database, database.engine.begin() as connection:
            connection.execute(
                text("UPDATE provider SET check_every = CASE WHEN slug = ANY(:slugs) THEN interval '1 hour' END"),
                {"slugs": slugs},
            )

    def _updates(self) -> int:
        with open_database(self._url) as database, database.engine.connect() as connection:
            return int(
                connection.scalar(text("SELECT count(*) FROM provider_model_change WHERE kind = 'updated'")) or 0
            )


def median(costs: list[Cost]) -> Cost:
    """The median of each time."""
    return Cost(*(statistics.median(times) for times in zip(*map(astuple, costs), strict=True)))


def main() -> None:
    """Measures each size and prints milliseconds for each provider."""
    sizes = [int(each) for each in sys.argv[1:]] or [1_000, 10_000]
    table = Table(title="milliseconds for each provider beyond the start", title_justify="left")
    columns = ("tick", "providers", "clock", "processor", "of it PostgreSQL", "processor, to the first size")
    for column in columns:
        table.add_column(column, justify="left" if column == "tick" else "right")
    first: dict[str, float] = {}
    starts: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder, "server")) as server:
        for providers in sizes:
            with served(f"sparse-{providers}") as fleet:
                simulation = Simulation(fleet, server, Path(folder, str(providers)))
                simulation.fill()
                # The start weighs more in a small fleet, and so do its variations.
                rounds = [simulation.ticks(edition) for edition in range(1, 2 if providers > SMALL else 4)]
            start, *ticks = (median([each[step] for each in rounds]) for step in STEPS)
            starts[providers] = start
            for step, cost in zip(STEPS[1:], ticks, strict=True):
                used = (cost.processor - start.processor) / simulation.beyond_start * 1e3
                table.add_row(
                    step,
                    f"{providers:,}",
                    f"{(cost.clock - start.clock) / simulation.beyond_start * 1e3:.1f}",
                    f"{used:.1f}",
                    f"{(cost.server - start.server) / simulation.beyond_start * 1e3:.1f}",
                    f"{used / first.setdefault(step, used):.2f}",
                )
    console = Console(width=120)
    console.print(table)
    for providers, start in starts.items():
        console.print(
            f"{providers:,} providers, the start: {start.clock:.1f} s by the clock, {start.processor:.1f} s of "
            f"processors ({start.server:.1f} s PostgreSQL) for all shards",
            highlight=False,
        )


if __name__ == "__main__":
    main()
