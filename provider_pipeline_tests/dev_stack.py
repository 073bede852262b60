"""A running `provider-pipeline dev`, and the questions that tests ask of it."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil


def environment(**extra: str) -> dict[str, str]:
    """A stranger's environment: nothing of ours but what finding Python and packages takes."""
    kept = ("PATH", "HOME", "PIP_", "LANG", "SSL_", "REQUESTS_", "HTTP", "http", "https", "no_proxy", "NO_PROXY")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)} | extra


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that belong to this checkout."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        told = [*(process.info["cmdline"] or ()), (process.info["environ"] or {}).get("DAGSTER_HOME", "")]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in each for each in told):
            found.append(" ".join(told))
    return found


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def dev(command: Sequence[str | Path], *, home: Path, log: Path, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running `provider-pipeline dev`; at the end it is gone, with everything that works in the same home.

    Args:
        command: The command line.
        home: Where it writes, or a folder above.
        log: Gets its output.
        extra: Environment variables beside the stranger's.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment(**extra), stdout=output, stderr=output)
        try:
            yield process
        finally:
            left = []
            if process.poll() is None:  # a test failed
                left = psutil.Process(process.pid).children(recursive=True)
                process.kill()
            process.wait()
            for each in psutil.process_iter(["environ"]):
                if str(home) in (each.info["environ"] or {}).get("DAGSTER_HOME", ""):
                    left.append(each)
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()


def graphql(port: int, query: str, **variables) -> dict:
    """Asks the UI's server."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def away_from_the_hour() -> None:
    """Waits if the hourly schedule could fire before a test has switched it off."""
    if (until_the_hour := 3600 - time.time() % 3600) < 120:
        time.sleep(until_the_hour)


def eventually(question, *, seconds: int = 300):
    """The first answer that is true, asked for until then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError, TypeError):
            if answer := question():
                return answer
        time.sleep(1)
    raise AssertionError("it did not come true in time")


REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "provider_pipeline"}
LOCATIONS = "{workspaceOrError{... on Workspace{locationEntries{name loadStatus locationOrLoadError{__typename}}}}}"
RUNS = "query($job: String!) {runsOrError(filter: {pipelineName: $job}) {... on Runs {results {status}}}}"
LAUNCH = """mutation($run: ExecutionParams!) {
    launchPipelineExecution(executionParams: $run) {__typename ... on LaunchRunSuccess {run {runId}}}
}"""


def finished_runs(port: int, job: str) -> list[str]:
    """How the runs of a job ended, those that have."""
    runs = graphql(port, RUNS, job=job)["runsOrError"]["results"]
    return [run["status"] for run in runs if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]


PARTITIONS = """{
    assetNodeOrError(assetKey: {path: ["provider_model"]}) {... on AssetNode {partitionKeys}}
}"""
SENSOR = "query($of: SensorSelector!) {sensorOrError(sensorSelector: $of) {... on Sensor {id}}}"
SCHEDULE = "query($of: ScheduleSelector!) {scheduleOrError(scheduleSelector: $of) {... on Schedule {id}}}"
STOP_SENSOR = "mutation($id: String!) {stopSensor(id: $id) {__typename}}"
STOP_SCHEDULE = "mutation($id: String!) {stopRunningSchedule(id: $id) {__typename}}"


def partitions_of(port: int) -> list[str]:
    """The partitions of the table of models."""
    return graphql(port, PARTITIONS)["assetNodeOrError"]["partitionKeys"]


def stop_sensor(port: int, name: str) -> bool:
    """Switches a sensor off."""
    sensor = graphql(port, SENSOR, of={**REPOSITORY, "sensorName": name})["sensorOrError"]
    answer = graphql(port, STOP_SENSOR, id=sensor["id"])["stopSensor"]
    return answer["__typename"] == "StopSensorMutationResult"


def stop_schedule(port: int, name: str) -> bool:
    """Switches a schedule off."""
    schedule = graphql(port, SCHEDULE, of={**REPOSITORY, "scheduleName": name})["scheduleOrError"]
    answer = graphql(port, STOP_SCHEDULE, id=schedule["id"])["stopRunningSchedule"]
    return answer["__typename"] == "ScheduleStateResult"
