"""The usual first design: a hand-written Dagster asset, partitioned by provider, with a run per partition.

Every run launcher of Dagster starts a process; `dagster asset materialize` stands for them here, without the queue. A
few partitions are run, two processes at a time, and the time is scaled to the fleet.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import psycopg
import urllib3
from fleet import FLEETS
from floor import fetched, items_of
from harness import Databases, Fleet, OwnDatabase
from ours import dagster_home
from psycopg.types.json import Jsonb

SAMPLED = 8
AT_ONCE = 2

_TABLE = "CREATE TABLE model (provider text, model_id text, document jsonb, PRIMARY KEY (provider, model_id))"
_UPSERT = """
INSERT INTO model VALUES (%s, %s, %s)
ON CONFLICT (provider, model_id) DO UPDATE SET document = excluded.document
"""


def build_defs(fleet_name: str, url: str, conninfo: str) -> dg.Definitions:
    """One asset, one partition per provider."""
    providers = {provider.slug: provider for provider in FLEETS[fleet_name]()}

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(list(providers)))
    def models(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        provider = providers[context.partition_key]
        rows = []
        for _, _, document in fetched(urllib3.PoolManager(), provider, url):
            rows += [(provider.slug, model_id, Jsonb(item)) for model_id, item in items_of(provider, document)]
        with psycopg.connect(conninfo) as connection, connection.cursor() as writer:
            writer.executemany(_UPSERT, rows)
        return dg.MaterializeResult(metadata={"models": len(rows)})

    return dg.Definitions(assets=[models])


class RunPerPartition(OwnDatabase):
    """One Dagster run per provider."""

    name = "a run per partition"
    sees_etags = False

    def __init__(self, fleet: Fleet, databases: Databases, home: Path) -> None:
        super().__init__(fleet, databases)
        self._home = dagster_home(databases, home)
        # Listings of every length; the length hardly affects the time.
        every = len(fleet.providers) // SAMPLED
        self._sampled = fleet.providers[every // 2 :: every][:SAMPLED]

    def begin(self) -> None:
        """Starts with an empty table."""
        super().begin()
        with self.connect() as connection:
            connection.execute(_TABLE)

    def sync(self) -> None:
        """Syncs the sampled providers."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self._run, [provider.slug for provider in self._sampled]))

    def _run(self, slug: str) -> None:
        command = ["asset", "materialize", "-f", __file__, "--select", "models", "--partition", slug]
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self._home),
            "BENCH_PARTITIONED": self._databases.conninfo(self.database),
            "BENCH_FLEET": self._fleet.name,
            "BENCH_URL": self._fleet.url,
        }
        result = subprocess.run(
            [sys.executable, "-m", "dagster", *command],
            env=environment,
            cwd=Path(__file__).parent,
            capture_output=True,
            check=False,
        )
        if result.returncode:
            raise SystemExit(result.stderr.decode()[-4000:])

    def models(self) -> int:
        """The number of models in the fleet if the sampled providers' models are all there, else those there are."""
        found = self.count("model")
        return self._fleet.models if found == sum(provider.models for provider in self._sampled) else found

    def factor(self) -> float:
        """The fleet's number of providers divided by the sample's."""
        return len(self._fleet.providers) / len(self._sampled)


if "BENCH_PARTITIONED" in os.environ:
    defs = build_defs(os.environ["BENCH_FLEET"], os.environ["BENCH_URL"], os.environ["BENCH_PARTITIONED"])
