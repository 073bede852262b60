"""Dagster jobs: the fleet sync, the renewal of one provider's rule, what follows the table, and the day's digest.

They run in one process: a process per step costs seconds to start, and the work is threads that wait for the network.
"""

import dagster as dg

from provider_pipeline.defs.keys import (
    CANONICAL,
    DIGEST,
    EXTRACTION,
    HOW_A_SYNC_WORKS,
    OPERATIONS,
    RAW,
    RULE,
    TABLE,
    documented,
)
from provider_pipeline.defs.shards import SHARD, WHOLE

LAUNCH = "provider_pipeline/launch"
"""Tag with the kind of a run; `deploy/dagster.yaml` limits how many of each kind run at once."""

PARTITION_TAG = "dagster/partition"
"""Dagster's own tag with the partition of a run."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
"""Statuses of a run that may still record events."""

_SELECTION = dg.AssetSelection.assets(RULE, RAW, EXTRACTION, TABLE)

sync_all_providers_job = dg.define_asset_job(
    "sync_all_providers_job",
    selection=_SELECTION,
    description="Syncs every provider that is due. Launch it without a partition: one run for the whole fleet, or "
    "for one of its shards.",
    tags={LAUNCH: "fleet", SHARD: str(WHOLE)},
    metadata=documented(OPERATIONS),
    executor_def=dg.in_process_executor,
)

regenerate_provider_rules_job = dg.define_asset_job(
    "regenerate_provider_rules_job",
    selection=_SELECTION,
    description="Answers a provider's RULE_GEN tasks with a new rule, and syncs it if the rule is better.",
    tags={LAUNCH: "repair"},
    metadata=documented(HOW_A_SYNC_WORKS),
    executor_def=dg.in_process_executor,
)

catalog_outputs_job = dg.define_asset_job(
    "catalog_outputs_job",
    selection=dg.AssetSelection.assets(CANONICAL).downstream(),
    description="Brings everything that follows the table of models up to date, canonical models first.",
    tags={LAUNCH: "outputs"},
    metadata=documented(OPERATIONS),
    executor_def=dg.in_process_executor,
)

change_digest_job = dg.define_asset_job(
    "change_digest_job",
    selection=dg.AssetSelection.assets(DIGEST),
    description="Writes a day's change digest.",
    tags={LAUNCH: "digest"},
    metadata=documented(OPERATIONS),
    executor_def=dg.in_process_executor,
)

JOBS = (sync_all_providers_job, regenerate_provider_rules_job, catalog_outputs_job, change_digest_job)
