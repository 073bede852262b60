"""This project as a system of the bench: in one process, in a Dagster run, and as a run's process.

It uses the same calls and the same job as a deployment. The rules are written once, from each format's first page, and
are in the database that every round starts from.
"""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import dagster as dg
from fleet import Provider
from harness import Databases, Fleet, OwnDatabase
from sqlalchemy import make_url

from provider_pipeline import catalog
from provider_pipeline.catalog.database import open_database
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.definitions import build_defs
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.sync.fleet import attempt_many
from provider_pipeline.sync.plan import store_rule

SETTINGS = """
storage:
  custom: {{module: provider_pipeline.defs.storage, class: OneStatementStorage, config: {{postgres_url: "{url}"}}}}
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: "{folder}"}}
telemetry: {{enabled: false}}
"""
JOB = "sync_all_providers_job"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def registered(fleet: Fleet, databases: Databases) -> str:
    """Creates a database with every provider and its rule, without models."""
    return registered_at(fleet.url, fleet.providers, databases)


def registered_at(url: str, providers: list[Provider], databases: Databases) -> str:
    """The same, for providers at another URL."""
    name = databases.new()
    with open_database(databases.server.url(name)) as database:
        upgrade(database.engine)
        with database.session() as session:
            rules: dict[int, ExtractionRule] = {}
            for provider in providers:  # longest first, so that each format's rule is written from a full page
                catalog.providers.add(
                    session,
                    slug=provider.slug,
                    name=provider.slug,
                    base_url=f"{url}/{provider.slug}",
                    auth_config={"type": "none"},
                    # They all share one host here; in the wild each has its own.
                    request_config={"allow_private": True, "concurrency": 64},
                )
                if id(provider.shape) not in rules:
                    rules[id(provider.shape)] = _written_rule(provider)
                provider_id = catalog.providers.get(session, provider.slug).id
                store_rule(session, provider_id, rules[id(provider.shape)], origin="generated", activate=True)
            session.commit()
    return name


def _written_rule(provider: Provider) -> ExtractionRule:
    first_page = provider.pages(0)[0][1]
    analysis = RuleGenerator().analyze_endpoints([EndpointSample(first_page, provider.path)])
    return ExtractionRule.parse(analysis)


def dagster_home(databases: Databases, folder: Path) -> Path:
    """A Dagster home with storage in a new database, configured as dagster.yaml recommends."""
    folder.mkdir()
    url = make_url(databases.server.url(databases.new(), driver="psycopg2"))
    storage = url.update_query_dict({"options": "-c synchronous_commit=off"}).render_as_string(hide_password=False)
    (folder / "dagster.yaml").write_text(SETTINGS.format(url=storage, folder=folder))
    # Dagster creates its tables on first use, which fails if two processes do it at once.
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        instance.get_runs_count()
    return folder


class Ours(OwnDatabase):
    """All providers in one process. Its database starts with providers and rules, without models."""

    name = "provider_pipeline"
    sees_etags = True

    def sync(self) -> None:
        """Syncs every provider, eight at a time."""
        slugs = [provider.slug for provider in self._fleet.providers]
        with open_database(self.url) as database:
            for outcome in attempt_many(database.session, slugs, client=ListingClient()):
                if outcome.status != "synced":
                    raise SystemExit(f"not synced: {outcome.reason} {outcome.error!r}")

    def models(self) -> int:
        """The number of active models in the table."""
        with open_database(self.url) as database, database.session() as session:
            each = (catalog.providers.get(session, provider.slug).id for provider in self._fleet.providers)
            return sum(len(catalog.models.load(session, provider_id)) for provider_id in each)

    @property
    def url(self) -> str:
        """The catalogue's URL."""
        return self._databases.server.url(self.database)


class OursInDagster(Ours):
    """The fleet run, executed in this process as in a run worker, without the worker's start-up time."""

    name = "provider_pipeline in Dagster"

    def __init__(self, fleet: Fleet, databases: Databases, template: str, home: Path) -> None:
        super().__init__(fleet, databases, template)
        self._home = dagster_home(databases, home)

    def sync(self) -> None:
        """Executes one run for the whole fleet."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            defs = build_defs(resources={"provider_database": CatalogResource(database_url=self.url)})
            with dg.DagsterInstance.from_config(str(self._home)) as instance:
                defs.resolve_job_def(JOB).execute_in_process(instance=instance, run_config=QUIET)


class OursAsRun(OursInDagster):
    """The fleet run as a process of its own, start-up included."""

    name = "provider_pipeline, dagster job execute"

    def sync(self) -> None:
        """Runs one process."""
        execute_job("-m", "provider_pipeline.definitions", "-j", JOB, home=self._home, url=self.url)


def execute_job(*arguments: str, home: Path, url: str, **extra: str) -> None:
    """Runs `dagster job execute`, which ends with its run."""
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PROVIDER_PIPELINE_DATABASE_URL": url, **extra}
    result = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", *arguments],
        env=environment,
        cwd=Path(__file__).parent,
        capture_output=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(result.stderr.decode()[-4000:])
