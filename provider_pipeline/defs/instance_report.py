"""A program that prints the state of the Dagster instance at DAGSTER_HOME as JSON, for `provider-pipeline doctor`.

A process of its own, because the command line never imports Dagster.

Usage: python -m provider_pipeline.defs.instance_report
"""

import json
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import dagster as dg

from provider_pipeline.defs.schedules import daily_digest_schedule, hourly_sync_schedule
from provider_pipeline.defs.sensors import SENSORS

_NAMES = (
    *(each.name for each in SENSORS),
    *(each("0 * * * *").name for each in (hourly_sync_schedule, daily_digest_schedule)),
)
_MAX_ERROR = 300


def instance_report(instance: dg.DagsterInstance, *, now: float) -> dict[str, Any]:
    """Whether the instance does our work: its daemons, our sensors and schedules, the monitoring of runs.

    Args:
        instance: The instance.
        now: Seconds since the epoch.

    Returns:
        `daemons`: each one's type, seconds since its last heartbeat (None: never) and errors; `instigators`: each
        sensor's and schedule's name, whether it is on, its last tick's error; `run_monitoring`: whether it is on.
    """
    heartbeats = instance.get_daemon_heartbeats()
    return {
        "daemons": [
            {
                "type": kind,
                "age": None if (beat := heartbeats.get(kind)) is None else round(now - beat.timestamp, 1),
                "errors": [_line(error.message) for error in beat.errors or ()] if beat else [],
            }
            for kind in sorted(instance.get_required_daemon_types())
        ],
        "instigators": list(_instigators(instance)),
        "run_monitoring": instance.run_monitoring_enabled,
    }


def _instigators(instance: dg.DagsterInstance) -> Iterator[dict[str, Any]]:
    stored = {state.instigator_name: state for state in instance.all_instigator_state()}
    for name in _NAMES:
        state = stored.get(name)
        if state is None:  # no daemon has met it yet: it will be on, as the code declares
            yield {"name": name, "on": True, "error": None}
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        error = ticks[0].error if ticks else None
        yield {
            "name": name,
            "on": state.status.value != "STOPPED",
            "error": _line(error.message) if error else None,
        }


def _line(text: str) -> str:
    return " ".join(text.split())[:_MAX_ERROR]


def _print_cause(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Ends with the first cause of an error in one line: Dagster wraps it several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    sys.stderr.write(f"{_line(f'{type(error).__name__}: {error}')}\n")


if __name__ == "__main__":
    sys.excepthook = _print_cause
    with dg.DagsterInstance.get() as opened:
        json.dump(instance_report(opened, now=time.time()), sys.stdout)
