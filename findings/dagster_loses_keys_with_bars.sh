#!/usr/bin/env bash
# Dagster 1.13.27: a dynamic partition whose key contains "|" is there alone and gone without a word where it is one of two
# dimensions: MultiPartitionsDefinition counts 2 partitions for 2 models and 2 zones, and materializing one of the others is
# an unknown partition. A static key with "|" is refused when the definition is made, and ",", "[" and "]", refused with
# it, work in a dynamic one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import logging
from importlib.metadata import version

import dagster as dg
from dagster._core.errors import DagsterUnknownPartitionError

logging.disable(logging.CRITICAL)
print("dagster", version("dagster"))
models = dg.DynamicPartitionsDefinition(name="models")
zones = dg.StaticPartitionsDefinition(["eu", "us"])
both = dg.MultiPartitionsDefinition({"model": models, "zone": zones})


@dg.asset(partitions_def=models)
def model(): ...


@dg.asset(partitions_def=both)
def model_in_zone(): ...


def keys(*names):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("models", names)
        return instance.get_dynamic_partitions("models"), both.get_partition_keys(dynamic_partitions_store=instance)


for names in (["a", "a|b"], ["a,b"], ["[a]"]):
    alone, crossed = keys(*names)
    print(names, "alone:", alone, "by zone:", [str(key) for key in crossed])
    assert alone == names and len(crossed) == 2
with dg.DagsterInstance.ephemeral() as instance:
    instance.add_dynamic_partitions("models", ["a", "a|b"])
    assert dg.materialize([model], partition_key="a|b", instance=instance).success
    try:
        key = dg.MultiPartitionKey({"model": "a|b", "zone": "eu"})
        dg.materialize([model_in_zone], partition_key=key, instance=instance)
    except DagsterUnknownPartitionError as error:
        print("materializing it:", error)
    else:
        raise SystemExit("the partition is known now")
for name in ("a|b", "a,b", "[a]"):
    try:
        dg.MultiPartitionsDefinition({"model": dg.StaticPartitionsDefinition([name]), "zone": zones})
    except dg.DagsterInvalidDefinitionError as error:
        print(f"static {name}:", type(error).__name__)
    else:
        raise SystemExit("a static key is taken now")
PYTHON
