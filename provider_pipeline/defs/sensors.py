"""Dagster sensors: partitions follow the providers, failed checks become tasks, silence a failed check, events news.

Here: cursors and requests. Not here: what a task is (`catalog`), how rules are renewed (`sync`). A failed read of the
catalogue is an error of the tick, never an empty list.
"""

import json
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from provider_pipeline import catalog, sync
from provider_pipeline.defs.checks import LISTING_IS_PLAUSIBLE, RULE_EXTRACTS_MODELS, freshness
from provider_pipeline.defs.events import marked
from provider_pipeline.defs.jobs import UNFINISHED, regenerate_provider_rules_job
from provider_pipeline.defs.keys import HOW_A_SYNC_WORKS, OPERATIONS, PROVIDERS, kept_by_owner
from provider_pipeline.defs.resources import CatalogResource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


BLOCKING_CHECKS = frozenset({RULE_EXTRACTS_MODELS.name, LISTING_IS_PLAUSIBLE.name})
EVENTS_PER_TICK = 200
KEEP_NOTIFICATIONS = timedelta(days=30)

_PARTITION_TAG = "dagster/partition"


@dataclass(frozen=True)
class PartitionChanges:
    """Partition keys to add and to delete, sorted."""

    add: tuple[str, ...]
    delete: tuple[str, ...]


def partition_changes(wanted: Set[str], existing: Set[str], in_flight: Set[str]) -> PartitionChanges:
    """What brings the partitions in line with the active providers.

    A partition with an unfinished run is left for a later tick: its events would otherwise belong to nothing.

    Args:
        wanted: Slugs of the active providers.
        existing: The partitions there are.
        in_flight: Partitions that an unfinished run works on.
    """
    return PartitionChanges(tuple(sorted(wanted - existing)), tuple(sorted(existing - wanted - in_flight)))


@dg.sensor(
    name="provider_partitions_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the partitions equal to the active providers.",
    metadata=kept_by_owner(OPERATIONS),
)
def provider_partitions_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Adds and deletes partitions; requests no run."""
    with provider_database.open() as database, database.session() as session:
        wanted = {provider.slug for provider in catalog.providers.list_providers(session, enabled_only=True)}
    existing = set(context.instance.get_dynamic_partitions(str(PROVIDERS.name)))
    changes = partition_changes(wanted, existing, _in_flight(context.instance, existing))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(PROVIDERS.build_add_request(list(changes.add)))
    if changes.delete:
        requests.append(PROVIDERS.build_delete_request(list(changes.delete)))
    if not requests:
        return dg.SkipReason(f"the partitions are the {len(wanted)} active providers")
    return dg.SensorResult(dynamic_partitions_requests=requests)


def _in_flight(instance: dg.DagsterInstance, existing: Set[str]) -> set[str]:
    busy: set[str] = set()
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        partition = run.tags.get(_PARTITION_TAG)
        if partition is None:  # a fleet run or a range: it may work on any of them
            return set(existing)
        busy.add(partition)
    return busy


@dg.sensor(
    name="rule_generation_sensor",
    jobs=[regenerate_provider_rules_job],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A blocking check that failed becomes a RULE_GEN task, and a run that writes new rules.",
    metadata=kept_by_owner(HOW_A_SYNC_WORKS),
)
def rule_generation_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Reads check evaluations after its cursor; one open task per provider and failure, however often it repeats."""
    records = context.instance.get_event_records(
        dg.EventRecordsFilter(
            event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
            after_cursor=int(context.cursor) if context.cursor else None,
        ),
        limit=EVENTS_PER_TICK,
        ascending=True,
    )
    if not records:
        return dg.SkipReason("no new check evaluations")
    failures = _failures(records)
    requests: dict[str, dg.RunRequest] = {}
    partitions = set(context.instance.get_dynamic_partitions(str(PROVIDERS.name)))
    if failures:
        with provider_database.open() as database, database.session() as session:
            for failure in failures:
                request = _request(session, failure)
                if request is not None and request.partition_key in partitions:
                    requests[str(request.run_key)] = request
            session.commit()
    return dg.SensorResult(run_requests=list(requests.values()), cursor=str(records[-1].storage_id))


@dataclass(frozen=True)
class _Failure:
    """A listing that failed one blocking check, or both: one failure, as the command line sees it."""

    slug: str
    raw_response_id: int | None
    failed_at: datetime
    issues: list[Mapping[str, Any]]


