#!/usr/bin/env bash
# jmespath.py 1.1.0: comparing a text with a number raises Python's bare TypeError (the specification: null), which a
# handler for JMESPathError does not catch. And true equals 1 or not, depending on how deep it lies: apart at the top,
# equal inside lists, objects and contains().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jmespath==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jmespath
from jmespath.exceptions import JMESPathError

print("jmespath", version("jmespath"))
try:
    jmespath.search("[?context < `2`]", [{"context": 1}, {"context": "1"}])
except JMESPathError:
    raise SystemExit("an error of its own now")
except TypeError as error:
    print("[?context < `2`] over a number and a text:", error)
else:
    raise SystemExit("no error now")
assert jmespath.search("[?context < `2`]", [{"context": True}, {"context": None}]) == []
print("the same over true and null: no match, no error")
for expression, document, expected in (
    ("@ == `1`", True, False),
    ("@ == `[1]`", [True], True),
    ("@ == `{\"n\": 1}`", {"n": True}, True),
    ("contains(@, `1`)", [True], True),
    ("[?n == `1`]", [{"n": True}], []),
):
    found = jmespath.search(expression, document)
    print(f"{expression} on {document!r} = {found!r}")
    assert found == expected and type(found) is type(expected), (expression, found)
PYTHON
