"""Executes jobs one after another, then evaluates sensors, in this process, for `provider-pipeline demo`.

Like `dagster job execute` and `dagster sensor preview`, which take a process each: importing Dagster and loading the
definitions takes longer than the demo's own work.

Usage: python -m provider_pipeline.defs.in_one_process MODULE --jobs JOB [JOB ...] --sensors SENSOR [SENSOR ...]
"""

import argparse
import sys
from importlib import import_module

import dagster as dg


def main() -> int:
    """Runs what the command line names; returns the exit code, 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="the module with the definitions `defs`")
    parser.add_argument("--jobs", nargs="+", default=[])
    parser.add_argument("--sensors", nargs="+", default=[])
    asked = parser.parse_args()
    defs: dg.Definitions = import_module(asked.module).defs
    with dg.DagsterInstance.get() as instance:
        succeeded = [
            defs.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False).success
            for name in asked.jobs
        ]
        for name in asked.sensors:
            sensor = defs.resolve_sensor_def(name)
            resources = {key: (defs.resources or {})[key] for key in sensor.required_resource_keys}
            with dg.build_sensor_context(instance=instance, sensor_name=name, resources=resources) as context:
                sys.stderr.write(f"{name}: {sensor(context)}\n")
    return 0 if all(succeeded) else 1


if __name__ == "__main__":
    sys.exit(main())