def _failures(records: Iterable[dg.EventLogRecord]) -> list[_Failure]:
    found: dict[tuple[str, str, int | None], _Failure] = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        evaluation = event.event_specific_data if event else None
        if (
            not isinstance(evaluation, dg.AssetCheckEvaluation)
            or evaluation.passed
            or evaluation.check_name not in BLOCKING_CHECKS
            or evaluation.partition is None
        ):
            continue
        raw, issues = evaluation.metadata.get("raw_response_id"), evaluation.metadata.get("issues")
        raw_response_id = int(raw.value) if isinstance(raw, dg.TextMetadataValue) and raw.value else None
        failed_at = datetime.fromtimestamp(record.timestamp, UTC)
        failure = found.setdefault(
            (record.run_id, evaluation.partition, raw_response_id),
            _Failure(evaluation.partition, raw_response_id, failed_at, []),
        )
        if isinstance(issues, dg.JsonMetadataValue) and isinstance(issues.value, list):
            failure.issues.extend(issues.value)
    return list(found.values())


def _request(session: "Session", failure: _Failure) -> dg.RunRequest | None:
    """Opens the task, or finds the open one, and asks for a run; None where the provider was synced since.

    None, too, where there is nothing to do: a worker is at the task, it waits for a person, or for its next attempt.
    Dagster launches a run key once: there is one run for each time that the task is due, and where that run never came
    to take it, another one after an hour.
    """
    slug = failure.slug
    provider_id = catalog.providers.find_id(session, slug)
    if provider_id is None:  # deleted since
        return None
    last_success_at = catalog.sync_state.get(session, provider_id).last_success_at
    if last_success_at is not None and last_success_at > failure.failed_at:
        return None
    task = sync.repair.worker.open_task(session, slug, raw_response_id=failure.raw_response_id, issues=failure.issues)
    found = catalog.tasks.get(session, task.id)
    if not catalog.task_claims.is_due(found, datetime.now(UTC)):
        return None
    hours = max(0, (failure.failed_at - found.created_at) // timedelta(hours=1))
    return dg.RunRequest(
        run_key=f"rule-gen-{task.id}-{found.started_at}-{failure.raw_response_id}-{hours}",
        job_name=regenerate_provider_rules_job.name,
        partition_key=slug,
        tags={"provider_pipeline/task": str(task.id)},
    )


@dg.sensor(
    name="provider_freshness_sensor",
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails provider_is_fresh for a provider without a recent success, even when no run happens at all.",
    metadata=kept_by_owner(OPERATIONS),
)
def provider_freshness_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Records an evaluation when a provider goes stale, when its failures make that an error, and when it is over.

    The sync that ends it records that only if it has other news: it does not know how long nothing ran.
    """
    cursor = context.cursor or ""
    reported: dict[str, str] = json.loads(cursor) if cursor.startswith("{") else {}
    now = datetime.now(UTC)
    with provider_database.open() as database, database.session() as session:
        evaluated = {
            slug: freshness(slug, last.at, now, failures=last.consecutive_failures)
            for slug, last in sorted(catalog.sync_state.last_successes(session).items())
        }
        samples = catalog.providers.sample_slugs(session)
    stale = {slug: each.severity.value for slug, each in evaluated.items() if not each.passed}
    if stale == reported:
        return dg.SkipReason(f"{len(stale)} stale providers, all reported")
    news = [
        event
        for slug, each in evaluated.items()
        if stale.get(slug) != reported.get(slug)
        for event in marked([each], sample=slug in samples)
    ]
    return dg.SensorResult(asset_events=news, cursor=json.dumps(stale))


@dg.sensor(
    name="webhook_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what happened to the webhook that PROVIDER_PIPELINE_WEBHOOK_URL names, signed, once per event.",
    metadata=kept_by_owner(OPERATIONS),
)
def webhook_sensor(context: dg.SensorEvaluationContext, provider_database: CatalogResource) -> dg.SkipReason:
    """Requests no run. A receiver that fails is asked again later; a setting that cannot be used fails the tick."""
    webhook = sync.webhook.Webhook.from_environment(os.environ)
    with provider_database.open() as database:
        deliveries = [] if webhook is None else sync.webhook.deliver_due(database.session, webhook)
        with database.session() as session:
            catalog.notifications.forget(
                session, before=datetime.now(UTC) - KEEP_NOTIFICATIONS, waiting_too=webhook is None
            )
            session.commit()
    for delivery in deliveries:
        context.log.info(
            f"{delivery.event_key}: {'delivered' if delivery.delivered else 'not delivered'}, {delivery.detail}"
        )
    delivered = sum(delivery.delivered for delivery in deliveries)
    return dg.SkipReason(
        "no webhook is set" if webhook is None else f"{delivered} of {len(deliveries)} notifications were delivered"
    )


SENSORS = (provider_partitions_sensor, rule_generation_sensor, provider_freshness_sensor, webhook_sensor)
