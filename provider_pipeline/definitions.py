"""The Dagster code location: assembly only. Importing it does no I/O and reads no environment."""

import warnings
from collections.abc import Mapping, Sequence

import dagster as dg

from provider_pipeline.defs.assets import provider_catalog
from provider_pipeline.defs.canonical import canonical_model
from provider_pipeline.defs.digest import change_digest
from provider_pipeline.defs.exports import catalog_export
from provider_pipeline.defs.jobs import JOBS, change_digest_job
from provider_pipeline.defs.report import catalog_report, report_is_current
from provider_pipeline.defs.resources import CatalogResource, ExportResource, ListingResource, WebhookResource
from provider_pipeline.defs.schedules import daily_digest_schedule, hourly_sync_schedule
from provider_pipeline.defs.sensors import SENSORS


def build_defs(
    *,
    resources: Mapping[str, object] | None = None,
    owners: Sequence[str] = ("team:data-platform",),
    hourly_cron: str = "0 * * * *",
    hourly_timezone: str = "UTC",
    shards: int | None = None,
    daily_cron: str = "20 0 * * *",
    digest: bool = True,
    executor: dg.ExecutorDefinition | None = dg.in_process_executor,
) -> dg.Definitions:
    """The definitions; a definitions file of your own passes what differs.

    Args:
        resources: Replacements for `provider_database`, `listings`, `export_settings` and `webhook`.
        owners: Owners of the assets, as `team:NAME` or an e-mail address; the first one also owns jobs, schedules and
            sensors.
        hourly_cron: When the fleet is synced, in `hourly_timezone`.
        hourly_timezone: A name of the IANA database, such as Europe/Berlin.
        shards: Number of runs that share the fleet. None: PROVIDER_PIPELINE_SHARDS when the schedule ticks, or 1.
        daily_cron: When the day before is summed up, in UTC, as the catalogue's days are.
        digest: Whether there is a digest.
        executor: The default one of the code location; None leaves it to other definitions. Our jobs name their own.
    """
    # As metadata: the parameter `owners` of jobs, schedules and sensors is in beta in every release that pyproject.toml
    # allows, and warns wherever it is used.
    owner = {"owner": dg.MetadataValue.text(owners[0])}
    assets = [provider_catalog, canonical_model, catalog_export, catalog_report]
    jobs = [job for job in JOBS if digest or job is not change_digest_job]
    schedules = [hourly_sync_schedule(hourly_cron, hourly_timezone, shards)]
    if digest:
        assets.append(change_digest)
        schedules.append(daily_digest_schedule(daily_cron))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # `with_attributes` passes their own `owners` on
        owned_schedules = [each.with_attributes(metadata={**each.metadata, **owner}) for each in schedules]
        owned_sensors = [each.with_attributes(metadata={**each.metadata, **owner}) for each in SENSORS]
    return dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: spec.replace_attributes(owners=list(owners)),
            assets,
        ),
        asset_checks=[report_is_current],
        jobs=[job.with_metadata({**(job.metadata or {}), **owner}) for job in jobs],
        schedules=owned_schedules,
        sensors=owned_sensors,
        resources={
            "provider_database": CatalogResource(),
            "listings": ListingResource(),
            "export_settings": ExportResource(),
            "webhook": WebhookResource(),
            **(resources or {}),
        },
        executor=executor,
    )


defs = build_defs()
