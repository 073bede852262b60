#!/usr/bin/env bash
# psycopg 3.3.9 with its C implementation: of a list of texts, each quotation mark and backslash is escaped by a replacement in
# Python. A list of 100 JSON documents as a text[] parameter took 60 times as long to send as one text with all of them,
# and 7 times as long as the same list with apostrophes instead of quotation marks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "psycopg[binary]==3.3.9"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import time
from importlib.metadata import version

from psycopg import pq
from psycopg.adapt import PyFormat, Transformer

documents = [json.dumps({f"model-{place}": "a" * 64 for place in range(100)}) for _ in range(100)]
values = {
    "one text": json.dumps(documents),
    "a list of texts": documents,
    "a list of texts without quotation marks": [each.replace('"', "'") for each in documents],
}


def seconds(value):
    def once():
        began = time.process_time()
        Transformer().dump_sequence([value], [PyFormat.AUTO])
        return time.process_time() - began

    return min(once() for _ in range(9))


print("psycopg", version("psycopg"), pq.__impl__)
took = {name: seconds(value) for name, value in values.items()}
for name, each in took.items():
    print(f"{name}: {each / took['one text']:.1f} times one text")
assert pq.__impl__ == "binary"
assert took["a list of texts"] > 10 * took["one text"]
assert took["a list of texts"] > 2 * took["a list of texts without quotation marks"]
PYTHON
