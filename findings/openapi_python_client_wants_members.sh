#!/usr/bin/env bash
# openapi-python-client 0.29.1: a generated function for a parameter that is an enum raises AttributeError for the plain
# text of a member, before any request is sent; only the generated member works, though that is a str itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openapi-python-client==0.29.1 2>/dev/null
cd "$folder"
cat >openapi.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "models", "version": "1"}, "paths": {"/models": {"get": {"operationId": "list_models",
 "parameters": [{"name": "capability", "in": "query", "schema": {"type": "string", "enum": ["tools", "vision"]}}],
 "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}}}}}
JSON
venv/bin/openapi-python-client generate --path openapi.json --meta none --output-path generated >/dev/null 2>&1
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import httpx
from generated import Client
from generated.api.default import list_models
from generated.models.list_models_capability import ListModelsCapability

sent = []


def answer(request: httpx.Request) -> httpx.Response:
    sent.append(str(request.url))
    return httpx.Response(200, json={})


client = Client(base_url="http://127.0.0.1", httpx_args={"transport": httpx.MockTransport(answer)})
print("openapi-python-client", version("openapi-python-client"), "a member is a str:", issubclass(ListModelsCapability, str))
list_models.sync_detailed(client=client, capability=ListModelsCapability.TOOLS)
try:
    list_models.sync_detailed(client=client, capability="tools")
except AttributeError as error:
    print("the text of a member:", repr(error))
else:
    raise SystemExit("the text is sent now")
print("sent:", sent)
assert sent == ["http://127.0.0.1/models?capability=tools"]
PYTHON
