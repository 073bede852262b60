"""Dagster schedules: when the fleet is synced, and when a day is summed up."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from provider_pipeline.defs.assets import SyncConfig
from provider_pipeline.defs.digest import missing_days
from provider_pipeline.defs.jobs import PARTITION_TAG, UNFINISHED
from provider_pipeline.defs.keys import DAYS_NAME, GROUP, OPERATIONS, documented
from provider_pipeline.defs.resources import CatalogResource
from provider_pipeline.defs.shards import SHARD, WHOLE, Shard, all_shards, shards_from_environment


def hourly_sync_schedule(cron: str, timezone: str = "UTC", shards: int | None = None) -> dg.ScheduleDefinition:
    """The fleet run, without a partition key, so that its events stay in proportion to what changed.

    Args:
        shards: Number of runs that share the fleet. None: PROVIDER_PIPELINE_SHARDS, or 1.
    """
    fixed = None if shards is None else all_shards(shards)

    @dg.schedule(
        name="hourly_sync_schedule",
        job_name="sync_all_providers_job",
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="One run for the whole fleet, or one for each shard; a provider with a longer interval is synced "
        "when it is due.",
        metadata=documented(OPERATIONS),
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        # A run longer than the interval is not joined by a second one: what is due stays due for the next tick.
        filters = dg.RunsFilter(job_name="sync_all_providers_job", statuses=UNFINISHED)
        unfinished = {
            run.run_id: Shard.from_tag(run.tags.get(SHARD, str(WHOLE)))
            for run in context.instance.get_runs(filters=filters)
            if PARTITION_TAG not in run.tags  # a single provider's, which its lock protects
        }
        requests, waiting = [], []
        for shard in fixed or shards_from_environment():
            before = next((run_id for run_id, other in unfinished.items() if shard.overlaps(other)), None)
            if before is None:
                requests.append(_fleet_run(shard, context.scheduled_execution_time))
            else:
                waiting.append(f"{shard} waits: the fleet run {before} has not ended yet")
        if not requests:
            return dg.SkipReason("; ".join(waiting))
        for each in waiting:
            context.log.warning(f"shard {each}")
        return requests

    return schedule


def _fleet_run(shard: Shard, at: datetime) -> dg.RunRequest:
    if shard == WHOLE:
        return dg.RunRequest(run_key=at.isoformat())
    return dg.RunRequest(
        run_key=f"{at.isoformat()} {shard}",
        run_config=dg.RunConfig(ops={GROUP: SyncConfig(shard=shard.number, shards=shard.of)}),
        tags={SHARD: str(shard)},
    )


def daily_digest_schedule(cron: str) -> dg.ScheduleDefinition:
    """The digest of the day that has ended."""

    @dg.schedule(
        name="daily_digest_schedule",
        job_name="change_digest_job",
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="After midnight (UTC), the digest of the day before.",
        metadata=documented(OPERATIONS),
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, provider_database: CatalogResource
    ) -> dg.RunRequest | dg.SkipReason:
        yesterday = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date()
        with provider_database.open() as database, database.session() as session:
            existing = set(context.instance.get_dynamic_partitions(DAYS_NAME))
            missing = missing_days(session, existing, until=yesterday)
        if missing:  # the sensor that adds them may be off
            context.instance.add_dynamic_partitions(DAYS_NAME, missing)
        if yesterday.isoformat() not in existing.union(missing):
            return dg.SkipReason(f"the catalogue did not exist on {yesterday}")
        return dg.RunRequest(partition_key=yesterday.isoformat(), run_key=yesterday.isoformat())

    return schedule
