"""Dagster schedules: when the fleet is synced, and when a day is summed up."""

import dagster as dg

from provider_pipeline.defs.jobs import UNFINISHED, change_digest_job, sync_all_providers_job
from provider_pipeline.defs.keys import OPERATIONS, kept_by_owner


@dg.schedule(
    job=sync_all_providers_job,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour, one run for the whole fleet; a provider with a longer interval is taken when it is due.",
    metadata=kept_by_owner(OPERATIONS),
)
def hourly_sync_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Requests the fleet run: no partition key, so that its events stay in proportion to what changed.

    One that takes longer than an hour is not joined by a second: what is due then is due at the next tick too.
    """
    going_on = context.instance.get_runs(
        filters=dg.RunsFilter(job_name=sync_all_providers_job.name, statuses=UNFINISHED), limit=1
    )
    if going_on:
        return dg.SkipReason(f"the fleet run {going_on[0].run_id} has not ended yet")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


daily_digest_schedule = dg.build_schedule_from_partitioned_job(
    change_digest_job,
    name="daily_digest_schedule",
    description="After midnight (UTC), the digest of the day that is over.",
    metadata=kept_by_owner(OPERATIONS),
    hour_of_day=0,
    minute_of_hour=20,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
