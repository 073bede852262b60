#!/usr/bin/env bash
# jmespath.py 1.1.0: a literal's value is part of the parsed expression, and that is cached by its text. Whoever changes a
# result changes what every later search with the same text finds, in any part of the process, also a newly compiled one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jmespath==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jmespath

print("jmespath", version("jmespath"))
defaults = jmespath.search("tags || `[\"none\"]`", {"tags": []})
defaults.append("changed by the first caller")
print("first caller:", defaults)
again = jmespath.search("tags || `[\"none\"]`", {})
print("second caller, same text:", again)
assert again == ["none", "changed by the first caller"]
compiled = jmespath.compile("tags || `[\"none\"]`").search({})
print("compiled anew:", compiled)
assert compiled is again is defaults
other = jmespath.search("tags || `[ \"none\" ]`", {})
print("the same literal with other blanks:", other)
assert other == ["none"]
mapped = jmespath.search("map(&`{}`, @)", [1, 2])
mapped[0]["id"] = "a"
print("map(&`{}`, [1, 2]), then a key set on the first:", mapped)
assert mapped == [{"id": "a"}, {"id": "a"}]
PYTHON
