"""dagster-dlt as a system of the bench: the same dlt pipeline, one asset per provider, in one Dagster run."""

import os
import warnings
from pathlib import Path

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, dlt_assets
from dlt.sources import DltSource
from harness import Databases, Fleet
from ours import QUIET, dagster_home, execute_job
from with_dlt import Dlt, described, source

JOB = "dlt_job"


def build_defs(pipeline: dlt.Pipeline, dlt_source: DltSource) -> dg.Definitions:
    """The definitions of dagster-dlt's own examples."""

    @dlt_assets(dlt_source=dlt_source, dlt_pipeline=pipeline, name="fleet")
    def fleet_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource):  # type: ignore[no-untyped-def]
        yield from dlt.run(context=context, loader_file_format="csv")

    return dg.Definitions(
        assets=[fleet_assets],
        jobs=[dg.define_asset_job(JOB, selection=[fleet_assets], executor_def=dg.in_process_executor)],
        resources={"dlt": DagsterDltResource()},
    )


class DagsterDlt(Dlt):
    """Executed in this process as in a run worker, without the worker's start-up time."""

    name = "dagster-dlt"

    def __init__(self, fleet: Fleet, databases: Databases, folder: Path, home: Path) -> None:
        super().__init__(fleet, databases, folder)
        self._home = dagster_home(databases, home)

    def sync(self) -> None:
        """Executes one run for the whole fleet."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            defs = build_defs(self._pipeline(), source(self._fleet.providers, self._fleet.url))
            with dg.DagsterInstance.from_config(str(self._home)) as instance:
                defs.resolve_job_def(JOB).execute_in_process(instance=instance, run_config=QUIET)


class DagsterDltAsRun(DagsterDlt):
    """As a process of its own, start-up included."""

    name = "dagster-dlt, dagster job execute"

    def sync(self) -> None:
        """Runs one process."""
        execute_job(
            "-f",
            __file__,
            "-j",
            JOB,
            home=self._home,
            url="",
            BENCH_FOLDER=self._databases.folder,
            BENCH_DATABASE=self.database,
            BENCH_PIPELINES=str(self._pipelines_folder),
            BENCH_FLEET=self._fleet.name,
            BENCH_URL=self._fleet.url,
        )


if "BENCH_DATABASE" in os.environ:
    defs = build_defs(*described(os.environ))
