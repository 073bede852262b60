"""The catalogue-wide asset: what changed in a day, over all providers.

Here: the daily partition and its metadata. Not here: what a digest holds and how it reads (`catalog.digest`).
"""

from datetime import UTC, datetime

import dagster as dg

from provider_pipeline import catalog
from provider_pipeline.asset_checks import TABLE
from provider_pipeline.assets import CODE_VERSION, GROUP, OWNERS
from provider_pipeline.resources import CatalogResource
from provider_pipeline.sync import daily_digest

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)


@dg.asset(
    key="change_digest",
    deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())],
    partitions_def=DAYS,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "markdown"},
    code_version=CODE_VERSION,
    description="What changed in a day: added, removed, renamed, repriced, capabilities, held and repaired.",
)
def change_digest(context: dg.AssetExecutionContext, provider_database: CatalogResource) -> dg.MaterializeResult[None]:
    """Reads the day's changes and tasks; a day that is over is told to the webhook, once."""
    window = context.partition_time_window
    with provider_database.open() as database, database.session() as session:
        digest = catalog.change_digest(session, window.start, window.end)
        now = datetime.now(UTC)
        told = window.end <= now and not digest.is_empty and daily_digest(session, digest, now=now)
        session.commit()
    return dg.MaterializeResult(
        metadata={
            "digest": dg.MetadataValue.md(catalog.digest_markdown(digest)),
            "digest_json": dg.MetadataValue.json(digest.to_json()),
            "told": told,
            **digest.counts(),
        }
    )
