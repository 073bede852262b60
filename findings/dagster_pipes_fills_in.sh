#!/usr/bin/env bash
# Dagster 1.13.27, Pipes: an asset that is declared skippable cannot be skipped by a process behind Pipes. What the process
# does not report, get_results() records as materialized, also when it reported nothing at all; with
# get_results(implicit_materializations=False) the step fails instead, because an output is missing. The same assets can
# be skipped by a function in Dagster itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27 dagster-pipes==1.13.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import logging
import sys
from importlib.metadata import version

import dagster as dg

logging.disable(logging.CRITICAL)
print("dagster", version("dagster"))
SKIPPABLE = [dg.AssetSpec("one", skippable=True), dg.AssetSpec("other", skippable=True)]
REPORT_ONE = "context.report_asset_materialization(asset_key='one')"


def run(code, **options):
    program = f"from dagster_pipes import open_dagster_pipes\nwith open_dagster_pipes() as context:\n    {code}\n"

    @dg.multi_asset(specs=SKIPPABLE)
    def both(context: dg.AssetExecutionContext):
        invocation = dg.PipesSubprocessClient().run(command=[sys.executable, "-c", program], context=context)
        yield from invocation.get_results(**options)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([both], instance=instance, raise_on_error=False)
    made = sorted(event.asset_key.to_user_string() for event in result.get_asset_materialization_events())
    print(f"{code}, {options}: success {result.success}, materialized {made}")
    return result.success, made


@dg.multi_asset(specs=SKIPPABLE)
def without_pipes():
    yield dg.MaterializeResult(asset_key="one")


assert run(REPORT_ONE) == (True, ["one", "other"])
assert run("pass") == (True, ["one", "other"])
assert run(REPORT_ONE, implicit_materializations=False) == (False, ["one"])
assert run("pass", implicit_materializations=False) == (False, [])
with dg.DagsterInstance.ephemeral() as instance:
    result = dg.materialize([without_pipes], instance=instance)
assert result.success and len(result.get_asset_materialization_events()) == 1
print("without Pipes: success, materialized ['one']")
PYTHON
