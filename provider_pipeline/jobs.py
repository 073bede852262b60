"""Dagster jobs: the fleet sync, the renewal of one provider's rule, and the day's digest.

They run in one process: a step of its own process costs seconds, and the work is threads waiting for other machines.
Both select every asset of the step, and the step decides by the launch: without a partition no rule is renewed. (A run
without partitions fails in Dagster if it leaves out `extraction_rule`, once that has a materialization: the step then
looks up a partition it does not have.)
"""

import dagster as dg

from provider_pipeline.asset_checks import EXTRACTION, RAW, TABLE
from provider_pipeline.assets import RULE

_SELECTION = dg.AssetSelection.assets(RULE, RAW, EXTRACTION, TABLE)

sync_all_providers_job = dg.define_asset_job(
    "sync_all_providers_job",
    selection=_SELECTION,
    description="Syncs every provider that is due. Launch it without a partition: one run for the whole fleet.",
    executor_def=dg.in_process_executor,
)

regenerate_provider_rules_job = dg.define_asset_job(
    "regenerate_provider_rules_job",
    selection=_SELECTION,
    description="Answers a provider's RULE_GEN tasks with a new rule, and syncs it where the rule is better.",
    executor_def=dg.in_process_executor,
)

change_digest_job = dg.define_asset_job(
    "change_digest_job",
    selection=dg.AssetSelection.assets("change_digest"),
    description="Writes a day's change digest.",
    executor_def=dg.in_process_executor,
)
