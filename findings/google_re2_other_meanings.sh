#!/usr/bin/env bash
# google-re2 1.1.20251105: {,2} is no repetition but a text of four characters, so gpt-\d{,2} is taken and does not match
# gpt-4. compile() with a flag of `re` raises AttributeError, a bad pattern raises an Error that is no re.error and whose
# message is bytes. A Set answers None, not an empty list, where nothing matches, and its matches are in no order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-re2==1.1.20251105
"$folder/venv/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version

import re2

print("google-re2", version("google-re2"))
assert re.fullmatch(r"gpt-\d{,2}", "gpt-4")
missed, literal = re2.fullmatch(r"gpt-\d{,2}", "gpt-4"), re2.fullmatch(r"gpt-\d{,2}", "gpt-4{,2}")
print(r"gpt-\d{,2} on gpt-4:", missed, "on gpt-4{,2}:", literal and literal.group())
assert missed is None and literal and re2.fullmatch(r"gpt-\d{0,2}", "gpt-4")

try:
    re2.compile("gpt", re.IGNORECASE)
except AttributeError as error:
    print("compile(pattern, re.IGNORECASE):", error)
else:
    raise SystemExit("flags of re are taken now")
try:
    re2.compile("(gpt")
except re2.error as error:
    print("(gpt:", repr(error), "a re.error:", isinstance(error, re.error))
    assert error.args == (b"missing ): (gpt",) and not isinstance(error, re.error)

patterns = re2.Set.SearchSet()
for pattern in ("a", "b", "c", "ab", ".*", "x+"):
    patterns.Add(pattern)
patterns.Compile()
matches = patterns.Match("abc")
print("Set:", matches, "sorted:", matches == sorted(matches))
assert sorted(matches) == [0, 1, 2, 3, 4] != matches
letters = re2.Set.FullMatchSet()
letters.Add("[a-z]+")
letters.Compile()
print("nothing matches:", letters.Match("123"))
assert letters.Match("123") is None
PYTHON
