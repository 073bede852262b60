"""Dagster assets: the catalogue's three partitioned tables, and the rule that they depend on.

Here: which providers a run takes, and what it does for them. Not here: what a sync does (`provider_pipeline.sync`),
which events tell of it (`defs/events.py`) and what its checks say (`defs/checks.py`).

Three launches share one step: one partition from the UI, a backfill of many, and the scheduled fleet run without any
partition key, which takes every provider that is due. One step for many providers, because a run costs seconds to
start and every stored event tens of milliseconds; events with a partition of their own, because the results a
multi-partition step returns would mark failed providers as materialized. The rule is part of the step, and of every
job, because Dagster cannot run a step without partitions below a partitioned asset that is not in the run.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from provider_pipeline import catalog, rules, sync
from provider_pipeline.defs.checks import CHECK_SPECS
from provider_pipeline.defs.events import Event, is_news, marked, outcome_events, rule_event
from provider_pipeline.defs.keys import (
    CODE_VERSION,
    EXTRACTION,
    GROUP,
    HOW_A_SYNC_WORKS,
    OWNERS,
    PROVIDERS,
    RAW,
    RULE,
    TABLE,
    documented,
    stage,
)
from provider_pipeline.defs.metadata import column_schema
from provider_pipeline.defs.resources import CatalogResource, ListingResource
from provider_pipeline.errors import DatabaseUnavailableError, ProviderPipelineError

_STATEMENT_SECONDS = 60
_CONNECTION_SECONDS = 60
_MOST_CONNECTIONS = 20


def _spec(
    key: dg.AssetKey,
    description: str,
    *,
    deps: list[dg.AssetKey],
    kinds: set[str],
    at: str,
    page: str,
    metadata: Mapping[str, object] | None = None,
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds=kinds,
        code_version=CODE_VERSION,
        partitions_def=PROVIDERS,
        skippable=True,
        tags=stage(at),
        metadata={**documented(page), **(metadata or {})},
    )


class SyncConfig(dg.Config):
    """What a person can ask of one launch, in the launchpad."""

    accept: list[str] = Field(
        default_factory=list,
        description="Guards whose findings are taken this once: "
        f"{', '.join([*rules.guards.GUARDS, 'all'])}. Needs a partition.",
    )
    task: int | None = Field(
        default=None,
        description="The RULE_GEN task to answer, and no other. Needs its provider's partition, and a reason where the "
        "task waits: for a person, or for its next attempt.",
    )
    reason: str = Field(
        default="", description="Why the accepted listing is right, or the task is to be taken up again; recorded."
    )
    dry_run: bool = Field(default=False, description="Fetch and judge; write no model and record no event.")


SPECS = (
    _spec(
        RULE,
        "The provider's extraction rule: written from the response that failed, active once it proved better.",
        deps=[],
        kinds={"python", "postgres"},
        at="rule",
        page="docs/rules.md",
        metadata={"dagster/table_name": "rule_version"},
    ),
    _spec(
        RAW,
        "The provider's listing as it was sent: every page, content-addressed, replayable.",
        deps=[],
        kinds={"http", "postgres"},
        at="fetch",
        page="README.md#stored-responses",
        metadata={"dagster/table_name": "raw_response"},
    ),
    _spec(
        EXTRACTION,
        "The models that the active rule extracts from the listing, accepted by the blocking checks.",
        deps=[RAW, RULE],
        kinds={"python"},
        at="judge",
        page=HOW_A_SYNC_WORKS,
    ),
    _spec(
        TABLE,
        "The table of models: one row per provider and model id, changed in one transaction or not at all.",
        deps=[EXTRACTION],
        kinds={"postgres", "table"},
        at="write",
        page=HOW_A_SYNC_WORKS,
        metadata={
            "dagster/table_name": "provider_model",
            "dagster/column_schema": column_schema(rules.model_columns.PROVIDER_MODEL_COLUMNS),
        },
    ),
)


@dg.multi_asset(
    name=GROUP,
    specs=SPECS,
    check_specs=CHECK_SPECS,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def provider_catalog(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    provider_database: CatalogResource,
    listings: ListingResource,
) -> Iterator[Event | dg.Output[None]]:
    """Syncs providers side by side and records each one truthfully.

    With a partition key or range, open RULE_GEN tasks are answered first where `extraction_rule` is selected, and every
    provider leaves events. Without, the due providers are synced, no rule is renewed, and only providers whose listing
    or rows changed, that failed, or that recovered leave events.
    """
    _keep_connections(context.instance)
    for_partitions = context.has_partition_key or context.has_partition_key_range
    accept = sync.outcome.accept_guards(config.accept, config.reason, author=f"Dagster run {context.run.run_id}")
    if accept is not None and not context.has_partition_key:
        raise dg.Failure("guards are accepted for one provider: launch its partition", allow_retries=False)
    selected = context.selected_asset_keys
    if config.task is not None and (not context.has_partition_key or RULE not in selected or config.dry_run):
        raise dg.Failure(
            f"a task is answered in its provider's partition, with {RULE.to_user_string()} and without dry_run",
            allow_retries=False,
        )
    renewed: set[str] = set()
    troubled: dict[str, str] = {}
    skipped: dict[str, str] = {}
    with provider_database.open() as database:
        slugs = _chosen(context) if for_partitions else _due(context, database)
        with database.session() as session:
            samples = catalog.providers.sample_slugs(session)
        if for_partitions and RULE in selected and not config.dry_run:
            for slug, event in _renew_rules(database, slugs, renewed, troubled, config, unasked=selected == {RULE}):
                yield from marked([event], sample=slug in samples)
        to_sync = [slug for slug in slugs if slug not in troubled] if selected - {RULE} else []
        context.log.info(f"syncing {len(to_sync)} providers, {listings.max_concurrency} at a time")
        for outcome in sync.fleet.attempt_many(
            database.session,
            to_sync,
            client=listings.client(),
            max_workers=listings.max_concurrency,
            keep="nothing" if config.dry_run else "all" if TABLE in selected else "raw",
            accept=accept,
        ):
            if outcome.status == "skipped":  # the provider is another process's
                context.log.warning(f"skipped: {outcome.reason}")
                skipped[outcome.slug] = outcome.reason or outcome.status
                continue
            if outcome.status != "synced":
                troubled[outcome.slug] = outcome.reason or outcome.status
                context.log.warning(f"{outcome.status}: {outcome.reason}", exc_info=_crash(outcome))
            if config.dry_run:
                context.log.info(f"dry run, nothing is kept: {json.dumps(outcome.summary(), ensure_ascii=False)}")
                continue
            if _crash(outcome) is None and (for_partitions or is_news(outcome)):  # a crash says nothing of the data
                events = outcome_events(outcome, accept, new_rule=outcome.slug not in renewed)
                yield from _selected(context, marked(events, sample=outcome.slug in samples))
    if len(skipped) == len(to_sync):  # a run that could do nothing must not look like one that did
        troubled |= skipped
    for key in context.selected_asset_check_keys:  # check outputs are not optional
        yield dg.Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")
    if troubled:
        raise dg.Failure(
            description=_failure([troubled[slug] for slug in sorted(troubled)], of=len(slugs)),
            metadata={"providers": dg.MetadataValue.json(troubled)},
            allow_retries=False,
        )


def _keep_connections(instance: dg.DagsterInstance) -> None:
    """Lets this process keep its connection to Dagster's storage, as the UI's server does.

    A run's process otherwise connects for every statement, which is most of what an event costs. Each event is still
    stored at once, by itself and in order. A storage that does not connect ignores it.
    """
    instance.optimize_for_webserver(
        statement_timeout=1_000 * _STATEMENT_SECONDS,
        pool_recycle=_CONNECTION_SECONDS,  # a short life: a server may restart while a run goes on
        max_overflow=_MOST_CONNECTIONS,
    )


def _renew_rules(
    database: "catalog.database.Database",
    slugs: list[str],
    renewed: set[str],
    troubled: dict[str, str],
    config: SyncConfig,
    *,
    unasked: bool,
) -> Iterator[tuple[str, Event]]:
    """Answers the task that is named, or all that are due, or looks for better rules; yields each provider's events.

    A provider that waits for a person is not synced.
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
                troubled[slug] = str(error)
                continue
        for repair in repairs:
            yield slug, rule_event(repair)
        if repairs and repairs[-1].status == "needs_review":
            troubled[slug] = f"{slug}: a person must decide: {repairs[-1].reason}"
        elif repairs:
            renewed.add(slug)


