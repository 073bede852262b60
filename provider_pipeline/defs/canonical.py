"""The asset that joins offers of the same model, and the sensor that launches what follows the table."""

import dagster as dg

from provider_pipeline import catalog
from provider_pipeline.defs.jobs import UNFINISHED
from provider_pipeline.defs.keys import CANONICAL, CODE_VERSION, GROUP, TABLE, documented, stage
from provider_pipeline.defs.resources import CatalogResource

_PAGE = "docs/identity.md"


@dg.asset(
    key=CANONICAL,
    deps=[dg.AssetDep(TABLE, partition_mapping=dg.AllPartitionMapping())],
    group_name=GROUP,
    kinds={"postgres"},
    code_version=CODE_VERSION,
    tags=stage("report"),
    metadata=documented(_PAGE),
    description="Each model as its maker released it, whoever offers it, and what its offers agree on.",
)
def canonical_model(provider_database: CatalogResource) -> dg.MaterializeResult[None]:
    """Assigns new and changed offers to their models and computes those models anew."""
    with provider_database.open() as database, database.session() as session:
        report = catalog.canonical.refresh(session)
        counts = catalog.canonical.counts(session)
        session.commit()
    return dg.MaterializeResult(
        metadata={
            **counts,
            "offers_assigned": report.offers_assigned,
            "models_changed": report.models_changed,
            "models_removed": report.models_removed,
        }
    )


@dg.sensor(
    name="catalog_outputs_sensor",
    job_name="catalog_outputs_job",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Once models changed and no fleet run is unfinished: renews canonical models and exports.",
    metadata=documented(_PAGE),
)
def catalog_outputs_sensor(
    context: dg.SensorEvaluationContext, provider_database: CatalogResource
) -> dg.RunRequest | dg.SkipReason:
    """The cursor is the state of the table that was last asked to be followed."""
    running = context.instance.get_runs(
        filters=dg.RunsFilter(job_name="sync_all_providers_job", statuses=UNFINISHED), limit=1
    )
    if running:
        return dg.SkipReason(f"the fleet run {running[0].run_id} has not ended yet")
    with provider_database.open() as database, database.session() as session:
        state = catalog.canonical.table_state(session)
    if state == context.cursor:
        return dg.SkipReason("no model changed")
    context.update_cursor(state)
    return dg.RunRequest(run_key=state)
