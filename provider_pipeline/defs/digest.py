"""The catalogue-wide asset: what changed in a day, over all providers.

Here: the daily partition and its metadata. Not here: what a digest holds and how it reads (`catalog.digest`).
"""

from datetime import UTC, datetime

import dagster as dg

from provider_pipeline import catalog, sync
from provider_pipeline.defs.keys import CODE_VERSION, DIGEST, GROUP, OPERATIONS, OWNERS, TABLE, documented, stage
from provider_pipeline.defs.markdown import markdown
from provider_pipeline.defs.metadata import bounded_json
from provider_pipeline.defs.resources import CatalogResource

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)


@dg.asset(
    key=DIGEST,
    deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())],
    partitions_def=DAYS,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "markdown"},
    code_version=CODE_VERSION,
    tags=stage("report"),
    metadata=documented(OPERATIONS),
    description="What changed in a day: added, removed, renamed, repriced, capabilities, held and repaired.",
)
def change_digest(context: dg.AssetExecutionContext, provider_database: CatalogResource) -> dg.MaterializeResult[None]:
    """Reads the day's changes and tasks; a day that is over is told to the webhook, once."""
    window = context.partition_time_window
    with provider_database.open() as database, database.session() as session:
        digest = catalog.digest.change_digest(session, window.start, window.end)
        now = datetime.now(UTC)
        told = window.end <= now and not digest.is_empty and sync.events.daily_digest(session, digest, now=now)
        session.commit()
        samples = sorted(catalog.providers.sample_slugs(session))
    return dg.MaterializeResult(
        metadata={
            "digest": markdown(catalog.digest.digest_markdown(digest, titled=False).splitlines()),
            "digest_json": bounded_json(digest.to_json()),
            "told": told,
            **({"sample_providers": ", ".join(samples)} if samples else {}),
            **digest.counts(),
        }
    )
