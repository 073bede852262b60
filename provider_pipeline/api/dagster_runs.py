"""A sync as a run of Dagster's, for those who want it in the UI's history.

Here: two GraphQL mutations over plain HTTP. Not here: what the run does, and Dagster itself: this process never
imports it.
"""

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from provider_pipeline.api.problems import ProblemError
from provider_pipeline.listing.posting import NoReply, post

JOB: Final = "sync_all_providers_job"
LOCATION: Final = "provider_pipeline"
REPOSITORY: Final = "__repository__"
PARTITIONS: Final = "providers"
STEP: Final = "provider_catalog"

_SECONDS: Final = 30
_MOST_BYTES: Final = 1024 * 1024
ADD_PARTITION: Final = """
mutation ($repository: RepositorySelector!, $partitions: String!, $slug: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $partitions, partitionKey: $slug) {
    __typename
    ... on PythonError { message }
    ... on UnauthorizedError { message }
  }
}
"""
LAUNCH: Final = """
mutation ($execution: ExecutionParams!) {
  launchRun(executionParams: $execution) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
    ... on RunConflict { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""


def launch_sync(
    base_url: str, slug: str, *, dry_run: bool = False, accept: Sequence[str] = (), reason: str | None = None
) -> tuple[str, str]:
    """Launches a provider's partition of the sync job.

    Args:
        base_url: Where Dagster's webserver is.
        slug: The provider.
        dry_run: Do everything but keep it.
        accept: Guards that need not hold the listing.
        reason: Why it is right.

    Returns:
        The run's id, and where people see it.

    Raises:
        ProblemError: 502 or 504: Dagster refused, or did not answer.
    """
    repository = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
    # A provider is a partition as soon as the sensor has seen it, or now.
    added = _asked(
        base_url,
        "addDynamicPartition",
        ADD_PARTITION,
        {"repository": repository, "partitions": PARTITIONS, "slug": slug},
    )
    if added["__typename"] not in ("AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"):
        raise _refused(added)
    config = {"dry_run": dry_run, "accept": list(accept), "reason": reason or ""}
    launched = _asked(
        base_url,
        "launchRun",
        LAUNCH,
        {
            "execution": {
                "selector": {**repository, "pipelineName": JOB},
                "runConfigData": {"ops": {STEP: {"config": config}}},
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": slug}]},
            }
        },
    )
    if launched["__typename"] != "LaunchRunSuccess":
        raise _refused(launched)
    run_id = str(launched["run"]["runId"])
    return run_id, f"{base_url.rstrip('/')}/runs/{quote(run_id)}"


def _asked(base_url: str, field: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    answer = post(
        f"{base_url.rstrip('/')}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
        seconds=_SECONDS,
        most_bytes=_MOST_BYTES,
    )
    if isinstance(answer, NoReply):
        raise ProblemError(
            504, "dagster-unreachable", f"Dagster does not answer: {answer.reason}", hint="is its webserver up?"
        )
    try:
        found = json.loads(answer.content)["data"][field]
        if isinstance(found["__typename"], str):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise ProblemError(502, "dagster-refused", f"Dagster answered {answer.status}, and not as its webserver does")


def _refused(answer: dict[str, Any]) -> ProblemError:
    message = answer.get("message") or "; ".join(each["message"] for each in answer.get("errors", ()))
    line = " ".join(str(message).split())[:500]
    return ProblemError(502, "dagster-refused", f"Dagster refused: {answer['__typename']}: {line}")
