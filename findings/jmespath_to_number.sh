#!/usr/bin/env bash
# jmespath.py 1.1.0: to_number() reads whatever Python's int() and float() read: underscores, blanks, digits of other
# scripts, NaN and Infinity. The JMESPath specification allows JSON numbers only, so `to_number(price)` turns texts that
# are no prices into prices, and NaN then passes every comparison.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jmespath==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import math
from importlib.metadata import version

import jmespath

print("jmespath", version("jmespath"))
EXPECTED = {
    "1_000": 1000, " 12 ": 12, "+5": 5, "1.": 1.0, "\u0663": 3, "1e400": math.inf, "Infinity": math.inf,
    "1__0": None, "0x10": None, "": None,
}
for text, number in EXPECTED.items():
    found = jmespath.search("to_number(@)", text)
    print(f"to_number({text!r}) = {found!r}")
    assert found == number and type(found) is type(number), (text, found)
found = jmespath.search("to_number(@)", "nan")
print(f"to_number('nan') = {found!r}")
assert math.isnan(found)
assert jmespath.search("max([*].to_number(@))", ["1", "nan", "2"]) == 2
assert math.isnan(jmespath.search("max([*].to_number(@))", ["nan", "1", "2"]))
print("the maximum of 1, NaN and 2 depends on their order")
PYTHON
