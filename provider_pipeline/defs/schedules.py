"""Dagster schedules: when the fleet is synced, and when a day is summed up."""

from datetime import UTC, timedelta

import dagster as dg

from provider_pipeline.defs.digest import missing_days
from provider_pipeline.defs.jobs import UNFINISHED
from provider_pipeline.defs.keys import DAYS_NAME, OPERATIONS, documented
from provider_pipeline.defs.resources import CatalogResource


def hourly_sync_schedule(cron: str, timezone: str = "UTC") -> dg.ScheduleDefinition:
    """The fleet run, without a partition key, so that its events stay in proportion to what changed."""

    @dg.schedule(
        name="hourly_sync_schedule",
        job_name="sync_all_providers_job",
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="One run for the whole fleet; a provider with a longer interval is synced when it is due.",
        metadata=documented(OPERATIONS),
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # A fleet run longer than the interval is not joined by a second one: what is due stays due for the next tick.
        running = context.instance.get_runs(
            filters=dg.RunsFilter(job_name="sync_all_providers_job", statuses=UNFINISHED), limit=1
        )
        if running:
            return dg.SkipReason(f"the fleet run {running[0].run_id} has not ended yet")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return schedule


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
