#!/usr/bin/env bash
# Dagster 1.13.27, components: a text in YAML is read as a Python literal, quoted or not, with a template in it or not. A
# text attribute takes "gpt-4", "2026-11" and "007" and refuses "5", "1.0" and "None", whether written or from {{ env.X }};
# a text in quotes loses them, and so does b'x'. A whole number takes "1_000" and "0x10". A number with a bound, Field(ge=1),
# raises TypeError for any text, so a variable cannot set it. Keys of a dict are not templates.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder" DAGSTER_DISABLE_TELEMETRY=yes
export NUMBER=5
"$folder/venv/bin/python" - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log" >&2; exit 1; }
import json
from importlib.metadata import version

import dagster as dg
from pydantic import Field, ValidationError


class Sync(dg.Component, dg.Model, dg.Resolvable):
    text: str = ""
    number: int = 1
    bounded: int = Field(default=1, ge=1)
    texts: list[str] = []
    numbers: dict[str, int] = {}

    def build_defs(self, context):
        return dg.Definitions()


def read(name, value):
    try:
        found = getattr(Sync.resolve_from_yaml(json.dumps({name: value})), name)
    except (ValidationError, TypeError) as error:
        found = type(error)
    print(f"{name}: {json.dumps(value)} gives {found!r}")
    return found


print("dagster", version("dagster"))
for plain in ("gpt-4", "2026-11", "007", "1/2", "v{{ env.NUMBER }}"):
    assert read("text", plain) == plain.replace("{{ env.NUMBER }}", "5")
for literal in ("5", "1.0", "-1", "1_000", "None", "True", "1, 2", "{{ env.NUMBER }}"):
    assert read("text", literal) is ValidationError
assert read("texts", ["a", "5"]) is ValidationError
assert read("text", "'5'") == "5"
assert read("text", "b'x'") == "x"
assert read("number", "1_000") == 1000
assert read("number", "0x10") == 16
assert read("number", "{{ env.NUMBER }}") == 5
assert read("bounded", 5) == 5
assert read("bounded", "5") is TypeError
assert read("bounded", "{{ env.NUMBER }}") is TypeError
assert read("numbers", {"{{ env.NUMBER }}": 1}) == {"{{ env.NUMBER }}": 1}
PYTHON
