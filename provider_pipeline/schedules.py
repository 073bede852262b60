"""Dagster schedules: when the fleet is synced."""

import dagster as dg

from provider_pipeline.jobs import sync_all_providers_job


@dg.schedule(
    job=sync_all_providers_job,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour, one run for the whole fleet; a provider with a longer interval is taken when it is due.",
)
def hourly_sync_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Requests the fleet run: no partition key, so that its events stay in proportion to what changed."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())
