#!/usr/bin/env bash
# Dagster 1.13.27: a step that yields an AssetCheckEvaluation for a partition itself, after the partition's materialization,
# has it counted as "missing" by the check's page: without target_materialization_data an evaluation is never current there.
# The overview, which goes by time or by the run, shows the same evaluation as passed. A later materialization without
# a partition makes all partitions of the check missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes
"$folder/venv/bin/python" -W ignore - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import logging
from importlib.metadata import version

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

logging.disable(logging.CRITICAL)
print("dagster", version("dagster"))
partitions = dg.StaticPartitionsDefinition(["bare", "aimed"])
check = dg.AssetCheckKey(dg.AssetKey("table"), "ok")


@dg.op
def step(context):
    for name in ("bare", "aimed"):
        yield dg.AssetMaterialization("table", partition=name)
        (latest,) = context.instance.fetch_materializations(dg.AssetKey("table"), limit=1).records
        target = Target(storage_id=latest.storage_id, run_id=context.run_id, timestamp=latest.timestamp)
        yield dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=True,
            partition=name,
            target_materialization_data=target if name == "aimed" else None,
        )
    yield dg.Output(None)


@dg.job
def job():
    step()


with dg.DagsterInstance.ephemeral() as instance:
    assert job.execute_in_process(instance=instance).success

    def current():
        found = instance.event_log_storage.get_asset_check_partition_info([check])
        return {each.partition_key: each.is_current for each in found}

    before = current()
    instance.report_runless_asset_event(dg.AssetMaterialization("table"))
    after = current()
print("current evaluations:", before)
print("after a materialization without a partition:", after)
assert before == {"bare": False, "aimed": True}
assert after == {"bare": False, "aimed": False}
PYTHON
