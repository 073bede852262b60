"""Launches a sync as a Dagster run, by GraphQL over plain HTTP: the API process never imports Dagster."""

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

_TIMEOUT: Final = 30
_MAX_BYTES: Final = 1024 * 1024
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
    """Launches a provider's partition of the sync job in the Dagster at `base_url`.

    `accept` and `reason` are those of a sync: guards to override, and why.

    Returns:
        The run's id, and its page in the Dagster UI.

    Raises:
        ProblemError: 502: Dagster refused; 504: it did not answer.
    """
    repository = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
    # A new provider's partition is added by a sensor, which may not have run yet.
    added = _mutate(
        base_url,
        "addDynamicPartition",
        ADD_PARTITION,
        {"repository": repository, "partitions": PARTITIONS, "slug": slug},
    )
    if added["__typename"] not in ("AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"):
        raise _refused(added)
    config = {"dry_run": dry_run, "accept": list(accept), "reason": reason or ""}
    launched = _mutate(
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


def _mutate(base_url: str, field: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    answer = post(
        f"{base_url.rstrip('/')}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
        seconds=_TIMEOUT,
        most_bytes=_MAX_BYTES,
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
    raise ProblemError(
        502,
        "dagster-refused",
        f"expected a GraphQL response with {field} from Dagster's webserver; the server sent something else,"
        f" with status {answer.status}",
        hint="is that the address of Dagster's webserver?",
    )


def _refused(answer: dict[str, Any]) -> ProblemError:
    message = answer.get("message") or "; ".join(each["message"] for each in answer.get("errors", ()))
    line = " ".join(str(message).split())[:500]
    return ProblemError(502, "dagster-refused", f"Dagster refused: {answer['__typename']}: {line}")
