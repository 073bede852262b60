#!/usr/bin/env bash
# psutil 7.1.3: psutil.Process(pid).wait() on a child that subprocess.Popen started reaps it. Popen then cannot learn the
# exit code any more and reports 0, success, for a process that failed; no warning, no error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psutil==7.1.3
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

import psutil

print("psutil", version("psutil"))
command = [sys.executable, "-c", "raise SystemExit(7)"]
child = subprocess.Popen(command)
print("psutil.Process.wait():", seen := psutil.Process(child.pid).wait())
print("subprocess.Popen.wait():", told := child.wait())
assert (seen, told, child.returncode) == (7, 0, 0)
child = subprocess.Popen(command)
print("the other way round:", child.wait(), psutil.Popen(command).wait())
assert child.returncode == 7
PYTHON
