"""What Dagster adds to a fleet sync: the same providers, synced plainly and by `sync_all_providers_job`.

Real HTTP on loopback, a real PostgreSQL for the catalogue and for Dagster's storage. Prints ratios; absolute figures
only tell about the machine. Run it: make bench
"""

import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from provider_pipeline import catalog
from provider_pipeline.catalog import Database, EmbeddedPostgres, open_database, upgrade
from provider_pipeline.cli.demo import register as register_sample
from provider_pipeline.definitions import build_defs
from provider_pipeline.listing import ListingClient
from provider_pipeline.resources import CatalogResource
from provider_pipeline.samples import SampleServer
from provider_pipeline.sync import active_places, attempt_many, generate_rule_from

PROVIDERS = 100
MODELS = 60
SETTINGS = """
storage: {{postgres: {{postgres_url: "{url}"}}}}
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: "{folder}"}}
telemetry: {{enabled: false}}
"""


def write_listings(folder: Path, *, extra: int = 0, changed: int = PROVIDERS) -> None:
    """Writes a listing per provider, with further models for the first ones."""
    for number in range(changed):
        models = [
            {"id": f"acme-{number}/model-{n}", "context_length": 32_768, "pricing": {"prompt": "0.000001"}}
            for n in range(MODELS + extra)
        ]
        (folder / f"provider-{number:03}.json").write_text(json.dumps({"object": "list", "data": models}))


def register(database: Database, server: SampleServer) -> None:
    """Adds every provider with its rule, or points it to where it is served now."""
    with database.session() as session:
        for provider in server.providers:
            register_sample(session, provider, server)
            if not active_places(session, provider.slug):
                generate_rule_from(session, provider.slug, provider.endpoints)
        session.commit()


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain(database: Database) -> None:
    """A fleet sync without Dagster."""
    with database.session() as session:
        slugs = [provider.slug for provider in catalog.list_providers(session)]
    if any(each.status != "synced" for each in attempt_many(database.session, slugs, client=ListingClient())):
        raise SystemExit("the bench's own listings are not synced")


def main() -> None:
    """Measures three rounds of both kinds and prints the table."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (listings := folder / "listings").mkdir()
        (dagster_home := folder / "dagster").mkdir()
        write_listings(listings)
        with EmbeddedPostgres(folder) as postgres:
            for database_name in ("plain", "fleet", "dagster"):
                postgres.ensure_database(database_name)
            url = postgres.url("dagster", driver="psycopg2")
            (dagster_home / "dagster.yaml").write_text(SETTINGS.format(url=url, folder=dagster_home))
            with (
                open_database(postgres.url("plain")) as alone,
                open_database(postgres.url("fleet")) as fleet,
                dg.DagsterInstance.from_config(str(dagster_home)) as instance,
            ):
                measure(listings, alone, fleet, instance)


def measure(listings: Path, alone: Database, fleet: Database, instance: dg.DagsterInstance) -> None:
    """Runs both kinds beside each other: everything new, nothing changed, a tenth changed."""
    defs = build_defs(resources={"provider_database": CatalogResource(database_url=fleet.url)})
    job = defs.resolve_job_def("sync_all_providers_job")
    table = Table(title=f"{PROVIDERS} providers, {MODELS} models each", title_justify="left")
    for column in ("round", "plain", "through Dagster", "ratio"):
        table.add_column(column, justify="left" if column == "round" else "right")
    for database in (alone, fleet):
        upgrade(database.engine)
    for title, extra, changed in (("all new", 0, PROVIDERS), ("nothing changed", 0, 0), ("a tenth changed", 1, 10)):
        write_listings(listings, extra=extra, changed=changed)
        with SampleServer.from_directory(listings) as server:
            for database in (alone, fleet):
                register(database, server)
            by_hand = seconds(lambda: plain(alone))
            by_dagster = seconds(lambda: job.execute_in_process(instance=instance))
        table.add_row(title, f"{by_hand:.1f} s", f"{by_dagster:.1f} s", f"{by_dagster / by_hand:.1f}x")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
