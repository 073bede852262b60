"""Dagster sensors: partitions and outputs follow the catalogue, failed checks become tasks, news is sent.

A failed read of the catalogue fails the tick; it is never taken for an empty list.
"""

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from provider_pipeline import catalog, report, sync
from provider_pipeline.defs.checks import LISTING_IS_PLAUSIBLE, RULE_EXTRACTS_MODELS, freshness, marked, retirement
from provider_pipeline.defs.digest import missing_days
from provider_pipeline.defs.jobs import LAUNCH, PARTITION_TAG, UNFINISHED
from provider_pipeline.defs.keys import (
    DAYS,
    DAYS_NAME,
    HOW_A_SYNC_WORKS,
    OPERATIONS,
    PROVIDERS,
    PROVIDERS_NAME,
    documented,
)
from provider_pipeline.defs.resources import CatalogResource, WebhookResource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


BLOCKING_CHECKS = frozenset({RULE_EXTRACTS_MODELS.name, LISTING_IS_PLAUSIBLE.name})
EVENTS_PER_TICK = 200
KEEP_NOTIFICATIONS = timedelta(days=30)


@dataclass(frozen=True)
class PartitionChanges:
    """Partition keys to add and to delete, sorted."""

    add: tuple[str, ...]
    delete: tuple[str, ...]


def partition_changes(wanted: Set[str], existing: Set[str], in_flight: Set[str]) -> PartitionChanges:
    """The changes that make the partitions equal to the active providers.

    A partition in flight, with an unfinished run, is deleted at a later tick: its events would lose their partition.
    """
    return PartitionChanges(tuple(sorted(wanted - existing)), tuple(sorted(existing - wanted - in_flight)))


