"""Dagster jobs: the fleet sync, and the renewal of one provider's rule.

Both run in one process: a step of its own process costs seconds, and the work is threads waiting for other machines.
"""

import dagster as dg

from provider_pipeline.asset_checks import EXTRACTION, RAW, TABLE
from provider_pipeline.assets import RULE

sync_all_providers_job = dg.define_asset_job(
    "sync_all_providers_job",
    selection=dg.AssetSelection.assets(RAW, EXTRACTION, TABLE),
    description="Syncs every provider that is due. Launch it without a partition: one run for the whole fleet.",
    executor_def=dg.in_process_executor,
)

regenerate_provider_rules_job = dg.define_asset_job(
    "regenerate_provider_rules_job",
    selection=dg.AssetSelection.assets(RULE, RAW, EXTRACTION, TABLE),
    description="Writes new rules for one provider from the response that failed, and syncs it if they are better.",
    executor_def=dg.in_process_executor,
)
