"""A real Dagster instance for tests: its storage in PostgreSQL, its files in a temporary folder."""

from pathlib import Path

import dagster as dg
from sqlalchemy import make_url

from provider_pipeline.definitions import build_defs
from provider_pipeline.defs.keys import PROVIDERS
from provider_pipeline.defs.resources import CatalogResource, ListingResource

SETTINGS = """
storage:
  custom:
    module: provider_pipeline.defs.storage
    class: OneStatementStorage
    config:
      postgres_url: "{url}"
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config:
    base_dir: "{folder}"
telemetry:
  enabled: false
"""


def write_settings(folder: Path, url: str) -> None:
    """Writes a dagster.yaml for a folder whose storage is this PostgreSQL database."""
    storage = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    (folder / "dagster.yaml").write_text(SETTINGS.format(url=storage, folder=folder))


def definitions(database_url: str) -> dg.Definitions:
    """The project's definitions on a test's catalogue."""
    return build_defs(
        resources={
            "provider_database": CatalogResource(database_url=database_url),
            "listings": ListingResource(max_concurrency=4, deadline_seconds=20),
        }
    )


def run_fleet(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The scheduled run: no partition key."""
    job = defs.resolve_job_def("sync_all_providers_job")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def run_partition(defs: dg.Definitions, instance: dg.DagsterInstance, slug: str) -> dg.ExecuteInProcessResult:
    """One partition, as from the UI."""
    job = defs.resolve_job_def("sync_all_providers_job")
    return job.execute_in_process(instance=instance, partition_key=slug, raise_on_error=False)


def check_statuses(instance: dg.DagsterInstance, spec: dg.AssetCheckSpec) -> dict[str, str]:
    """Per partition: the latest status of a check, read back from the instance."""
    found = instance.event_log_storage.get_asset_check_partition_info([spec.key])
    return {info.partition_key: info.latest_execution_status.value for info in found if info.partition_key}


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[str]:
    """The partitions that were ever materialized."""
    return set(instance.get_materialized_partitions(key))


def partitions(instance: dg.DagsterInstance) -> set[str]:
    """The partitions there are."""
    return set(instance.get_dynamic_partitions(str(PROVIDERS.name)))


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The step's error, as the UI shows it."""
    (event,) = result.filter_events(lambda each: each.is_step_failure)
    data = event.step_failure_data
    return data.user_failure_data.description if data.user_failure_data else str(data.error.message)
