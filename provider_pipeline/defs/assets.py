"""The catalogue's partitioned assets, and the one step that materializes them for any number of providers."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from provider_pipeline import catalog, rules, sync
from provider_pipeline.defs.checks import (
    CHECK_SPECS,
    SAMPLE,
    Event,
    is_news,
    marked,
    outcome_events,
    rule_event,
    unreached,
)
from provider_pipeline.defs.keys import (
    CODE_VERSION,
    EXTRACTION,
    GROUP,
    HOW_A_SYNC_WORKS,
    PROVIDERS,
    PROVIDERS_NAME,
    RAW,
    RULE,
    TABLE,
    documented,
    stage,
)
from provider_pipeline.defs.metadata import column_schema, fleet_metadata
from provider_pipeline.defs.resources import CatalogResource, ListingResource
from provider_pipeline.defs.shards import WHOLE, Shard
from provider_pipeline.errors import DatabaseUnavailableError, ProviderPipelineError

STATEMENT_SECONDS = 60
CONNECTION_SECONDS = 60
MAX_CONNECTIONS = 20


class SyncConfig(dg.Config):
    """What a launch can ask for, in the launchpad."""

    accept: list[str] = Field(
        default_factory=list,
        description="Guards whose findings are accepted this once: "
        f"{', '.join([*rules.issues.GUARDS, 'all'])}. Needs a partition.",
    )
    task: int | None = Field(
        default=None,
        description="The one RULE_GEN task to answer. Needs its provider's partition, and a reason if the task waits "
        "for a person or for its next attempt.",
    )
    reason: str = Field(
        default="", description="Why the accepted listing is right, or why the task is taken up again; recorded."
    )
    dry_run: bool = Field(default=False, description="Fetch and judge; write no model and record no event.")
    shard: int = Field(default=1, ge=1, description="The fleet's shard to sync, from 1 to `shards`.")
    shards: int = Field(default=1, ge=1, description="Number of shards that the fleet is split into.")


def _spec(
    key: dg.AssetKey,
    description: str,
    *,
    kinds: set[str],
    at: str,
    page: str,
    metadata: Mapping[str, object] | None = None,
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        group_name=GROUP,
        kinds=kinds,
        code_version=CODE_VERSION,
        partitions_def=PROVIDERS,
        skippable=True,
        tags=stage(at),
        metadata={**documented(page), **(metadata or {})},
    )


SPECS = (
    _spec(
        RULE,
        "The provider's extraction rule: written from the response that failed, active once it proved better.",
        kinds={"python", "postgres"},
        at="rule",
        page="docs/rules.md",
        metadata={"dagster/table_name": "rule_version"},
    ),
    _spec(
        RAW,
        "The provider's listing as it was sent: every page, content-addressed, replayable.",
        kinds={"http", "postgres"},
        at="fetch",
        page="docs/syncs.md",
        metadata={"dagster/table_name": "raw_response"},
    ),
    _spec(
        EXTRACTION,
        "The models that the active rule extracts from the listing, accepted by the blocking checks.",
        kinds={"python"},
        at="judge",
        page=HOW_A_SYNC_WORKS,
        metadata={
            "dagster/column_schema": column_schema(
                column for column in rules.model_columns.PROVIDER_MODEL_COLUMNS if column.listed
            )
        },
    ),
    _spec(
        TABLE,
        "The table of models: one row per provider and model id, changed in one transaction or not at all.",
        kinds={"postgres", "table"},
        at="write",
        page=HOW_A_SYNC_WORKS,
        metadata={
            "dagster/table_name": "provider_model",
            "dagster/column_schema": column_schema(rules.model_columns.PROVIDER_MODEL_COLUMNS),
        },
    ),
)

DEPENDENCIES: Mapping[dg.AssetKey, list[dg.AssetKey]] = {EXTRACTION: [RAW, RULE], TABLE: [EXTRACTION]}


# One step for a partition, a backfill of many, and the scheduled fleet run, because a run takes seconds to start and
# each stored event milliseconds. It records its own events per partition, because the results of a multi-partition step
# would mark failed providers as materialized.
@dg.multi_asset(
    name=GROUP,
    specs=SPECS,
    check_specs=CHECK_SPECS,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def _provider_catalog(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    provider_database: CatalogResource,
    listings: ListingResource,
) -> Iterator[Event | dg.Output[None]]:
    """Syncs providers side by side and records the outcome of each one.

    A launch for partitions first answers open RULE_GEN tasks if `extraction_rule` is selected, records every provider,
    and fails if one was not written. A fleet run has no partition key and takes every provider of its shard that is
    due. It renews no rule, records only providers whose listing or rows changed, that failed or recovered, and fails
    only for a fault of ours or the database's.
    """
    _keep_connections(context.instance)
    for_partitions = context.has_partition_key or context.has_partition_key_range
    selected = context.selected_asset_keys
    accept = sync.plan.accept_guards(config.accept, config.reason, author=f"Dagster run {context.run.run_id}")
    if accept is not None and not context.has_partition_key:
        raise dg.Failure("guards are accepted for one provider: launch its partition", allow_retries=False)
    if config.task is not None and (not context.has_partition_key or RULE not in selected or config.dry_run):
        raise dg.Failure(
            f"a task is answered in its provider's partition, with {RULE.to_user_string()} and without dry_run",
            allow_retries=False,
        )
    shard = Shard(config.shard, config.shards)
    if shard.number > shard.of or (for_partitions and shard != WHOLE):
        raise dg.Failure(
            f"expected a shard from 1 to {shard.of} and no partition, got shard {shard.number}", allow_retries=False
        )
    renewed: set[str] = set()
    not_written: dict[str, str] = {}
    statuses: dict[str, str] = {}
    crashed = False
    with provider_database.open() as database:
        slugs = _requested(context) if for_partitions else _due(context, database, shard)
        with database.session() as session:
            samples = catalog.providers.sample_slugs(session)
        if for_partitions and RULE in selected and not config.dry_run:
            for slug, event in _renew_rules(database, slugs, renewed, not_written, config, unasked=selected == {RULE}):
                yield from marked([event], sample=slug in samples)
        to_sync = [slug for slug in slugs if slug not in not_written] if selected - {RULE} else []
        for slug, reason in not_written.items():
            yield from _selected(context, marked(unreached(slug, [], reason), sample=slug in samples))
        context.log.info(f"syncing {len(to_sync)} providers, {listings.max_concurrency} at a time")
        for outcome in sync.fleet.attempt_many(
            database.session,
            to_sync,
            client=listings.client(),
            max_workers=listings.max_concurrency,
            keep="nothing" if config.dry_run else "all" if TABLE in selected else "raw",
            accept=accept,
        ):
            fault = _fault(outcome)
            crashed = crashed or fault is not None
            statuses[outcome.slug] = outcome.status
            if outcome.status != "synced":
                not_written[outcome.slug] = outcome.reason or outcome.status
                context.log.warning(f"{outcome.status}: {outcome.reason}", exc_info=fault)
            if config.dry_run:
                context.log.info(f"dry run, nothing is kept: {json.dumps(outcome.summary(), ensure_ascii=False)}")
                continue
            events = _recorded(database, outcome, accept, every=for_partitions, new_rule=outcome.slug not in renewed)
            yield from _selected(context, marked(events, sample=outcome.slug in samples))
    # Dagster requires an output for each selected check; the assets' outputs are optional.
    outputs = {context.output_for_asset_key(key) for key in selected}
    for name in sorted(context.op_execution_context.selected_output_names - outputs):
        yield dg.Output(None, output_name=name)
    # A run that could do nothing must not look like one that did.
    all_skipped = bool(statuses) and set(statuses.values()) == {"skipped"}
    if not_written and (for_partitions or crashed or all_skipped):
        raise dg.Failure(
            description=_failure([not_written[slug] for slug in sorted(not_written)], of=len(slugs)),
            metadata={"providers": dg.MetadataValue.json(not_written)},
            allow_retries=False,
        )
    if not for_partitions and not config.dry_run and TABLE in selected:
        # The table as a whole, without a partition: steps of the same run that depend on it are skipped without it.
        yield dg.Output(
            None,
            output_name=context.output_for_asset_key(TABLE),
            metadata=fleet_metadata(statuses, not_written)
            | ({} if shard == WHOLE else {"shard": str(shard)})
            | ({SAMPLE: True} if samples.issuperset(slugs) else {}),
        )


# The dependencies within the step are added here, because the decorator would make each one an input of the step. For
# an input, a run without a partition key looks up the partitions that it reads, and fails.
(provider_catalog,) = dg.map_asset_specs(
    lambda spec: spec.merge_attributes(deps=DEPENDENCIES.get(spec.key, [])), [_provider_catalog]
)


def _keep_connections(instance: dg.DagsterInstance) -> None:
    """Lets this process keep its connection to Dagster's storage, as the UI's server does.

    Otherwise it connects for every statement, which is most of an event's cost. Dagster has no setting for it and no
    other method; a storage without connections ignores it. Each event is still stored at once and in order.
    """
    instance.optimize_for_webserver(
        statement_timeout=1_000 * STATEMENT_SECONDS,
        pool_recycle=CONNECTION_SECONDS,  # short, because the server may restart during a run
        max_overflow=MAX_CONNECTIONS,
    )


def _renew_rules(
    database: "catalog.database.Database",
    slugs: list[str],
    renewed: set[str],
    not_written: dict[str, str],
    config: SyncConfig,
    *,
    unasked: bool,
) -> Iterator[tuple[str, Event]]:
    """Answers the requested task, or all that are due; without any and `unasked`, looks for a better rule.

    Yields each provider's events. A provider whose task waits for review is not synced.
    """
    for slug in slugs:
        with database.session() as session:
            try:
                if config.task is not None:
                    repairs = [sync.repair.review.answer_now(session, config.task, slug, reason=config.reason)]
                else:
                    repairs = sync.repair.worker.answer_tasks(session, slug)
                    if not repairs and unasked:
                        repairs = [sync.repair.worker.improve_rule(session, slug)]
            except ProviderPipelineError as error:
                not_written[slug] = str(error)
                continue
        for repair in repairs:
            yield slug, rule_event(repair)
        if repairs and repairs[-1].status == "needs_review":
            not_written[slug] = f"{slug}: a person must decide: {repairs[-1].reason}"
        elif repairs:
            renewed.add(slug)


def _requested(context: dg.AssetExecutionContext) -> list[str]:
    slugs = sorted(context.partition_keys)
    if not slugs:
        start, end = context.partition_key_range
        raise dg.Failure(
            f"the partition range from {start} to {end} holds no provider: partitions are in the order in which they "
            f"were added, and {end} comes before {start}; launch it from {end} to {start}, or each partition by itself",
            allow_retries=False,
        )
    return slugs


def _due(context: dg.AssetExecutionContext, database: "catalog.database.Database", shard: Shard) -> list[str]:
    with database.session() as session:
        slugs = [slug for slug in catalog.providers.due(session, datetime.now(UTC)) if shard.holds(slug)]
    known = set(context.instance.get_dynamic_partitions(PROVIDERS_NAME))
    if unknown := [slug for slug in slugs if slug not in known]:
        context.instance.add_dynamic_partitions(PROVIDERS_NAME, unknown)
    return slugs


def _recorded(
    database: "catalog.database.Database",
    outcome: "sync.outcome.SyncOutcome",
    accept: "sync.plan.AcceptedGuards | None",
    *,
    every: bool,
    new_rule: bool,
) -> Iterator[Event]:
    """The events to record of one outcome: all there are for named partitions (`every`), else only news."""
    if outcome.status == "skipped" or _fault(outcome) is not None:
        # Neither another process's lock nor a crash says anything about the provider's data.
        return unreached(outcome.slug, [], outcome.reason or outcome.status) if every else iter(())
    if every or is_news(outcome):
        preview = None
        if outcome.status == "synced":
            with database.session() as session:
                preview = catalog.models.preview(session, outcome.slug)
        return outcome_events(outcome, accept, new_rule=new_rule, every_check=every, preview=preview)
    return iter(())


def _failure(reasons: list[str], *, of: int) -> str:
    if of == 1:
        return reasons[0]
    if len(reasons) == of:
        return f"none of {of} providers was written: {'; '.join(reasons)}"
    return f"{len(reasons)} of {of} providers were not written; every other one was. {'; '.join(reasons)}"


def _fault(outcome: "sync.outcome.SyncOutcome") -> Exception | None:
    """The exception if a defect or the database failed the sync, and not the provider: its traceback is logged."""
    error = outcome.error
    is_the_providers = isinstance(error, ProviderPipelineError) and not isinstance(error, DatabaseUnavailableError)
    return None if is_the_providers else error


def _selected(context: dg.AssetExecutionContext, events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        if isinstance(event, (dg.AssetMaterialization, dg.AssetObservation)):
            if event.asset_key in context.selected_asset_keys:
                yield event
        elif event.asset_check_key in context.selected_asset_check_keys:
            yield event
