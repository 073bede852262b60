"""The Dagster code location: assembly only. Importing it does no I/O and reads no environment."""

import warnings
from collections.abc import Mapping, Sequence

import dagster as dg

from provider_pipeline.defs.assets import provider_catalog
from provider_pipeline.defs.canonical import canonical_model
from provider_pipeline.defs.digest import change_digest
from provider_pipeline.defs.exports import catalog_export
from provider_pipeline.defs.jobs import JOBS
from provider_pipeline.defs.resources import CatalogResource, ListingResource, WebhookResource
from provider_pipeline.defs.schedules import daily_digest_schedule, hourly_sync_schedule
from provider_pipeline.defs.sensors import SENSORS


def build_defs(
    *,
    resources: Mapping[str, object] | None = None,
    owners: Sequence[str] = ("team:data-platform",),
    hourly_cron: str = "0 * * * *",
    daily_cron: str = "20 0 * * *",
) -> dg.Definitions:
    """The definitions; a definitions file of your own passes what differs.

    Args:
        resources: Replacements for `provider_database`, `listings` and `webhook`.
        owners: Owners of the assets, as `team:NAME` or an e-mail address; the first one also owns jobs, schedules and
            sensors.
        hourly_cron: When the fleet is synced, in UTC.
        daily_cron: When the day before is summed up, in UTC.
    """
    # As metadata: the parameter `owners` of jobs, schedules and sensors is in beta in every release that pyproject.toml
    # allows, and warns wherever it is used.
    owner = {"owner": dg.MetadataValue.text(owners[0])}
    schedules = [hourly_sync_schedule(hourly_cron), daily_digest_schedule(daily_cron)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # `with_attributes` passes their own `owners` on
        owned_schedules = [each.with_attributes(metadata={**each.metadata, **owner}) for each in schedules]
        owned_sensors = [each.with_attributes(metadata={**each.metadata, **owner}) for each in SENSORS]
    return dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: spec.replace_attributes(owners=list(owners)),
            [provider_catalog, canonical_model, catalog_export, change_digest],
        ),
        jobs=[job.with_metadata({**(job.metadata or {}), **owner}) for job in JOBS],
        schedules=owned_schedules,
        sensors=owned_sensors,
        resources={
            "provider_database": CatalogResource(),
            "listings": ListingResource(),
            "webhook": WebhookResource(),
            **(resources or {}),
        },
        executor=dg.in_process_executor,
    )


defs = build_defs()