def _chosen(context: dg.AssetExecutionContext) -> list[str]:
    """The providers of a launch for partitions; that it names none is a mistake of whoever launched it."""
    slugs = sorted(context.partition_keys)
    if not slugs:
        start, end = context.partition_key_range
        raise dg.Failure(
            f"the partition range from {start} to {end} holds no provider: partitions are in the order in which they "
            f"were added, and {end} comes before {start}; launch it from {end} to {start}, or each partition by itself",
            allow_retries=False,
        )
    return slugs


def _due(context: dg.AssetExecutionContext, database: "catalog.database.Database") -> list[str]:
    with database.session() as session:
        slugs = catalog.providers.due(session, datetime.now(UTC))
    known = set(context.instance.get_dynamic_partitions(str(PROVIDERS.name)))
    if unknown := [slug for slug in slugs if slug not in known]:
        context.instance.add_dynamic_partitions(str(PROVIDERS.name), unknown)
    return slugs


def _failure(reasons: list[str], *, of: int) -> str:
    """The step's error: which providers were not written, and why."""
    if of == 1:
        return reasons[0]
    if len(reasons) == of:
        return f"none of {of} providers was written: {'; '.join(reasons)}"
    return f"{len(reasons)} of {of} providers were not written; every other one was. {'; '.join(reasons)}"


def _crash(outcome: "sync.outcome.SyncOutcome") -> Exception | None:
    """The exception whose traceback belongs into the log: a defect or a database fault, not the provider's failure."""
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
