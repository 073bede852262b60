#!/usr/bin/env bash
# Dagster 1.13.27: with DAGSTER_EVENT_BATCH_SIZE, the materializations of a single-run backfill over 20 partitions reach
# the storage in batches. Materializations and observations that the step yields itself, one for each partition, are still
# stored one by one, and so is every evaluation of a check.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes DAGSTER_EVENT_BATCH_SIZE=50
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import logging
from collections import Counter
from importlib.metadata import version

import dagster as dg

logging.disable(logging.CRITICAL)
print("dagster", version("dagster"))
names = [f"p{number}" for number in range(20)]


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(names),
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("ok", asset="table")],
)
def table():
    for name in names:
        yield dg.AssetMaterialization("beside", partition=name)
        yield dg.AssetObservation("beside", partition=name)
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


alone, together = Counter(), Counter()
with dg.DagsterInstance.ephemeral() as instance:
    storage = type(instance.event_log_storage)
    store_one, store_many = storage.store_event, storage.store_event_batch
    in_batch = []

    def name_of(event):
        stored = event.dagster_event
        key = "" if stored.asset_key is None else f" of {stored.asset_key.to_user_string()}"
        return f"{stored.event_type_value}{key}"

    def store_event(self, event):
        if not in_batch and event.dagster_event is not None:
            alone[name_of(event)] += 1
        return store_one(self, event)

    def store_event_batch(self, events):
        together.update(map(name_of, events))
        in_batch.append(True)
        try:
            return store_many(self, events)
        finally:
            in_batch.pop()

    storage.store_event, storage.store_event_batch = store_event, store_event_batch
    span = {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[-1]}
    result = dg.materialize([table], instance=instance, tags=span)

found = {
    name: (alone[name], together[name])
    for name in sorted(alone | together)
    if name.startswith(("ASSET_MATERIALIZATION of", "ASSET_OBSERVATION")) or name == "ASSET_CHECK_EVALUATION"
}
for name, (singly, batched) in found.items():
    print(f"{name}: {singly} one by one, {batched} in batches")
assert result.success
assert found == {
    "ASSET_CHECK_EVALUATION": (1, 0),
    "ASSET_MATERIALIZATION of beside": (20, 0),
    "ASSET_MATERIALIZATION of table": (0, 20),
    "ASSET_OBSERVATION of beside": (20, 0),
}
PYTHON