@dg.sensor(
    name="provider_partitions_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the partitions equal to the active providers, and the digest's to the catalogue's days.",
    metadata=documented(OPERATIONS),
)
def provider_partitions_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Adds and deletes partitions; requests no run."""
    existing = set(context.instance.get_dynamic_partitions(PROVIDERS_NAME))
    with provider_database.open() as database, database.session() as session:
        wanted = {provider.slug for provider in catalog.providers.list_providers(session, enabled_only=True)}
        days = missing_days(
            session, set(context.instance.get_dynamic_partitions(DAYS_NAME)), until=datetime.now(UTC).date()
        )
    changes = partition_changes(wanted, existing, _in_flight(context.instance, existing))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if days:
        requests.append(DAYS.build_add_request(days))
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
        partition = run.tags.get(PARTITION_TAG)
        if partition is None:  # a fleet run or a range may work on any of them
            return set(existing)
        busy.add(partition)
    return busy


@dg.sensor(
    name="rule_generation_sensor",
    job_name="regenerate_provider_rules_job",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A blocking check that failed becomes a RULE_GEN task, and a run that writes new rules.",
    metadata=documented(HOW_A_SYNC_WORKS),
)
def rule_generation_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Reads check evaluations after its cursor; a failure that repeats keeps its one open task."""
    # Deprecated for Dagster 2, and in the releases that pyproject.toml allows the only way to read the evaluations of
    # all partitions after a cursor: the `fetch_*` methods that replace it have none for check evaluations.
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
    partitions = set(context.instance.get_dynamic_partitions(PROVIDERS_NAME))
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
    """A listing that failed one blocking check or both, which is one failure."""

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
            or evaluation.severity is not dg.AssetCheckSeverity.ERROR  # a warning: the check was not reached
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
    """Opens the task, or finds the open one, and requests a run for it.

    None if there is nothing to do: the provider was deleted or synced since, a worker has claimed the task, or it waits
    for a person or for its next attempt.
    """
    slug = failure.slug
    provider_id = catalog.providers.find_id(session, slug)
    if provider_id is None:
        return None
    last_success_at = catalog.sync_state.get(session, provider_id).last_success_at
    if last_success_at is not None and last_success_at > failure.failed_at:
        return None
    task = sync.repair.worker.open_task(session, slug, raw_response_id=failure.raw_response_id, issues=failure.issues)
    found = catalog.tasks.get(session, task.id)
    if not catalog.task_claims.is_due(found, datetime.now(UTC)):
        return None
    # Dagster launches a run key once: one run for each time the task is due, and another one each hour in case that
    # run never started.
    hours = max(0, (failure.failed_at - found.created_at) // timedelta(hours=1))
    return dg.RunRequest(
        run_key=f"rule-gen-{task.id}-{found.started_at}-{failure.raw_response_id}-{hours}",
        job_name="regenerate_provider_rules_job",
        partition_key=slug,
        tags={"provider_pipeline/task": str(task.id)},
    )


@dg.sensor(
    name="provider_freshness_sensor",
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails provider_is_fresh and no_model_retires_soon when their time has come, even when no run happens.",
    metadata=documented(OPERATIONS),
)
def provider_freshness_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """Records when a provider goes stale, when its failures make that an error, and when it is fresh again.

    The same for models that end within the provider's notice.

    A sync without other news records nothing, so it cannot end the staleness itself.
    """
    cursor = context.cursor or ""
    reported: dict[str, str] = json.loads(cursor) if cursor.startswith("{") else {}
    now = datetime.now(UTC)
    with provider_database.open() as database, database.session() as session:
        evaluated = [
            freshness(slug, last.at, now, failures=last.consecutive_failures)
            for slug, last in sorted(catalog.sync_state.last_successes(session).items())
        ]
        notice = {
            each.slug: days
            for each in catalog.providers.list_providers(session)
            if (days := each.thresholds.get("retirement_notice_days"))
        }
        retiring = catalog.notifications.within_notice(session, notice, today=now.date())
        evaluated += [retirement(slug, ends) for slug, ends in retiring.items()]
        samples = catalog.providers.sample_slugs(session)
    failing = {_key(each): f"{each.severity.value} {each.description}" for each in evaluated if not each.passed}
    if failing == reported:
        return dg.SkipReason(f"{len(failing)} failing checks, all reported")
    news = [
        event
        for each in evaluated
        if failing.get(_key(each)) != reported.get(_key(each))
        for event in marked([each], sample=each.partition in samples)
    ]
    return dg.SensorResult(asset_events=news, cursor=json.dumps(failing))


def _key(evaluation: dg.AssetCheckEvaluation) -> str:
    return f"{evaluation.partition} {evaluation.check_name}"


@dg.sensor(
    name="webhook_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what happened, and which models end soon, to the webhook, signed, once per event.",
    metadata=documented(OPERATIONS),
)
def webhook_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource, webhook: WebhookResource
) -> dg.SkipReason:
    """Requests no run. A failed delivery is retried at a later tick; an unusable setting fails the tick."""
    receiver = webhook.webhook()
    now = datetime.now(UTC)
    hour = now.strftime("%Y-%m-%dT%H")
    with provider_database.open() as database:
        if context.cursor != hour:  # days pass without any sync
            with database.session() as session:
                sync.events.retiring_models(session, now=now)
                session.commit()
            context.update_cursor(hour)
        deliveries = [] if receiver is None else sync.webhook.deliver_due(database.session, receiver)
        with database.session() as session:
            catalog.notifications.forget(session, before=now - KEEP_NOTIFICATIONS, waiting_too=receiver is None)
            session.commit()
    for delivery in deliveries:
        context.log.info(
            f"{delivery.event_key}: {'delivered' if delivery.delivered else 'not delivered'}, {delivery.detail}"
        )
    delivered = sum(delivery.delivered for delivery in deliveries)
    return dg.SkipReason(
        "no webhook is set" if receiver is None else f"{delivered} of {len(deliveries)} notifications were delivered"
    )


@dg.sensor(
    name="catalog_outputs_sensor",
    job_name="catalog_outputs_job",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="When models or blocked providers changed, renews what follows the table, after every fleet run.",
    metadata=documented(OPERATIONS),
)
def catalog_outputs_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.SensorResult | dg.SkipReason:
    """The cursor is the state of the catalogue that the last requested run starts from, or a later one."""
    with provider_database.open() as database, database.session() as session:
        state = f"{catalog.canonical.state(session)} {report.contents.providers_state(session)}"
    if state == context.cursor:
        return dg.SkipReason("no model or provider changed")
    busy = dg.RunsFilter(statuses=UNFINISHED, tags={LAUNCH: ["fleet", "outputs"]})
    if context.instance.get_runs(filters=busy, limit=1):
        return dg.SkipReason("waits for the end of a fleet run, or of the last run for outputs")
    # A new run key for each request: a catalogue that returns to an earlier state is refreshed again.
    return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=state)


SENSORS = (
    provider_partitions_sensor,
    rule_generation_sensor,
    catalog_outputs_sensor,
    provider_freshness_sensor,
    webhook_sensor,
)
