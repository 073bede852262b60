#!/usr/bin/env bash
# dagster-celery 0.29.27: `dagster-celery worker start -y FILE` reads broker and backend only under execution.config (or
# execution.celery). The flat form that the help text suggests ("the same config block that you provide to
# celery_executor") is ignored without a word, and the worker keeps its results in rpc://. CeleryRunLauncher, which asks
# another backend, then sees every started run as PENDING, and run monitoring marks it as failed while it works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster-celery==0.29.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes
cd "$folder"
printf 'broker: redis://broker/0\nbackend: redis://broker/0\n' >flat.yaml
printf 'execution:\n  config:\n    broker: redis://broker/0\n    backend: redis://broker/0\n' >nested.yaml
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from dagster_celery.cli import get_validated_config

print("dagster-celery", version("dagster-celery"))
for name, expected in (("flat.yaml", (None, "rpc://")), ("nested.yaml", ("redis://broker/0", "redis://broker/0"))):
    found = get_validated_config(name)
    print(f"{name}: broker {found.get('broker')}, backend {found.get('backend')}")
    assert (found.get("broker"), found.get("backend")) == expected
PYTHON
