"""The Dagster code location: assembly only.

Importing this module does no I/O and reads no environment.
"""

from collections.abc import Mapping

import dagster as dg

from provider_pipeline.defs.assets import provider_catalog
from provider_pipeline.defs.digest import change_digest
from provider_pipeline.defs.jobs import change_digest_job, regenerate_provider_rules_job, sync_all_providers_job
from provider_pipeline.defs.resources import CatalogResource, ListingResource
from provider_pipeline.defs.schedules import daily_digest_schedule, hourly_sync_schedule
from provider_pipeline.defs.sensors import SENSORS


def build_defs(*, resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """The definitions, with other resources where given.

    Args:
        resources: Replacements for `provider_database` and `listings`, by name.
    """
    return dg.Definitions(
        assets=[provider_catalog, change_digest],
        jobs=[sync_all_providers_job, regenerate_provider_rules_job, change_digest_job],
        schedules=[hourly_sync_schedule, daily_digest_schedule],
        sensors=SENSORS,
        resources={"provider_database": CatalogResource(), "listings": ListingResource(), **(resources or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
