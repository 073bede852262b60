"""Dagster jobs: the fleet sync, the renewal of one provider's rule, and the day's digest.

They run in one process: a step of its own process costs seconds, and the work is threads waiting for other machines.
Both select every asset of the step, and the step decides by the launch: without a partition no rule is renewed. (A run
without partitions fails in Dagster if it leaves out `extraction_rule`, once that has a materialization: the step then
looks up a partition it does not have.)
"""

import dagster as dg

from provider_pipeline.defs.keys import (
    DIGEST,
    EXTRACTION,
    HOW_A_SYNC_WORKS,
    OPERATIONS,
    RAW,
    RULE,
    TABLE,
    kept_by_owner,
)

LAUNCH = "provider_pipeline/launch"
"""The tag of a job's runs that says what they are for; `dagster.yaml` limits how many of a kind run at once."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
"""Statuses of a run that may still record something."""

_SELECTION = dg.AssetSelection.assets(RULE, RAW, EXTRACTION, TABLE)

sync_all_providers_job = dg.define_asset_job(
    "sync_all_providers_job",
    selection=_SELECTION,
    description="Syncs every provider that is due. Launch it without a partition: one run for the whole fleet.",
    tags={LAUNCH: "fleet"},
    metadata=kept_by_owner(OPERATIONS),
    executor_def=dg.in_process_executor,
)

regenerate_provider_rules_job = dg.define_asset_job(
    "regenerate_provider_rules_job",
    selection=_SELECTION,
    description="Answers a provider's RULE_GEN tasks with a new rule, and syncs it where the rule is better.",
    tags={LAUNCH: "repair"},
    metadata=kept_by_owner(HOW_A_SYNC_WORKS),
    executor_def=dg.in_process_executor,
)

change_digest_job = dg.define_asset_job(
    "change_digest_job",
    selection=dg.AssetSelection.assets(DIGEST),
    description="Writes a day's change digest.",
    tags={LAUNCH: "digest"},
    metadata=kept_by_owner(OPERATIONS),
    executor_def=dg.in_process_executor,
)
