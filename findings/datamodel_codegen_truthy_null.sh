#!/usr/bin/env bash
# datamodel-code-generator 0.89.0: what JSON Schema allows as null beside an enum's texts becomes a member of the enum. A
# null that is read is then not None, and true in an `if`; with `type: [string, null]` beside the same enum it is None. And a
# date given as the schema's default stays a text in the model, where one that is read becomes a date.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datamodel-code-generator==0.89.0
cd "$folder"
cat >schema.json <<'JSON'
{"title": "Model", "type": "object", "required": ["status", "tier"], "properties": {
 "status": {"enum": ["active", "removed", null]},
 "tier": {"type": ["string", "null"], "enum": ["free", "paid", null]},
 "retires": {"type": "string", "format": "date", "default": "2026-12-31"}}}
JSON
venv/bin/datamodel-codegen --input schema.json --input-file-type jsonschema --formatters builtin \
    --output-model-type pydantic_v2.BaseModel --output generated.py
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from generated import Model

print("datamodel-code-generator", version("datamodel-code-generator"))
model = Model.model_validate_json('{"status": null, "tier": null}')
print("an enum with null:", repr(model.status), "is None:", model.status is None, "true:", bool(model.status))
print("the same with type [string, null]:", repr(model.tier))
assert model.status is not None and bool(model.status) and model.status.value is None
assert model.tier is None
read = Model.model_validate_json('{"status": "active", "tier": "free", "retires": "2026-12-31"}')
print("default and read date:", repr(model.retires), repr(read.retires))
assert isinstance(model.retires, str) and str(read.retires) == model.retires != read.retires
PYTHON
