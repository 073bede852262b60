"""The asset that sums up each day over all providers, and its partitions, the catalogue's days."""

from collections.abc import Set
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from provider_pipeline import catalog, sync
from provider_pipeline.defs.keys import (
    CODE_VERSION,
    DAYS,
    DIGEST,
    GROUP,
    OPERATIONS,
    TABLE,
    documented,
    stage,
)
from provider_pipeline.defs.metadata import bounded_json, markdown
from provider_pipeline.defs.resources import CatalogResource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def missing_days(session: "Session", existing: Set[str], *, until: date) -> list[str]:
    """Partitions to add: the days from the catalogue's first one until `until` that `existing` lacks."""
    began = catalog.providers.first_added_at(session)
    if began is None:
        return []
    first = began.astimezone(UTC).date()
    days = [(first + timedelta(days=count)).isoformat() for count in range((until - first).days + 1)]
    return [day for day in days if day not in existing]


@dg.asset(
    key=DIGEST,
    deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"postgres", "markdown"},
    code_version=CODE_VERSION,
    tags=stage("report"),
    metadata=documented(OPERATIONS),
    description="What changed in a day: added, removed, renamed, repriced, capabilities, held and repaired.",
)
def change_digest(context: dg.AssetExecutionContext, provider_database: CatalogResource) -> dg.MaterializeResult[None]:
    """Reads the day's changes and tasks; a day that has ended is sent to the webhook, once."""
    try:
        start = datetime.combine(date.fromisoformat(context.partition_key), datetime.min.time(), UTC)
    except ValueError as error:
        raise dg.Failure(
            f"expected a day such as 2026-11-23 as the partition, got {context.partition_key!r}", allow_retries=False
        ) from error
    end = start + timedelta(days=1)
    with provider_database.open() as database, database.session() as session:
        digest = catalog.digest.change_digest(session, start, end)
        now = datetime.now(UTC)
        told = end <= now and not digest.is_empty and sync.events.daily_digest(session, digest, now=now)
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
