#!/usr/bin/env bash
# jmespath 1.1.0 and jmespath-community 1.1.3 are two packages that both install the module jmespath. pip takes both
# without a word, and whoever came last is imported: then null is an item of [*].{id: id}, a text can be sliced, and a-b
# subtracts. Uninstalling the later one leaves the earlier one installed, and not importable.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" --quiet --disable-pip-version-check "$@"; }
cat >"$folder/search.py" <<'PYTHON'
import importlib.metadata
import json
import sys

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError as error:
    print(importlib.metadata.version("jmespath"), "is installed:", type(error).__name__)
    sys.exit(0 if sys.argv[1] == "gone" else "importable")


def search(expression, document):
    try:
        return json.dumps(jmespath.search(expression, document))
    except JMESPathError:
        return "an error"


found = [search("[*].{id: id}", [None, {"id": 1}]), search("{id: id}", None), search("[:2]", "abc"), search("a-b", {"a": 3, "b": 1})]
print(sys.argv[1], importlib.metadata.version(sys.argv[1]), "after", sys.argv[2], "->", ", ".join(found))
EXPECTED = {
    "jmespath": ['[{"id": 1}]', "null", "null", "an error"],
    "jmespath-community": ['[{"id": null}, {"id": 1}]', '{"id": null}', '"ab"', "2"],
}
assert found == EXPECTED[sys.argv[1]], found
PYTHON
pip install jmespath==1.1.0
"$folder/venv/bin/python" "$folder/search.py" jmespath nothing
pip install jmespath-community==1.1.3
pip check && "$folder/venv/bin/python" "$folder/search.py" jmespath-community jmespath
pip install --force-reinstall jmespath==1.1.0
"$folder/venv/bin/python" "$folder/search.py" jmespath jmespath-community
pip uninstall --yes jmespath-community
"$folder/venv/bin/python" "$folder/search.py" gone jmespath-community
