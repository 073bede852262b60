"""The code location of the two weeks: the project's own, without its schedules, and with a sensor that is their clock.

A file that the test writes says how many ticks there have been; each new one is a fleet run, as a schedule requests it.
"""

import os
from pathlib import Path

import dagster as dg

from provider_pipeline.definitions import build_defs

TICKS_VARIABLE = "TWO_WEEKS_TICKS"


@dg.sensor(
    name="tick_sensor",
    job_name="sync_all_providers_job",
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def tick_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Requests a fleet run for a tick that it has not seen."""
    tick = Path(os.environ[TICKS_VARIABLE]).read_text()
    if tick == (context.cursor or "0"):
        return dg.SkipReason("no new tick")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"tick-{tick}")], cursor=tick)


def _with_clock(project: dg.Definitions) -> dg.Definitions:
    return dg.Definitions(
        assets=project.assets,
        jobs=project.jobs,
        sensors=[*(project.sensors or ()), tick_sensor],
        resources=project.resources,
        executor=project.executor,
    )


defs = _with_clock(build_defs())
