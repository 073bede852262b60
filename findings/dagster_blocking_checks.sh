#!/usr/bin/env bash
# Dagster 1.13.27: a blocking check that fails fails the step of its multi_asset as a whole, after the step has written
# everything. The other assets of the step are materialized, but what depends on them does not run either, although no
# check of theirs failed, and the run is red. With severity WARN, a blocking check blocks nothing.
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

logging.disable(logging.CRITICAL)
print("dagster", version("dagster"))


def run(*, blocking, severity):
    @dg.multi_asset(
        specs=[dg.AssetSpec("checked"), dg.AssetSpec("beside")],
        check_specs=[dg.AssetCheckSpec("ok", asset="checked", blocking=blocking)],
    )
    def both():
        failed = dg.AssetCheckResult(passed=False, severity=severity)
        yield dg.MaterializeResult(asset_key="checked", check_results=[failed])
        yield dg.MaterializeResult(asset_key="beside")

    @dg.asset(deps=["checked"])
    def after_checked(): ...

    @dg.asset(deps=["beside"])
    def after_beside(): ...

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([both, after_checked, after_beside], instance=instance, raise_on_error=False)
    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    print(f"blocking={blocking}, {severity.value}: the run succeeds: {result.success}; materialized: {', '.join(made)}")
    return result.success, sorted(made)


everything = ["after_beside", "after_checked", "beside", "checked"]
assert run(blocking=False, severity=dg.AssetCheckSeverity.ERROR) == (True, everything)
assert run(blocking=True, severity=dg.AssetCheckSeverity.WARN) == (True, everything)
assert run(blocking=True, severity=dg.AssetCheckSeverity.ERROR) == (False, ["beside", "checked"])
PYTHON
