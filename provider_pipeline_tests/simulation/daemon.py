"""A Dagster daemon in a process of its own, which runs the fleet when it is told to, and tells when it is at rest."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from provider_pipeline.cli.workbench import running
from provider_pipeline.defs.jobs import UNFINISHED
from provider_pipeline.defs.sensors import BLOCKING_CHECKS
from provider_pipeline_tests.locked import ROOT
from provider_pipeline_tests.simulation.definitions import TICKS_VARIABLE

SETTINGS = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
    max_concurrent_runs: 3
nux:
  enabled: false
"""
WORKSPACE = """
load_from:
  - python_module:
      module_name: provider_pipeline_tests.simulation.definitions
      location_name: two_weeks
"""
MOST_SECONDS = 240
"""Longest day: one of five runs takes a tenth of it on an idle machine."""


@dataclass(frozen=True)
class Daemon:
    """A running daemon.

    Attributes:
        instance: The Dagster instance that it works for.
        ticks: The file that says how many ticks there have been.
        log: What it printed.
    """

    instance: dg.DagsterInstance
    ticks: Path
    log: Path

    def tick(self, watch: Callable[[], None]) -> None:
        """One fleet run, and everything that follows from it; `watch` is called again and again meanwhile.

        Raises:
            AssertionError: It does not come to rest.
        """
        number = int(self.ticks.read_text()) + 1
        self.ticks.write_text(str(number))
        deadline = time.monotonic() + MOST_SECONDS
        for is_so in (lambda: self._has_begun(number), self._is_at_rest):
            while not is_so():
                assert time.monotonic() < deadline, f"tick {number} is not over: {self._state()}; see {self.log}"
                watch()
                time.sleep(1)
        watch()

    def runs(self) -> list[tuple[str, str | None, str]]:
        """Job, partition and status of every run, oldest first."""
        found = self.instance.get_runs()
        return [(run.job_name, run.tags.get("dagster/partition"), run.status.value) for run in reversed(found)]

    def _has_begun(self, number: int) -> bool:
        keys = dg.RunsFilter(tags={"dagster/run_key": f"tick-{number}"})
        return bool(self.instance.get_runs(filters=keys, limit=1))

    def _is_at_rest(self) -> bool:
        """No run is unfinished, and no failed check is unseen: asked in an order in which neither can be missed."""
        return self._no_run() and self._nothing_unseen() and self._no_run() and self._nothing_unseen()

    def _no_run(self) -> bool:
        return self.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)) == 0

    def _nothing_unseen(self) -> bool:
        """Whether the sensor has read every failed check, and requested the runs that it was to request."""
        states = {state.name: state for state in self.instance.all_instigator_state()}
        state = states.get("rule_generation_sensor")
        if state is None:
            return False
        last = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if any(tick.status.value == "STARTED" for tick in last):
            return False
        cursor = state.instigator_data.cursor if state.instigator_data is not None else None
        records = self.instance.get_event_records(
            dg.EventRecordsFilter(
                event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=int(cursor) if cursor else None
            )
        )
        return not any(_is_blocking_failure(record) for record in records)

    def _state(self) -> str:
        ticks = [
            f"{state.name}: {tick.status.value} {tick.error.message if tick.error else ''}"
            for state in self.instance.all_instigator_state()
            for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        ]
        return f"{self.runs()}, {ticks}"


def _is_blocking_failure(record: dg.EventLogRecord) -> bool:
    event = record.event_log_entry.dagster_event
    evaluation = event.event_specific_data if event is not None else None
    return (
        isinstance(evaluation, dg.AssetCheckEvaluation)
        and not evaluation.passed
        and evaluation.check_name in BLOCKING_CHECKS
    )


@contextmanager
def running_daemon(instance: dg.DagsterInstance, home: Path, database_url: str) -> Iterator[Daemon]:
    """A daemon that works for an instance until the block ends, and every process that it started with it.

    Args:
        instance: The instance.
        home: The folder with its `dagster.yaml`.
        database_url: The catalogue.
    """
    with (home / "dagster.yaml").open("a") as settings:
        settings.write(SETTINGS)
    (home / "workspace.yaml").write_text(WORKSPACE)
    ticks, log = home / "ticks", home / "daemon.log"
    ticks.write_text("0")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "PROVIDER_PIPELINE"))},
        "DAGSTER_HOME": str(home),
        "PROVIDER_PIPELINE_DATABASE_URL": database_url,
        "PROVIDER_PIPELINE_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        TICKS_VARIABLE: str(ticks),
    }
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(home / "workspace.yaml")]
    command = [sys.executable, "-m", "provider_pipeline_tests.simulation.process_guard", *daemon]
    with log.open("wb") as output, running(command, environment=environment, output=output.fileno()):
        yield Daemon(instance, ticks, log)
